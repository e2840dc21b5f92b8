"""Rollouts played through with made-up challengers: the judge, the steps and the assignment are the real ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from common.releases.canary import Answered, CanaryJudge, CanaryPolicy
from common.releases.share import place_of

CATEGORIES = ("dairy", "meat", "bread", "fruit", "drinks", "household")
PHOTOGRAPHERS = tuple(f"photographer {number}" for number in range(40))
RANKED = 20  # photos of a ranking, of which one photographer has one to three
PLANNED = 50_000  # requests
CALLERS = 50
CHAMPIONS_AT_MOST = 5  # of the champion's requests beside one of the challenger's: more would only take longer
USUAL_MS, SPREAD = 2.5, 0.4  # of the logarithm of the time that an answer takes; exp(2.5) ms is 12 ms
FAILING = 0.001  # of the champion's answers
SLOWER_MS, NAN_SHARE, TOO_HIGH, PLACES_DOWN = 50.0, 0.03, 0.15, 6


class Traffic:
    """What a challenger does to one request; this one is the champion's twin."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice

    def latency_ms(self) -> float:
        return self.dice.lognormvariate(USUAL_MS, SPREAD)

    def fails(self) -> bool:
        return self.dice.random() < FAILING

    def shifts(self) -> Mapping[str, float]:
        """As `CanaryJudge.compared` takes them."""
        return dict.fromkeys(("", self.dice.choice(CATEGORIES)), 0.0)

    def answered(self) -> Answered:
        failed = self.fails()
        return Answered(failed=failed, degraded=failed, latency_ms=self.latency_ms())


class Retrained(Traffic):
    """Every answer differs a little, by half a per cent on average."""

    def shifts(self) -> Mapping[str, float]:
        return dict.fromkeys(("", self.dice.choice(CATEGORIES)), self.dice.gauss(0.005, 0.12))


class OneCategoryHigh(Traffic):
    """15 % too high in one of six."""

    def shifts(self) -> Mapping[str, float]:
        category = self.dice.choice(CATEGORIES)
        return dict.fromkeys(("", category), self.dice.gauss(TOO_HIGH if category == "meat" else 0.0, 0.05))


class RerankedAlike(Traffic):
    """Photos change their places, and no photographer is better or worse off on average."""

    down: ClassVar[Mapping[str, int]] = {}

    def shifts(self) -> Mapping[str, float]:
        shown = self.dice.sample(PHOTOGRAPHERS, RANKED // 2)
        return {name: self._moved(name) / RANKED for name in shown}

    def _moved(self, name: str) -> float:
        return self.down.get(name, 0) + sum(self.dice.gauss(0.0, 3.0) for _ in range(2)) / 2


class OnePhotographerDown(RerankedAlike):
    """Six of twenty places further down, one of forty."""

    down: ClassVar[Mapping[str, int]] = {PHOTOGRAPHERS[7]: PLACES_DOWN}


class SomeNan(Traffic):
    """3 % of the answers are no numbers."""

    def fails(self) -> bool:
        return self.dice.random() < FAILING + NAN_SHARE


class Slow(Traffic):
    """50 ms slower."""

    def latency_ms(self) -> float:
        return SLOWER_MS + super().latency_ms()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a rollout ended; `spent` is the share of the planned requests that met the challenger."""

    end: Literal["promoted", "rolled_back", "unfinished"]
    spent: float
    evidence: str = ""


def rehearse(challenger: Callable[[random.Random], Traffic], *, seed: int, policy: CanaryPolicy) -> Outcome:
    """One rollout, request by request; who meets the challenger follows from the caller and the item."""
    dice = random.Random(seed)  # noqa: S311 - traffic, not cryptography
    usual, new, judge = Traffic(dice), challenger(dice), CanaryJudge(policy)
    step = spent = 0
    for met in _requests(f"release {seed}"):
        share = policy.steps[step]
        if met >= share:
            if met < (1 + CHAMPIONS_AT_MOST) * share:
                judge.champion_answered(usual.answered())
            continue
        spent += 1
        answered = new.answered()
        judge.challenger_answered(answered)
        if not answered.failed:
            judge.compared(new.shifts())
        verdict = judge.verdict()
        if verdict.decision == "roll_back":
            return Outcome("rolled_back", spent / PLANNED, str(verdict.evidence[0]))
        if verdict.decision == "advance":
            if share == 1:
                return Outcome("promoted", spent / PLANNED)
            step += 1
            judge.next_step()
    return Outcome("unfinished", spent / PLANNED)


def _requests(release_id: str) -> Iterator[float]:
    """The place of each planned request, from 0 to 1: below the share, it is the challenger's."""
    return (place_of(release_id, f"shop {number % CALLERS}", f"item {number}") for number in range(PLANNED))
