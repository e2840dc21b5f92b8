"""Calls on schedule through a primary, in slices that take turns between the ways to shadow it."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from typing import TypeAlias

from pydantic import Field

from common.calls.client import Endpoint, low_timeout
from common.calls.shadow import Shadow, ShadowPolicy
from common.calls.shadow_report import Difference
from common.calls.upstream import Upstream
from common.contract import AnswerModel, RequestModel
from common.progress import Reporter, progress
from loadtests.experiments.footprint import footprint, memory_bytes
from loadtests.experiments.server import serving
from loadtests.experiments.shadow_server import serving_largest
from loadtests.stalls import StallWatch

PRIMARY_MS = 5
PATIENCE_MS = 1_000  # of a caller: a machine that stands still for a moment makes calls late, and is not to fail them
BODY_BYTES = 10_000
SLICE_SECONDS = 0.4
COPY_MS = (
    200  # for a copy: within half a slice all that can be under way are, and from then on some give up all the time
)
WARM_UP_CALLS = 50
LOOK_EVERY = 10  # calls: to count tasks and descriptors takes time, too
MAX_IN_FLIGHT = 16  # of the shadow: that many connections


Timing: TypeAlias = tuple[float, float]  # of a call, on the loop's clock: when it was due, when it was answered


class Text(RequestModel):
    text: str


class Number(AnswerModel):
    value: float


class Echoed(AnswerModel):
    text: str
    numbers: list[Number] = Field(default_factory=list)  # of the largest answers


NOTHING = Echoed(text="")
QUESTION = Text(text="x" * (BODY_BYTES - len('{"text":""}')))


@dataclass(slots=True)
class Lane:
    """One way to shadow, and what was seen of it."""

    name: str
    endpoint: Endpoint[Echoed]
    shadow: Shadow[Echoed] | None
    busy: bool = False  # its shadow answers, which costs this process time: of its calls' times nothing is promised
    rounds_ms: list[list[float]] = field(default_factory=list)  # a list for each slice: how long its calls took
    failures: Counter[str] = field(default_factory=Counter)
    most_tasks: int = 0  # besides the calls themselves
    most_descriptors: int = 0

    @property
    def compared(self) -> int:
        return 0 if self.shadow is None else self.shadow.report.compared

    @property
    def dropped(self) -> Counter[str]:
        """Copies that were not compared, by reason."""
        return Counter[str]() if self.shadow is None else self.shadow.report.missing

    @property
    def calls(self) -> int:
        return sum(map(len, self.rounds_ms))

    def percentiles_ms(self, share: float) -> list[float]:
        """Of each round."""
        return [sorted(took_ms)[int(share * (len(took_ms) - 1))] for took_ms in self.rounds_ms]


@dataclass(frozen=True, slots=True)
class Seen:
    """All lanes, the one without a shadow first."""

    lanes: list[Lane]
    grown_bytes: int  # of the process, since before the first copy was made


async def measure(*, seconds: float, rate: float) -> Seen:
    """`seconds` of calls in all, and some more to warm up and to let copies end between the slices."""
    async with (
        serving("echo", delay_ms=PRIMARY_MS) as primary,
        serving("silent") as silent,
        serving_largest() as largest,
    ):
        lanes = [
            _lane("no shadow", primary, None),
            _lane("shadow", primary, silent),
            _lane("breaker held closed", primary, silent, kept_closed=True),
            _lane("default budget", primary, silent, extra_share=0.2),
            _lane("largest answers", primary, largest, busy=True),
        ]
        slices = max(1, round(seconds / SLICE_SECONDS / len(lanes))) * len(lanes)
        await _warm_up(lanes[0])
        before_bytes = memory_bytes()
        for lane in lanes[1:]:
            await _warm_up(lane)
        with progress("shadow", slices) as reporter:
            await _take_turns(lanes, slices, seconds / slices, rate, reporter)
        for lane in lanes:
            if lane.shadow is not None:
                await lane.shadow.drain(timeout_ms=0)
            await lane.endpoint.upstream.aclose()
    return Seen(lanes, memory_bytes() - before_bytes)


def _lane(
    name: str,
    primary: str,
    second: str | None,
    *,
    extra_share: float = 1.0,
    kept_closed: bool = False,
    busy: bool = False,
) -> Lane:
    shadow = None
    if second is not None:
        upstream = Upstream("shadow", second, max_in_flight=MAX_IN_FLIGHT)
        if kept_closed:  # the worst case: the breaker, which would soon have stopped asking, may not
            in_a_day = datetime.now(UTC) + timedelta(days=1)
            upstream.breaker.force("closed", owner="experiment", reason="the worst case", ends_at=in_a_day)
        policy = ShadowPolicy() if busy else ShadowPolicy(timeout_ms=COPY_MS)
        shadow = Shadow(upstream, answer=Echoed, difference=_ever_further_apart(), policy=policy)
    called = Upstream("primary", primary, max_in_flight=64, extra_share=extra_share)
    client = low_timeout(called, timeout_ms=PATIENCE_MS)
    return Lane(name, client.endpoint("/echo", answer=Echoed, default=NOTHING, mirror=shadow), shadow, busy)


def _ever_further_apart() -> Difference[Echoed]:
    """Looks at every number, and finds each pair worse than all before: the worst case for who keeps the worst."""
    turns = count(1)
    return lambda _, shadow: next(turns) + sum(abs(number.value) for number in shadow.numbers)


async def _warm_up(lane: Lane) -> None:
    clock = asyncio.get_running_loop().time
    await asyncio.gather(*(_call(lane, clock()) for _ in range(MAX_IN_FLIGHT)))
    for _ in range(WARM_UP_CALLS):
        await _call(lane, clock())


async def _take_turns(lanes: list[Lane], slices: int, slice_seconds: float, rate: float, reporter: Reporter) -> None:
    for _, lane in zip(range(slices), cycle(lanes), strict=False):
        await _nobody_else()
        gc.collect()
        await _slice(lane, calls=max(1, int(slice_seconds * rate)), rate=rate)
        reporter.advance()


async def _nobody_else() -> None:
    """The copies of the lane before have ended: none of them is to be taken for one of the next lane's."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=2 * ShadowPolicy().timeout_ms / 1000)


