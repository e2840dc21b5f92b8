"""Rollouts played through with made-up challengers: the judge, the steps and the assignment are the real ones.

The traffic is unfair, as real traffic is. Few items are asked about again and again (Zipf's law), so much of a step
may be about one of them. Some items are beyond both versions, some are slow with both, and at the last step both
get worse. The budget for comparisons is what a service earns, and some of them are lost besides.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, Literal

from common.releases.canary import Answered, CanaryJudge, CanaryPolicy
from common.releases.share import place_of

CATEGORIES = ("dairy", "meat", "bread", "fruit", "drinks", "household")
PHOTOGRAPHERS = tuple(f"photographer {number}" for number in range(40))
RANKED = 20  # photos of a ranking, of which one photographer has one to three
PLANNED = 50_000  # requests
PATIENCE = 2  # times as many may be asked before a rollout counts as unfinished
CALLERS, ITEMS = 30, 300
HOPELESS_ITEMS, SLOW_ITEMS = 0.05, 0.05  # with either version
EARNED, SAVED_AT_MOST = 0.2, 10.0  # comparisons per request, as `ExtraBudget` has them
LOST = 0.1  # of the comparisons that could be paid for
USUAL_MS, SPREAD, SLOW_MS = 2.5, 0.4, 200.0  # of the logarithm of the time that an answer takes; exp(2.5) ms is 12 ms
FAILING, FAILING_LAST, SLOWER_LAST = 0.001, 0.1, 3.0
HIGHER, APART, NOISE = 0.005, 0.03, 0.1  # of a version that was trained anew: on average, by item, by request
SLOWER_MS, NAN_SHARE, TOO_HIGH, PLACES_DOWN = 50.0, 0.03, 0.15, 6


@dataclass(frozen=True, slots=True)
class Item:
    category: str
    hopeless: bool
    slow: bool
    change: float  # on average, of a version that was trained anew


class Traffic:
    """What a challenger does to one request; this one is the champion's twin."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice

    def shifts(self, item: Item) -> Mapping[str, float]:
        """As `CanaryJudge.compared` takes them."""
        return dict.fromkeys(("", item.category), 0.0)

    def answered(self, item: Item, *, last: bool) -> Answered:
        latency_ms = self.dice.lognormvariate(USUAL_MS, SPREAD) * (SLOWER_LAST if last else 1) + SLOW_MS * item.slow
        return Answered(item.hopeless or self.dice.random() < (FAILING_LAST if last else FAILING), latency_ms)


class Retrained(Traffic):
    """Every answer differs a little, those about one item in the same direction, all by half a per cent on average."""

    def shifts(self, item: Item) -> Mapping[str, float]:
        return dict.fromkeys(("", item.category), self.dice.gauss(item.change, NOISE))


class OneCategoryHigh(Traffic):
    """15 % too high in one of six."""

    def shifts(self, item: Item) -> Mapping[str, float]:
        return dict.fromkeys(("", item.category), self.dice.gauss(TOO_HIGH if item.category == "meat" else 0.0, 0.05))


class RerankedAlike(Traffic):
    """Photos change their places, and no photographer is better or worse off on average."""

    down: ClassVar[Mapping[str, int]] = {}

    def shifts(self, item: Item) -> Mapping[str, float]:
        shown = self.dice.sample(PHOTOGRAPHERS, RANKED // 2)
        return {name: self._moved(name) / RANKED for name in shown}

    def _moved(self, name: str) -> float:
        return self.down.get(name, 0) + self.dice.gauss(0.0, 2.1)


class OnePhotographerDown(RerankedAlike):
    """Six of twenty places further down, one of forty."""

    down: ClassVar[Mapping[str, int]] = {PHOTOGRAPHERS[7]: PLACES_DOWN}


class SomeNan(Traffic):
    """3 % of the answers are no numbers."""

    def answered(self, item: Item, *, last: bool) -> Answered:
        usual = super().answered(item, last=last)
        return Answered(usual.failed or self.dice.random() < NAN_SHARE, usual.latency_ms)


class Slow(Traffic):
    """50 ms slower."""

    def answered(self, item: Item, *, last: bool) -> Answered:
        usual = super().answered(item, last=last)
        return Answered(usual.failed, usual.latency_ms + SLOWER_MS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a rollout ended; `spent` is the share of the planned requests that met the challenger."""

    end: Literal["promoted", "rolled_back", "unfinished"]
    spent: float
    evidence: str = ""


def rehearse(challenger: Callable[[random.Random], Traffic], *, seed: int, policy: CanaryPolicy) -> Outcome:
    """One rollout; who meets the challenger follows from the caller and the item."""
    dice = random.Random(seed)  # noqa: S311 - traffic, not cryptography
    usual, new, judge = Traffic(dice), challenger(dice), CanaryJudge(policy)
    items, places = (
        _items(dice),
        [place_of(f"release {seed}", f"shop {n % CALLERS}", f"item {n // CALLERS}") for n in CELLS],
    )
    asked = spent = 0.0
    saved = SAVED_AT_MOST
    for share in policy.steps:
        judge.next_step()
        for item, asked_now in _met(dice, items, places, share):
            asked += asked_now  # by everybody, until one of them met the challenger
            saved = min(SAVED_AT_MOST, saved + EARNED * asked_now)
            if asked > PATIENCE * PLANNED:
                return Outcome("unfinished", spent / PLANNED)
            spent += 1
            judge.challenger_answered()
            if saved >= 1:
                saved -= 1
                if dice.random() >= LOST:
                    _compare(judge, item, usual, new, last=share == 1)
            verdict = judge.verdict()
            if verdict.decision == "roll_back":
                return Outcome("rolled_back", spent / PLANNED, str(verdict.evidence[0]))
            if verdict.decision == "advance":
                break
    return Outcome("promoted", spent / PLANNED)


CELLS = range(CALLERS * ITEMS)  # of a caller and an item
WEIGHTS = tuple(1 / (1 + n // CALLERS) for n in CELLS)  # how often its caller asks for it


def _compare(judge: CanaryJudge, item: Item, usual: Traffic, new: Traffic, *, last: bool) -> None:
    champion, challenger = usual.answered(item, last=last), new.answered(item, last=last)
    judge.both_answered(champion, challenger)
    if not (champion.failed or challenger.failed):
        judge.compared(new.shifts(item))


def _items(dice: random.Random) -> list[Item]:
    first = dice.randrange(len(CATEGORIES))
    return [
        Item(
            CATEGORIES[(first + n) % len(CATEGORIES)],
            hopeless=dice.random() < HOPELESS_ITEMS,
            slow=dice.random() < SLOW_ITEMS,
            change=dice.gauss(HIGHER, APART),
        )
        for n in range(ITEMS)
    ]


def _met(dice: random.Random, items: list[Item], places: list[float], share: float) -> Iterator[tuple[Item, float]]:
    """What the requests of the challenger are about, and how many were asked in all until each of them."""
    theirs = [n for n in CELLS if places[n] < share]
    summed = list(accumulate(WEIGHTS[n] for n in theirs))
    asked = sum(WEIGHTS) / summed[-1]
    while True:
        for n in dice.choices(theirs, cum_weights=summed, k=100):
            yield items[n // CALLERS], asked
