"""Items asked for in bulk: a few of a slow service, and many of one that spoils every tenth request."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from common.calls.bulk import Bulk
from common.calls.client import HIGH_TIMEOUT_MS, high_timeout
from common.calls.upstream import Upstream
from common.contract import AnswerModel, RequestModel
from common.deadline import Deadline
from common.outcome import Outcome, Reason
from loadtests.experiments.server import SPOILED_EVERY, serving

FEW_ITEMS = 15
SLOW_MS = 2_000
DEADLINE_MS = 5_000
LATE_MS = 250  # how far over a deadline a busy machine may tell of it
ITEMS_PER_REQUEST = 100


class Keys(RequestModel):
    keys: list[str]


class Item(AnswerModel):
    id: str
    value: float


class Items(AnswerModel):
    items: list[Item]
    version: str


Doubler = Bulk[str, int, Items, float]
NOTHING = Items(items=[], version="")
DEFAULT = -1.0


@dataclass(frozen=True, slots=True)
class Slow:
    """The few items on the slow service: how long each way took, and how many items were right."""

    bulk_seconds: float
    bulk_right: int
    loop_seconds: float
    loop_right: int | None  # None: not run, but computed
    tries: int = 1

    @property
    def only_late(self) -> bool:
        return self.bulk_right == FEW_ITEMS and bool(self.broken())

    def broken(self) -> list[str]:
        """A sentence for each part of the promise that was not kept."""
        at_most = (HIGH_TIMEOUT_MS + LATE_MS) / 1000
        parts = (
            (self.bulk_right == FEW_ITEMS, f"{self.bulk_right} of {FEW_ITEMS} items right"),
            (self.bulk_seconds <= at_most, f"{self.bulk_seconds:.1f} s, over {at_most:.2f} s"),
        )
        return [f"a slow service: {sentence}" for kept, sentence in parts if not kept]


@dataclass(frozen=True, slots=True)
class Spoiled:
    """All items under one fault."""

    fault: str
    items: int
    right: int
    defaults: int
    seconds: float
    tries: int = 1

    @property
    def only_late(self) -> bool:
        return self.right >= self.unaffected and not self.wrong and bool(self.broken())

    @property
    def unaffected(self) -> int:
        """Items of requests that the proxy left alone."""
        requests = math.ceil(self.items / ITEMS_PER_REQUEST)
        return max(0, self.items - requests // SPOILED_EVERY * ITEMS_PER_REQUEST)

    @property
    def wrong(self) -> int:
        """Values that are neither right nor told to be a default."""
        return self.items - self.right - self.defaults

    def broken(self) -> list[str]:
        """A sentence for each part of the promise that was not kept."""
        at_most = (DEADLINE_MS + LATE_MS) / 1000
        parts = (
            (self.right >= self.unaffected, f"{self.right} items right, and {self.unaffected} were not affected"),
            (not self.wrong, f"{self.wrong} wrong values passed as right"),
            (self.seconds <= at_most, f"{self.seconds:.1f} s, over {at_most:.2f} s"),
        )
        return [f"{self.fault}: {sentence}" for kept, sentence in parts if not kept]


async def few_on_a_slow_service(*, really: bool) -> Slow:
    """One bulk call; and the same items one by one, really or by arithmetic."""
    numbers = _numbers(FEW_ITEMS)
    async with serving("double", delay_ms=SLOW_MS) as url:
        upstream = Upstream("doubler", url)
        begun_s = time.monotonic()
        outcomes = await _doubler(upstream, most=2 * FEW_ITEMS).call_many(numbers)
        bulk_seconds = time.monotonic() - begun_s
        await upstream.aclose()
        loop_seconds, loop_right = FEW_ITEMS * SLOW_MS / 1000, None
        if really:
            loop_seconds, loop_right = await _one_by_one(url, numbers)
    return Slow(bulk_seconds, _right(outcomes), loop_seconds, loop_right)


async def _one_by_one(url: str, numbers: Mapping[str, int]) -> tuple[float, int]:
    upstream = Upstream("doubler", url)
    endpoint = _doubler(upstream, most=2 * FEW_ITEMS).endpoint
    begun_s, right = time.monotonic(), 0
    for key, number in numbers.items():
        outcome = await endpoint(Keys(keys=[key]))
        right += not outcome.is_default and outcome.value.items[0].value == 2.0 * number
    seconds = time.monotonic() - begun_s
    await upstream.aclose()
    return seconds, right


async def many_with_a_fault(fault: str, url: str, *, items: int) -> Spoiled:
    """All items within one deadline, through the proxy that spoils every tenth request with `fault`."""
    upstream = Upstream("doubler", url)
    begun_s = time.monotonic()
    outcomes = await _doubler(upstream, most=2 * items).call_many(
        _numbers(items), deadline=Deadline.after_ms(DEADLINE_MS)
    )
    seconds = time.monotonic() - begun_s
    await upstream.aclose()
    return Spoiled(fault, items, _right(outcomes), sum(outcome.is_default for outcome in outcomes.values()), seconds)


def _doubler(upstream: Upstream, *, most: float) -> Doubler:
    def plausible(_key: str, value: float) -> Reason | None:
        return None if 0 <= value <= most else Reason.OUT_OF_RANGE

    return Bulk(
        endpoint=high_timeout(upstream).endpoint("/double", answer=Items, default=NOTHING),
        ask=lambda numbers: Keys(keys=list(numbers)),
        take=lambda answer: [(item.id, item.value) for item in answer.items],
        default=DEFAULT,
        max_items=ITEMS_PER_REQUEST,
        in_order=True,
        check=plausible,
    )


def _numbers(count: int) -> dict[str, int]:
    return {str(number): number for number in range(count)}


def _right(outcomes: Mapping[str, Outcome[float]]) -> int:
    return sum(not outcome.is_default and outcome.value == 2.0 * int(key) for key, outcome in outcomes.items())
