"""Of requests that are work for long few are at work, and those that would be late are told so."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

import pytest

from common.deadline import Deadline
from common.errors import PoolFull
from common.service.gateway import Call
from common.service.heavy import AT_A_TIME, BOUNDS, IN_LINE, HeavyWork


class Processor:
    """The processor time of a process, which only work moves on."""

    def __init__(self) -> None:
        self.used_s = 0.0

    def __call__(self) -> float:
        return self.used_s


@pytest.fixture
def idle() -> Processor:
    return Processor()


def within(budget_ms: float, *, arrived_s: float = math.inf) -> Call:
    return Call("r-1", Deadline.after_ms(budget_ms), "planner", arrived_s)


def at_work(heavy: HeavyWork, weight: float, within_ms: float = 60_000) -> tuple[asyncio.Task[None], asyncio.Event]:
    """A request that is at work until the event."""
    done = asyncio.Event()

    async def work() -> None:
        async with heavy.place(weight, within(within_ms)):
            await done.wait()

    return asyncio.create_task(work()), done


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def ended(works: list[tuple[asyncio.Task[None], asyncio.Event]]) -> None:
    for task, done in works:
        done.set()
        await task


async def test_so_many_are_at_work_and_the_next_one_begins_when_one_has_ended(idle: Processor) -> None:
    heavy, begun = HeavyWork(light=1, guess_ms=0.1, cpu_s=idle), list[int]()

    async def work(number: int, done: asyncio.Event) -> None:
        async with heavy.place(10, within(60_000)):
            begun.append(number)
            await done.wait()

    dones = [asyncio.Event() for _ in range(AT_A_TIME + 2)]
    tasks = [asyncio.create_task(work(number, done)) for number, done in enumerate(dones)]
    await settled()
    first = list(begun)
    dones[0].set()
    await settled()
    second = list(begun)
    for done in dones:
        done.set()
    await asyncio.gather(*tasks)
    assert (first, second) == ([*range(AT_A_TIME)], [*range(AT_A_TIME + 1)])
    assert begun == [*range(AT_A_TIME + 2)]


async def test_a_light_one_never_waits(idle: Processor) -> None:
    heavy = HeavyWork(light=5, guess_ms=1, cpu_s=idle)
    works = [at_work(heavy, 100) for _ in range(AT_A_TIME)]
    await settled()
    async with heavy.place(5, within(20)):
        await ended(works)


async def test_whoever_comes_alone_is_let_in_and_a_second_one_only_if_it_has_time_for_itself(idle: Processor) -> None:
    heavy = HeavyWork(light=1, guess_ms=10, cpu_s=idle)  # a second for a hundred
    works = [at_work(heavy, 100, 50)]
    await settled()
    with pytest.raises(PoolFull):
        async with heavy.place(100, within(1_900)):
            pass
    async with heavy.place(100, within(2_500)):
        await ended(works)


async def test_who_arrived_before_another_one_had_ended_did_not_come_alone(idle: Processor) -> None:
    heavy, arrived_s = HeavyWork(light=1, guess_ms=10, cpu_s=idle), time.monotonic()
    async with heavy.place(100, within(60_000)):
        await asyncio.sleep(0.05)
    with pytest.raises(PoolFull):
        async with heavy.place(100, within(300, arrived_s=arrived_s)):
            pass
    async with heavy.place(100, within(300, arrived_s=time.monotonic())):
        pass


async def test_one_caller_after_the_other_is_never_refused_though_the_moment_of_arrival_is_coarse(
    idle: Processor,
) -> None:
    heavy = HeavyWork(light=1, guess_ms=10, cpu_s=idle)
    for _ in range(20):
        async with heavy.place(100, within(300, arrived_s=time.monotonic() - 0.004)):
            pass


async def test_who_finds_no_place_in_time_is_refused_where_the_processor_is_busy_and_needs_none_where_it_is_idle(
    idle: Processor,
) -> None:
    for cpu_s, refused in ((time.monotonic, True), (idle, False)):
        heavy, told = HeavyWork(light=1, guess_ms=1, cpu_s=cpu_s), list[str]()
        works = [at_work(heavy, 20) for _ in range(AT_A_TIME)]
        await settled()
        try:
            async with heavy.place(20, within(200)):
                told.append("at work")
        except PoolFull:
            told.append("refused")
        await ended(works)
        assert told == ["refused" if refused else "at work"]


async def test_the_line_is_short(idle: Processor) -> None:
    heavy = HeavyWork(light=1, guess_ms=0.1, cpu_s=idle)
    works = [at_work(heavy, 10) for _ in range(AT_A_TIME + IN_LINE)]
    await settled()
    with pytest.raises(PoolFull):
        async with heavy.place(10, within(60_000)):
            pass
    await ended(works)


async def test_it_learns_from_what_ended_well_how_long_one_takes_within_bounds(idle: Processor) -> None:
    heavy = HeavyWork(light=1, guess_ms=5, cpu_s=idle)
    for _ in range(30):
        async with heavy.place(100, within(60_000)):
            idle.used_s += 1.0
        with pytest.raises(ValueError, match="a mistake"):
            async with heavy.place(100, within(60_000)):
                raise ValueError("a mistake")
    assert heavy.unit_ms == pytest.approx(10, rel=0.01)
    for each_s, bound in ((0.0, BOUNDS[0]), (100.0, BOUNDS[1])):
        for _ in range(30):
            async with heavy.place(100, within(60_000)):
                idle.used_s += each_s
        assert heavy.unit_ms == 5 * bound


async def test_a_small_one_that_ends_beside_a_large_one_teaches_as_little_as_it_weighs(idle: Processor) -> None:
    heavy = HeavyWork(light=1, guess_ms=1, cpu_s=idle)
    for _ in range(10):
        works = [at_work(heavy, 1_000)]
        await settled()
        async with heavy.place(10, within(60_000)):
            idle.used_s += 0.1
        idle.used_s += 0.9
        await ended(works)
    assert heavy.unit_ms == pytest.approx(1, rel=0.3)


async def turned_away(heavy: HeavyWork, leave: Callable[[asyncio.Task[None]], Awaitable[None]]) -> None:
    """All places are taken, another one waits and does not stay; then all places are free again."""
    works = [at_work(heavy, 10) for _ in range(AT_A_TIME)]
    await settled()
    third, _ = at_work(heavy, 10, 80)
    await settled()
    await leave(third)
    await ended(works)
    async with heavy.place(10, within(60_000)), heavy.place(10, within(60_000)):
        pass


async def test_who_leaves_or_runs_out_of_time_in_the_line_takes_no_place_with_them() -> None:
    async def left(task: asyncio.Task[None]) -> None:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def late(task: asyncio.Task[None]) -> None:
        with pytest.raises(PoolFull):
            await task

    heavy = HeavyWork(light=1, guess_ms=0.1, cpu_s=time.monotonic)
    await turned_away(heavy, left)
    await turned_away(heavy, late)
