"""A rollout of the reranker as searches see it: which version one meets, what came of it, and how both compare.

Both rerankers put the same candidates in order. By photographer it is compared how far down the photos stand on
average: the mean difference of their places ÷ the length of the ranking, so that -0.1 is two places of twenty. A click
is the truth that comes later: the loss of an order is 1 - 1 ÷ the place at which it had the photo. People click what
they are shown first, which favours the challenger here: clicks can refute it, but do not prove it better. And they
are compared by whether they answer, and how fast, under the same time limit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from common.calls.client import Endpoint
from common.deadline import Deadline
from common.releases.canary import Answered
from common.releases.observing import FAULTS, is_at_fault
from common.releases.pairs import Pairs
from common.releases.remembered import Remembered
from common.releases.rollout import Assigned, Rollouts
from photostock.contract import Event
from photostock.library import Library
from photostock.reranker.trust import Trust
from photostock.reranker_contract import RankingRequest, Rankings, Score
from photostock.search import Reranked, Searched

RERANKER = "reranker"
TIERS = frozenset({RERANKER})
MAX_RANKINGS = 4  # of a request that are compared; of a larger one nothing but the orders, for the time is another
MOST_REMEMBERED = 20_000  # places of photos in rankings

Places: TypeAlias = tuple[int, int]  # from 1, in the champion's order and in the challenger's


class RerankerRollout:
    """For the event loop."""

    def __init__(
        self, rollouts: Rollouts, pairs: Pairs, ask: Endpoint[Rankings], trust: Trust, library: Library
    ) -> None:
        self.rollouts = rollouts
        self._pairs = pairs
        self._ask = ask  # over connections of its own
        self._trust = trust
        self._library = library
        self._foretold: Remembered[tuple[str, str], Places] = Remembered(MOST_REMEMBERED)

    def assign(self, asked: str, caller: str, query: str) -> Assigned:
        """One version for the whole request, by its first query."""
        return self.rollouts.assign(RERANKER, asked, caller=caller, item=query)

    def watch(self, assigned: Assigned) -> Callable[[Searched], None]:
        """To be called with what was found."""
        return partial(self._answered, assigned)

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

    def _answered(self, assigned: Assigned, made: Searched) -> None:
        if assigned.arm != "challenger":
            return
        self.rollouts.answered(RERANKER)
        failed, reranked = is_at_fault(made.served, TIERS), made.reranked
        if assigned.instead_of is not None and reranked is not None and (failed or reranked.told is not None):
            rankings = reranked.asked.rankings[:MAX_RANKINGS]
            question = reranked.asked.model_copy(update={"version": assigned.instead_of, "rankings": rankings})
            typed = {one.text: one.fields.query for one in made.wanted}
            self._pairs.offer(partial(self._ask_champion, question, reranked, failed, typed))

    async def _ask_champion(
        self, question: RankingRequest, theirs: Reranked, failed: bool, typed: dict[str, str], deadline: Deadline
    ) -> Callable[[], None] | None:
        outcome = await self._trust.ask(self._ask, question, deadline.at_most_ms(theirs.within_ms))
        if outcome.reason is not None and outcome.reason not in FAULTS:
            return None  # it was not even asked: nothing is known of it
        both = None
        if len(question.rankings) == len(theirs.asked.rankings):
            took_ms = theirs.within_ms
            if (
                theirs.took_ms is not None
            ):  # once more in the background, for what a caller waits for takes longer there
                took_ms = (await self._ask(theirs.asked, deadline=deadline.at_most_ms(theirs.within_ms))).elapsed_ms
            both = Answered(outcome.reason is not None, outcome.elapsed_ms), Answered(failed, took_ms)
        queries = [typed.get(ranking.query, ranking.query) for ranking in question.rankings]
        return partial(self._compare, queries, outcome.value, theirs.told, both)

    def _compare(
        self,
        queries: Sequence[str],
        ours: Rankings,
        theirs: Rankings | None,
        answered: tuple[Answered, Answered] | None,
    ) -> None:
        if answered is not None:
            self.rollouts.both_answered(RERANKER, *answered)
        if theirs is None:
            return
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
