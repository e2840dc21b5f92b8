"""What editors' decisions do to what a search found: promotions, then pins. Who is banned was not even looked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from photostock.finding import Floats, Found, Rows, Wanted
from photostock.overriding import Decision, PhotoOverrides


class Applied(NamedTuple):
    """What an override did to one answer: where the photo was before, from 1, and where it is now."""

    decision: Decision
    before: int | None
    after: int | None

    def on(self, window: slice) -> bool:
        """Whether it is seen on this page."""
        return self.after is None or window.start < self.after <= window.stop


def shaped(
    found: Found,
    wanted: Wanted,
    overrides: PhotoOverrides,
    *,
    id_of: Callable[[int], str],
    row_of: Callable[[str], int | None],
) -> tuple[Found, list[Applied]]:
    """What was found, in the order that editors want, and what they did to it. Scores stay with their places."""
    decisions = wanted.decisions
    if not (decisions or overrides.promoted):
        return found, []
    rows = found.rows.tolist()
    applied = [Applied(one, None, None) for one in decisions if one.effect == "ban"]
    if wanted.fields.order_by == "relevance" and wanted.like is None:
        everywhere = overrides.promoted
        promotions = {one.photo_id: one for one in decisions if one.effect == "promote"}
        moved = _promoted(rows, [id_of(row) for row in rows], lambda id_: promotions.get(id_) or everywhere.get(id_))
        applied += moved[1]
        rows, pins = _pinned(moved[0], decisions, wanted, row_of)
        applied += pins
    if rows == found.rows.tolist():
        return found, applied
    return _reordered(found, rows, found.scores), applied


def _promoted(
    rows: list[int], ids: Sequence[str], promotion_of: Callable[[str], Decision | None]
) -> tuple[list[int], list[Applied]]:
    now_s = time.time()
    up = {
        place: one
        for place, id_ in enumerate(ids)
        if (one := promotion_of(id_)) is not None and place and now_s < one.ends_s
    }
    if not up:
        return rows, []
    # Half a place before the one that it takes; of two that want the same one the better comes first.
    wish = {place: max(place - one.value, 0) - 0.5 for place, one in up.items()}
    order = sorted(range(len(rows)), key=lambda place: (wish.get(place, place), place))
    after = {place: now for now, place in enumerate(order, start=1)}
    return [rows[place] for place in order], [Applied(one, place + 1, after[place]) for place, one in up.items()]


def _pinned(
    rows: list[int], decisions: Sequence[Decision], wanted: Wanted, row_of: Callable[[str], int | None]
) -> tuple[list[int], list[Applied]]:
    pins: list[tuple[Decision, int]] = []
    for one in sorted((one for one in decisions if one.effect == "pin"), key=lambda one: one.value):  # the newest last
        row = row_of(one.photo_id)
        if row is None or row >= len(wanted.allowed) or not wanted.allowed[row]:
            continue  # erased, or not what the search asked for
        if wanted.fields.min_score is not None and row not in rows:
            continue
        pins.append((one, row))
    if not pins:
        return rows, []
    before = {row: place for place, row in enumerate(rows, start=1)}
    own = {row for _, row in pins}
    rows = [row for row in rows if row not in own]
    for one, row in pins:
        rows.insert(one.value - 1, row)
    return rows, [Applied(one, before.get(row), rows.index(row) + 1) for one, row in pins]


def _reordered(found: Found, rows: list[int], scores: Floats) -> Found:
    """Scores keep falling: each place has its own, and one that is new at the end the last one's."""
    last = float(scores[-1]) if len(scores) else 0.0
    padded = np.concatenate([scores, np.full(max(len(rows) - len(scores), 0), last)])[: len(rows)]
    made: Rows = np.array(rows, dtype=np.int64)
    return Found(made, padded, found.stages, total=None if found.total is None else max(found.total, len(rows)))
