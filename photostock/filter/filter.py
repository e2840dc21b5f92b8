"""The gate: which photos may be shown at all, and which fit the conditions of a search.

Plain code without a model, required in every answer. It fails closed: what it does not know is not allowed, and
whatever does not add up raises, so that there is an error instead of unfiltered photos.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from photostock.catalogue import Orientation, Photo
from photostock.filter.colours import NAMES, RADIUS, lab_of, nearest_name

FILTER_VERSION = "1"  # of what the conditions mean
ORIENTATIONS: tuple[Orientation, ...] = ("landscape", "portrait", "square")
LONG_AGO = date.min  # of a photo whose date is unknown: it has always been there

Mask: TypeAlias = npt.NDArray[np.bool_]

_ROW = np.dtype(
    [
        ("alive", np.bool_),
        ("safe", np.bool_),
        ("orientation", np.int8),
        ("licence", np.int32),
        ("colour", np.int8),
        ("lab", np.float32, 3),
        ("created", "datetime64[D]"),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a search asks of a photo beside its text; None asks nothing.

    Args:
        color: one of `colours.NAMES`, or #rrggbb for what is near it.
        licence: exactly this one.
        as_of: hides photos that are newer than this day (UTC).
    """

    orientation: Orientation | None = None
    color: str | None = None
    licence: str | None = None
    as_of: date | None = None


class PhotoFilter:
    """Facts about photos by row, in columns. `allowed` from any number of threads, changes from any one at a time.

    Rows are only ever appended, so a reader's view of the first n of them stays true while more are written behind it.
    """

    def __init__(self) -> None:
        self._buffer = np.zeros(1024, dtype=_ROW)
        self._rows = self._buffer[:0]  # what readers see: one reference, replaced in one step
        self._licences: dict[str, int] = {}
        self._writer = threading.Lock()

    def add(self, row: int, photo: Photo) -> None:
        """From now on the photo may be shown; so everything else should know the row already."""
        with self._writer:
            if row < len(self._rows):
                raise ValueError(f"row {row} is taken: a photo that changes gets a new row")
            if row >= len(self._buffer):
                self._buffer = np.resize(self._buffer, 2 * (row + 1))
                self._buffer[len(self._rows) :] = np.zeros(1, dtype=_ROW)
            self._buffer[row] = self._facts(photo)
            self._rows = self._buffer[: row + 1]

    def remove(self, row: int) -> None:
        """From now on the photo in this row is shown to nobody."""
        with self._writer:
            if not 0 <= row < len(self._rows):
                raise ValueError(f"there is no row {row}")
            self._rows["alive"][row] = False

    def allowed(self, conditions: Conditions) -> Mask:
        """By row: may this photo be shown to somebody who asks for this?"""
        rows = self._rows
        allowed: Mask = rows["alive"] & rows["safe"]
        if conditions.orientation is not None:
            allowed &= rows["orientation"] == _shape(conditions.orientation)
        if conditions.licence is not None:
            allowed &= rows["licence"] == self._licences.get(conditions.licence, -1)
        if conditions.as_of is not None:
            allowed &= rows["created"] <= np.datetime64(conditions.as_of, "D")
        if conditions.color is not None:
            allowed &= _of_colour(rows, conditions.color)
        return allowed

    def _facts(self, photo: Photo) -> tuple[Any, ...]:
        lab = lab_of(photo.color)
        licence = self._licences.setdefault(photo.licence, len(self._licences))
        return (True, photo.safe, _shape(photo.orientation), licence, nearest_name(lab), lab, _day(photo.created_at))


def _shape(orientation: Orientation) -> int:
    if orientation not in ORIENTATIONS:
        raise ValueError(f"{orientation!r} is none of {', '.join(ORIENTATIONS)}")
    return ORIENTATIONS.index(orientation)


def _of_colour(rows: npt.NDArray[Any], color: str) -> Mask:
    if color in NAMES:
        named: Mask = rows["colour"] == NAMES.index(color)
        return named
    differences = rows["lab"] - lab_of(color)
    near: Mask = np.einsum("ij,ij->i", differences, differences) <= RADIUS**2  # faster than a sum of squares
    return near


def _day(created_at: str) -> date:
    if not created_at:
        return LONG_AGO
    moment = datetime.fromisoformat(created_at)
    return moment.astimezone(UTC).date() if moment.tzinfo else moment.date()
