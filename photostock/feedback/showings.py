"""Events put together: one showing is one photo that one person saw for one query on one day, clicked or not.

Reloading a page or clicking twice makes no second showing, so no single person counts for many. All events are read
once, person by person: nothing that is counted spans two people, so a block of people at a time is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from sqlalchemy import Engine, Select, select

from photostock.feedback.store import events

Ints = npt.NDArray[np.int64]
MOST_PAIRS = 1_000_000  # rows of the per-position counts that are read
BLOCK_ROWS = 5_000  # events in memory at a time, and those of one person more: a block holds the interpreter up

COLUMNS = ("user_id", "at", "kind", "photo_id", "query", "position", "served_by")
SCHEMA = {name: pl.Int64 if name == "position" else pl.String for name in COLUMNS}
PAIR = ("query", "photo_id")
SUMS = ("shown", "clicked", "downloaded")
TEXTS = dict.fromkeys(PAIR, pl.String)
GROUPS = TEXTS | {"position": pl.Int64, "served_by": pl.String} | dict.fromkeys(SUMS, pl.Int64)
DAYS = TEXTS | {"position": pl.Int64, "day": pl.String} | dict.fromkeys(SUMS, pl.Int64)
PEOPLE = TEXTS | {"people": pl.Int64}


class Seen(NamedTuple):
    """What people saw and did in some days, with nobody's id left."""

    kinds: dict[str, int]  # events by kind
    groups: pl.DataFrame  # query, photo_id, position, served_by (both may be null), shown, clicked, downloaded
    people: pl.DataFrame  # query, photo_id, people: so many different ones chose it


class Counts(NamedTuple):
    """Showings by photo, query and position; all arrays have the same length."""

    pairs: list[tuple[str, str]]  # (query, photo_id), without repetition
    pair: Ints  # number into `pairs`
    position: Ints  # from 1
    shown: Ints
    clicked: Ints  # or downloaded
    downloaded: Ints


def seen(engine: Engine, *, first: date | None = None, last: date | None = None) -> Seen:
    """All events from the first to the last day, read in one pass: some seconds for a million."""
    kinds: dict[str, int] = {}
    groups, people = [pl.DataFrame(schema=GROUPS)], [pl.DataFrame(schema=PEOPLE)]
    for block in _blocks(engine, first, last):
        for kind, count in block.group_by("kind").len().iter_rows():
            kinds[kind] = kinds.get(kind, 0) + count
        showings = _showings(block)
        shown = showings.filter(pl.col("shown") == 1).group_by(*PAIR, "position", "served_by")
        groups.append(shown.agg(pl.col(name).sum() for name in SUMS))
        chosen = showings.filter(pl.col("clicked") == 1).group_by(*PAIR)
        people.append(chosen.agg(people=pl.col("user_id").n_unique().cast(pl.Int64)))
    whole = pl.concat(groups).group_by(*PAIR, "position", "served_by").agg(pl.col(name).sum() for name in SUMS)
    return Seen(kinds, whole, pl.concat(people).group_by(*PAIR).agg(pl.col("people").sum()))


def by_day(engine: Engine, queries: Sequence[str], *, first: date) -> pl.DataFrame:
    """Showings of these queries, written as here, whose position is known: by photo, position and day, in `DAYS`."""
    days = [pl.DataFrame(schema=DAYS)]
    for block in _blocks(engine, first, None, queries):
        shown = _showings(block).filter(pl.col("shown") == 1, pl.col("position").is_not_null())
        days.append(
            shown.group_by(*PAIR, "position", "day").agg(pl.col(name).sum() for name in SUMS).select(list(DAYS))
        )
    return pl.concat(days).group_by(*PAIR, "position", "day").agg(pl.col(name).sum() for name in SUMS)


def counts(found: Seen) -> Counts:
    """Showings whose position is known, summed up by photo, query and position; the most shown ones, if too many."""
    known = found.groups.filter(pl.col("position").is_not_null(), pl.col("query") != "")
    summed = known.group_by(*PAIR, "position").agg(pl.col(name).sum() for name in SUMS)
    order = summed.sort("shown", *PAIR, "position", descending=[True, False, False, False]).head(MOST_PAIRS)
    pairs = order.select(PAIR).unique(maintain_order=True).with_row_index("pair")
    numbered = order.join(pairs, on=PAIR, how="left", maintain_order="left")
    figures = (numbered[name].to_numpy().astype(np.int64) for name in ("pair", "position", *SUMS))
    return Counts(pairs.select(PAIR).rows(), *figures)


def _showings(block: pl.DataFrame) -> pl.DataFrame:
    """user_id, day, query (lower case), photo_id, position (best), served_by (there), shown, clicked, downloaded."""
    is_one = {kind: (pl.col("kind") == kind).any().cast(pl.Int64) for kind in ("impression", "click", "download")}
    impression = pl.col("kind") == "impression"
    seen_at = pl.col("position").filter(impression).min()
    best_first = [pl.col(name).filter(impression) for name in ("position", "at")]
    seen_by = pl.col("served_by").filter(impression).sort_by(best_first, nulls_last=True).first()
    day, query = pl.col("at").str.slice(0, 10).alias("day"), pl.col("query").str.strip_chars().str.to_lowercase()
    return block.group_by("user_id", day, query, "photo_id").agg(
        position=pl.coalesce(seen_at, pl.col("position").min()),
        served_by=seen_by,
        shown=is_one["impression"],
        clicked=pl.max_horizontal(is_one["click"], is_one["download"]),
        downloaded=is_one["download"],
    )


def _blocks(
    engine: Engine, first: date | None, last: date | None, queries: Sequence[str] | None = None
) -> Iterator[pl.DataFrame]:
    """The events in the order of people; all of one person's are in one block."""
    chosen = [events.c[name] for name in COLUMNS]
    statement = _within(select(*chosen), first, last).order_by(events.c.user_id)
    if queries is not None:
        statement = statement.where(events.c.query.in_(queries))
    left = pl.DataFrame(schema=SCHEMA)
    with engine.connect().execution_options(stream_results=True, yield_per=BLOCK_ROWS) as connection:
        for rows in connection.execute(statement).partitions():
            block = pl.concat([left, pl.DataFrame([tuple(row) for row in rows], schema=SCHEMA, orient="row")])
            goes_on = pl.col("user_id") == block["user_id"][-1]
            left = block.filter(goes_on)
            if len(left) < len(block):
                yield block.filter(~goes_on)
    if len(left):
        yield left


def _within(statement: Select[Any], first: date | None, last: date | None) -> Select[Any]:
    """Both days belong to it."""
    if first is not None:
        statement = statement.where(events.c.at >= first.isoformat())
    if last is not None:
        statement = statement.where(events.c.at < (last + timedelta(days=1)).isoformat())
    return statement
