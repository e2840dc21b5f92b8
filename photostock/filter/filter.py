"""The gate: which photos may be shown at all, and which fit the conditions of a search.

Plain code without a model, required in every answer. It fails closed: what it does not know is not allowed, and
whatever does not add up raises, so that there is an error instead of unfiltered photos.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from photostock.catalogue import Orientation, Photo
from photostock.filter.colours import NAMES, RADIUS, lab_of, nearest_name
from photostock.filter.diversity import UNKNOWN

FILTER_VERSION = "2"  # of what the conditions mean
MOST_COLOURS = 3  # of a photo
PALETTES_KEPT = 4_096
ORIENTATIONS: tuple[Orientation, ...] = ("landscape", "portrait", "square")

Mask: TypeAlias = npt.NDArray[np.bool_]


class _Columns(NamedTuple):
    """A fact about all photos in each array; each row of them is a photo."""

    shown: Mask  # alive and safe: all that is asked of a photo by a search without conditions
    orientation: npt.NDArray[np.int8]
    licence: npt.NDArray[np.int32]
    names: npt.NDArray[np.int16]  # a bit for each of its main colours, by their place in `NAMES`
    labs: npt.NDArray[np.float32]  # [rows, MOST_COLOURS, 3], its main colours; one that has fewer repeats the first
    created: npt.NDArray[np.datetime64]
    photographer: npt.NDArray[np.int32]

    @classmethod
    def empty(cls, size: int) -> _Columns:
        return cls(
            shown=np.zeros(size, dtype=np.bool_),
            orientation=np.zeros(size, dtype=np.int8),
            licence=np.zeros(size, dtype=np.int32),
            names=np.zeros(size, dtype=np.int16),
            labs=np.zeros((size, MOST_COLOURS, 3), dtype=np.float32),
            created=np.zeros(size, dtype="datetime64[D]"),
            photographer=np.zeros(size, dtype=np.int32),
        )

    def first(self, size: int) -> _Columns:
        """Views of the first rows."""
        return _Columns._make(column[:size] for column in self.each())

    def grown(self, size: int) -> _Columns:
        """Copies, with room for more rows."""
        larger = _Columns.empty(size)
        for column, before in zip(larger.each(), self.each(), strict=True):
            column[: len(before)] = before
        return larger

    def each(self) -> tuple[npt.NDArray[Any], ...]:
        """The columns as plain arrays, whatever their types."""
        return self

    def write(self, row: int, facts: tuple[Any, ...]) -> None:
        for column, fact in zip(self.each(), facts, strict=True):
            column[row] = fact


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
    Where some replace others, readers get a new column that says who is shown: they see all of the change or nothing.
    """

    def __init__(self) -> None:
        self._buffer = _Columns.empty(1024)
        self._rows = self._buffer.first(0)  # what readers see: one reference, replaced in one step
        self._licences: dict[str, int] = {}
        self._photographers: dict[str, int] = {"": UNKNOWN}
        self._colours = lru_cache(PALETTES_KEPT)(_colours_of)  # many photos share one, such as the default
        self._writer = threading.Lock()

    def add(self, row: int, photo: Photo) -> None:
        """From now on the photo may be shown; so everything else should know the row already."""
        self.replace({row: photo}, gone=())

    def replace(self, photos: Mapping[int, Photo], *, gone: Sequence[int]) -> None:
        """In one step these photos, by ascending row, may be shown, and those in the rows that are gone no longer."""
        with self._writer:
            size = len(self._rows.shown)
            self._refuse_unknown(gone)
            facts = {row: self._facts(photo) for row, photo in photos.items()}
            for row in photos:
                if row < size:
                    raise ValueError(f"row {row} is taken: a photo that changes gets a new row")
                size = row + 1
            if size > len(self._buffer.shown):
                self._buffer = self._rows.grown(2 * size)
            elif gone:
                self._buffer = self._buffer._replace(shown=self._buffer.shown.copy())
            for row, own in facts.items():
                self._buffer.write(row, own)
            self._buffer.shown[list(gone)] = False
            self._rows = self._buffer.first(size)

    def remove(self, row: int) -> None:
        """From now on the photo in this row is shown to nobody."""
        with self._writer:
            self._refuse_unknown([row])
            self._rows.shown[row] = False

    @property
    def licences(self) -> tuple[str, ...]:
        """Every licence that a photo has or had."""
        return tuple(sorted(filter(None, self._licences.copy())))  # copied in one step: an add may come between

    def photographers(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """A code per photographer for each of these rows, `diversity.UNKNOWN` where there is none."""
        codes: npt.NDArray[np.int32] = self._rows.photographer[rows]
        return codes

    def allowed(self, conditions: Conditions) -> Mask:
        """By row: may this photo be shown to somebody who asks for this?"""
        rows = self._rows
        allowed = rows.shown.copy()  # as it is now, whatever comes and goes during the search
        if conditions.orientation is not None:
            allowed &= rows.orientation == _shape(conditions.orientation)
        if conditions.licence is not None:
            allowed &= rows.licence == self._licences.get(conditions.licence, -1)
        if conditions.as_of is not None:
            allowed &= rows.created <= np.datetime64(conditions.as_of, "D")
        if conditions.color is not None:
            allowed &= _of_colour(rows, conditions.color)
        return allowed

    def _refuse_unknown(self, rows: Sequence[int]) -> None:
        if unknown := [row for row in rows if not 0 <= row < len(self._rows.shown)]:
            raise ValueError(f"there is no row {unknown[0]}")

    def _facts(self, photo: Photo) -> tuple[Any, ...]:
        names, labs = self._colours(photo.palette[:MOST_COLOURS])
        licence = self._licences.setdefault(photo.licence, len(self._licences))
        photographer = self._photographers.setdefault(photo.photographer.strip(), len(self._photographers))
        return (
            photo.safe,
            _shape(photo.orientation),
            licence,
            names,
            labs,
            photo.created.date(),
            photographer,
        )


def _shape(orientation: Orientation) -> int:
    if orientation not in ORIENTATIONS:
        raise ValueError(f"{orientation!r} is none of {', '.join(ORIENTATIONS)}")
    return ORIENTATIONS.index(orientation)


def _colours_of(palette: Sequence[str]) -> tuple[int, npt.NDArray[np.float32]]:
    """The bits of their names, and their places in the colour space [MOST_COLOURS, 3]."""
    labs = [lab_of(code) for code in palette]
    names = sum({1 << nearest_name(lab) for lab in labs})
    return names, np.array([*labs, *[labs[0]] * (MOST_COLOURS - len(labs))], dtype=np.float32)


def _of_colour(rows: _Columns, color: str) -> Mask:
    if color in NAMES:
        named: Mask = rows.names & (1 << NAMES.index(color)) != 0
        return named
    differences = rows.labs - lab_of(color)
    near = np.einsum("ijk,ijk->ij", differences, differences) <= RADIUS**2  # faster than a sum of squares
    nearest: Mask = near.any(axis=1)
    return nearest
