"""Of requests that are work for long few are at work, and those that would be late are told at once."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

import pytest

from common.deadline import Deadline
from common.errors import PoolFull
from common.service.gateway import Call
from common.service.heavy import AT_A_TIME, HeavyWork


def within(budget_ms: float, *, arrived_s: float = math.inf) -> Call:
    return Call("r-1", Deadline.after_ms(budget_ms), "planner", arrived_s)


class Processor:
    """The processor time of a process, which only work moves on."""

    def __init__(self) -> None:
        self.used_s = 0.0

    def __call__(self) -> float:
        return self.used_s


@pytest.fixture
def processor() -> Processor:
    return Processor()


def at_work(heavy: HeavyWork, weight: float, within_ms: float) -> tuple[asyncio.Task[None], asyncio.Event]:
    """A request that is at work until the event."""
    done = asyncio.Event()

    async def work() -> None:
        async with heavy.place(weight, within(within_ms)):
            await done.wait()

    return asyncio.create_task(work()), done


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_so_many_are_at_work_and_the_next_one_begins_when_one_has_ended(processor: Processor) -> None:
    heavy, begun = HeavyWork(light=1, guess_ms=0, cpu_s=processor), list[int]()

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


async def test_a_light_one_never_waits(processor: Processor) -> None:
    heavy = HeavyWork(light=5, guess_ms=1_000, cpu_s=processor)
    task, done = at_work(heavy, 100, 60_000)
    await settled()
    async with heavy.place(5, within(20)):
        done.set()
    await task


async def test_whoever_comes_alone_is_let_in_and_a_second_one_only_if_there_is_time_for_both(
    processor: Processor,
) -> None:
    heavy = HeavyWork(light=1, guess_ms=10, cpu_s=processor)  # a second for a hundred
    task, done = at_work(heavy, 100, 50)
    await settled()
    with pytest.raises(PoolFull):
        async with heavy.place(100, within(3_000)):
            pass
    async with heavy.place(100, within(5_000)):
        done.set()
    await task


async def test_who_arrived_before_another_one_had_ended_did_not_come_alone(processor: Processor) -> None:
    heavy = HeavyWork(light=1, guess_ms=10, cpu_s=processor)
    arrived_s = time.monotonic()
    async with heavy.place(100, within(60_000)):
        processor.used_s += 1.0
    with pytest.raises(PoolFull):
        async with heavy.place(100, within(300, arrived_s=arrived_s)):
            pass
    async with heavy.place(100, within(300, arrived_s=time.monotonic())):
        pass


async def test_it_learns_from_what_ended_well_how_much_time_there_is_for(processor: Processor) -> None:
    heavy = HeavyWork(light=1, guess_ms=0, cpu_s=processor)
    for _ in range(30):
        async with heavy.place(100, within(60_000)):
            processor.used_s += 1.0
        with pytest.raises(ValueError, match="a mistake"):
            async with heavy.place(100, within(60_000)):
                raise ValueError("a mistake")
    task, done = at_work(heavy, 100, 60_000)
    await settled()
    with pytest.raises(PoolFull):
        async with heavy.place(100, within(3_900)):
            pass
    async with heavy.place(100, within(4_500)):
        done.set()
    await task


async def turned_away(heavy: HeavyWork, leave: Callable[[asyncio.Task[None]], Awaitable[None]]) -> None:
    """Both places are taken, a third one waits and does not stay; then all places are free again."""
    both = [at_work(heavy, 10, 60_000) for _ in range(AT_A_TIME)]
    await settled()
    third, _ = at_work(heavy, 10, 40)
    await settled()
    await leave(third)
    for task, done in both:
        done.set()
        await task
    async with heavy.place(10, within(60_000)), heavy.place(10, within(60_000)):
        pass


async def test_who_leaves_or_runs_out_of_time_in_the_line_takes_no_place_with_them(processor: Processor) -> None:
    async def left(task: asyncio.Task[None]) -> None:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def late(task: asyncio.Task[None]) -> None:
        with pytest.raises(PoolFull):
            await task

    heavy = HeavyWork(light=1, guess_ms=0, cpu_s=processor)
    await turned_away(heavy, left)
    await turned_away(heavy, late)
