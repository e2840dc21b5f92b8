"""What a hint would change, before it is saved: queries of real people, searched with and without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeAlias

from common.deadline import Deadline
from common.workers import WorkerPool
from photostock.contract import SearchFields
from photostock.hints.rewriting import Rewritten, rewrite
from photostock.hints.rules import Hint, Hints
from photostock.hints.spelling import Speller
from photostock.kept import KeptSearches
from photostock.search import Searcher

MOST_SEARCHED = 6  # changed queries whose results are compared
FIRST_RESULTS = 8

Move: TypeAlias = Literal["added", "gone", "moved", "same"]


@dataclass(frozen=True, slots=True)
class Moved:
    """A photo and its place from 1, before and after; None is not among the first results."""

    id: str
    title: str
    move: Move
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class ChangedQuery:
    """A query that the hint rewrites; without `results` where there are too many such queries to search for all."""

    query: str
    before: str
    after: str
    served_by: str | None
    results: list[Moved]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a hint would do to `looked_at` queries."""

    looked_at: int
    changed: list[ChangedQuery]


async def preview(
    searcher: Searcher, hint: Hint, queries: Sequence[str], *, pool: WorkerPool, deadline: Deadline
) -> Preview:
    """The queries that the hint would change, in their order, and the first results of a few of them.

    Raises `PoolFull` or `TimeoutError` when there is no time to read that many queries.

    Args:
        pool: where the queries are read, with and without the hint.
    """
    now = searcher.hints()
    then = now.with_hint(hint)
    changed = await pool.run(_changes, queries, now, then, searcher.speller, deadline=deadline)
    searched = [query for query, _, _ in changed[:MOST_SEARCHED]]
    moves = await _moves(searcher, now, then, searched, deadline)
    moves += [(None, [])] * (len(changed) - len(moves))
    return Preview(len(queries), [_changed(*one, *move) for one, move in zip(changed, moves, strict=True)])


def _changes(
    queries: Sequence[str], now: Hints, then: Hints, speller: Speller | None
) -> list[tuple[str, Rewritten, Rewritten]]:
    read = [(query, rewrite(query, now, speller), rewrite(query, then, speller)) for query in queries]
    return [(query, before, after) for query, before, after in read if before.text != after.text]


def _changed(
    query: str, before: Rewritten, after: Rewritten, served_by: str | None, results: list[Moved]
) -> ChangedQuery:
    return ChangedQuery(query, before.text, after.text, served_by, results)


async def _moves(
    searcher: Searcher, now: Hints, then: Hints, queries: Sequence[str], deadline: Deadline
) -> list[tuple[str | None, list[Moved]]]:
    if not queries:
        return []
    fields = [SearchFields.model_construct(query=query, per_page=FIRST_RESULTS) for query in queries]
    rows: list[list[list[int]]] = []
    tiers: list[str] = []
    for hints in (now, then):
        apart = KeptSearches(most_bytes=0)  # hints that nobody has must not make the searches of others be forgotten
        searching = replace(searcher, hints=partial(_same, hints), kept=apart)
        made = await searching.search(fields, version="champion", deadline=deadline)
        found = [served.value for served in made.served]
        rows.append([[] if one is None else one.rows[:FIRST_RESULTS].tolist() for one in found])
        tiers = [str(served.served_by) for served in made.served]
    return [
        (tier, compared(searcher, before, after)) for tier, before, after in zip(tiers, rows[0], rows[1], strict=True)
    ]


def _same(hints: Hints) -> Hints:
    return hints


def compared(searcher: Searcher, before: list[int], after: list[int]) -> list[Moved]:
    """The rows that are first with the hint, in their order, and then those that are gone."""
    moved = []
    for row in [*after, *(row for row in before if row not in after)]:
        old = before.index(row) + 1 if row in before else None
        new = after.index(row) + 1 if row in after else None
        move: Move = "added" if old is None else "gone" if new is None else "same" if old == new else "moved"
        photo = searcher.library.photo(row)
        moved.append(Moved(photo.id, photo.title, move, old, new))
    return moved
