"""A rollout of the reranker as searches see it: which version one meets, what came of it, and how both compare.

Both rerankers put the same candidates in order. By photographer it is compared how far down the photos stand on
average: the mean difference of their places ÷ the length of the ranking, so that -0.1 is two places of twenty. A click
is the truth that comes later: the loss of an order is 1 - 1 ÷ the place at which it had the photo. People click what
they are shown first, which favours the challenger here: clicks can refute it, but do not prove it better.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from common.calls.client import Endpoint
from common.deadline import Deadline
from common.releases.observing import answered
from common.releases.pairs import Pairs
from common.releases.remembered import Remembered
from common.releases.rollout import Assigned, Rollouts
from photostock.contract import Event
from photostock.library import Library
from photostock.reranker_contract import RankingRequest, Rankings, Score
from photostock.search import Searched

RERANKER = "reranker"
TIERS = frozenset({RERANKER})
MAX_RANKINGS = 4  # of a request that are compared
MOST_REMEMBERED = 20_000  # places of photos in rankings

Places: TypeAlias = tuple[int, int]  # from 1, in the champion's order and in the challenger's


class RerankerRollout:
    """For the event loop."""

    def __init__(self, rollouts: Rollouts, pairs: Pairs, ask: Endpoint[Rankings], library: Library) -> None:
        self.rollouts = rollouts
        self._pairs = pairs
        self._ask = ask  # over connections of its own
        self._library = library
        self._foretold: Remembered[tuple[str, str], Places] = Remembered(MOST_REMEMBERED)

    def assign(self, asked: str, caller: str, query: str) -> Assigned:
        """One version for the whole request, by its first query."""
        return self.rollouts.assign(RERANKER, asked, caller=caller, item=query)

    def watch(self, assigned: Assigned) -> Callable[[Searched], None]:
        """To be called with what was found; the time until then is what the caller waited."""
        return partial(self._answered, assigned, time.monotonic())

    def chosen(self, events: Sequence[Event]) -> None:
        """People clicked: which version had the photo further up?"""
        release_id = self.rollouts.under_way(RERANKER)
        if release_id is None:
            return
        for event in events:
            if event.kind != "click":
                continue
            places = self._foretold.take(release_id, (_key(event.query), event.photo_id))
            if places is not None:
                champion, challenger = places
                self.rollouts.turned_out(RERANKER, 1 - 1 / champion, 1 - 1 / challenger)

    def _answered(self, assigned: Assigned, started_s: float, made: Searched) -> None:
        if assigned.arm is None:
            return
        latency_ms = (time.monotonic() - started_s) * 1000
        self.rollouts.answered(RERANKER, assigned.arm, answered(made.served, TIERS, latency_ms=latency_ms))
        if assigned.arm == "challenger" and assigned.instead_of is not None and made.reranked is not None:
            asked, told = made.reranked
            question = asked.model_copy(
                update={"version": assigned.instead_of, "rankings": asked.rankings[:MAX_RANKINGS]}
            )
            typed = {one.text: one.fields.query for one in made.wanted}
            self._pairs.offer(partial(self._ask_champion, question, told, typed))

    async def _ask_champion(
        self, question: RankingRequest, told: Rankings, typed: dict[str, str], deadline: Deadline
    ) -> Callable[[], None] | None:
        outcome = await self._ask(question, deadline=deadline)
        if outcome.reason is not None or len(outcome.value.rankings) != len(question.rankings):
            return None
        queries = [typed.get(ranking.query, ranking.query) for ranking in question.rankings]
        return partial(self._compare, queries, outcome.value, told)

    def _compare(self, queries: Sequence[str], ours: Rankings, theirs: Rankings) -> None:
        release_id = self.rollouts.under_way(RERANKER)
        if release_id is None:
            return
        for query, champion, challenger in zip(queries, ours.rankings, theirs.rankings, strict=False):
            if champion and challenger and (places := places_of(champion, challenger)):
                self.rollouts.compared(RERANKER, self._shifts(places))
                for photo_id, both in places.items():
                    self._foretold.put(release_id, (_key(query), photo_id), both)

    def _shifts(self, places: dict[str, Places]) -> dict[str, float]:
        """By photographer, above 0 where the challenger has the photos further up; without a name they are no slice."""
        shifts: dict[str, list[float]] = defaultdict(list)
        for photo_id, (champion, challenger) in places.items():
            photo = self._library.find(photo_id)
            if photo is not None and photo.photographer:
                shifts[photo.photographer].append((champion - challenger) / len(places))
        return {name: sum(values) / len(values) for name, values in shifts.items()}


def places_of(champion: Sequence[Score], challenger: Sequence[Score]) -> dict[str, Places]:
    """By photo, as far as both had time: they scored the same candidates in the same order."""
    both = min(len(champion), len(challenger))
    ours, theirs = (
        {one.id: place for place, one in enumerate(sorted(scores[:both], key=lambda one: -one.score), start=1)}
        for scores in (champion, challenger)
    )
    return {photo_id: (place, theirs[photo_id]) for photo_id, place in ours.items() if photo_id in theirs}


def _key(query: str) -> str:
    return " ".join(query.lower().split())