async def _slice(lane: Lane, *, calls: int, rate: float) -> None:
    """Open loop: calls leave on schedule, whether or not the earlier ones were answered.

    Time that the hypervisor took from the machine meanwhile does not count.
    """
    clock, under_way = asyncio.get_running_loop().time, set[asyncio.Task[Timing]]()
    stalls = StallWatch(stolen_only=True)
    watch, sent, begun_s = asyncio.create_task(stalls.run()), list[asyncio.Task[Timing]](), clock()
    for number in range(calls):
        due_s = begun_s + number / rate
        await asyncio.sleep(max(0.0, due_s - clock()))
        task = asyncio.create_task(_call(lane, due_s))
        sent.append(task)
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        if number % LOOK_EVERY == 0:
            now = footprint()
            lane.most_tasks = max(lane.most_tasks, now.tasks - len(under_way) - 1)  # the one that watches
            lane.most_descriptors = max(lane.most_descriptors, now.descriptors)
    timings = await asyncio.gather(*sent)
    await stalls.booked()
    watch.cancel()
    lane.rounds_ms.append([(end_s - due_s - stalls.seconds_between(due_s, end_s)) * 1000 for due_s, end_s in timings])


async def _call(lane: Lane, due_s: float) -> Timing:
    """Timed from when it was due: a loop that is held up makes calls late before it makes them slow."""
    outcome = await lane.endpoint(QUESTION)
    end_s = asyncio.get_running_loop().time()
    if outcome.reason is not None or outcome.value.text != QUESTION.text:
        lane.failures[outcome.reason or "wrong value"] += 1
    return due_s, end_s
