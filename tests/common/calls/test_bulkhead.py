"""The bulkhead: slots in the order of arrival, none lost whoever gives up when."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.calls.bulkhead import Bulkhead
from common.deadline import Deadline
from common.errors import CallFailed
from common.outcome import Reason

LONG_MS = 60_000


async def test_a_full_queue_refuses_at_once() -> None:
    bulkhead = Bulkhead(max_in_flight=1, max_waiting=0)
    await bulkhead.enter(Deadline.after_ms(LONG_MS))
    assert bulkhead.refuses(LONG_MS)
    with pytest.raises(CallFailed, match="bulkhead_full"):
        await bulkhead.enter(Deadline.after_ms(LONG_MS))


async def test_who_waits_too_long_is_refused_and_leaves_no_trace() -> None:
    bulkhead = Bulkhead(max_in_flight=1, max_waiting=1)
    await bulkhead.enter(Deadline.after_ms(LONG_MS))
    with pytest.raises(CallFailed) as failed:
        await bulkhead.enter(Deadline.after_ms(1))
    assert (failed.value.reason, failed.value.our_fault, bulkhead.waiting) == (Reason.BULKHEAD_FULL, True, 0)


async def test_who_would_have_no_time_left_for_the_call_itself_is_refused_at_once() -> None:
    bulkhead = Bulkhead(max_in_flight=1, max_waiting=9)
    for _ in range(200):
        await bulkhead.enter(Deadline.after_ms(LONG_MS))
        bulkhead.leave(took_ms=10_000)
    await bulkhead.enter(Deadline.after_ms(LONG_MS))
    in_vain = asyncio.create_task(bulkhead.enter(Deadline.after_ms(15_000)))  # its slot would come in time
    in_time = asyncio.create_task(bulkhead.enter(Deadline.after_ms(LONG_MS)))
    await asyncio.sleep(0)
    assert in_vain.done()
    assert "bulkhead_full" in str(in_vain.exception())
    assert not in_time.done()
    bulkhead.leave(took_ms=1)
    await in_time


async def test_while_a_slot_is_free_a_wrong_belief_refuses_nobody() -> None:
    bulkhead = Bulkhead(max_in_flight=1, max_waiting=9)
    for _ in range(50):
        await bulkhead.enter(Deadline.after_ms(LONG_MS))
        bulkhead.leave(took_ms=60_000)
    await bulkhead.enter(Deadline.after_ms(1))


async def test_slots_are_handed_on_in_the_order_of_arrival() -> None:
    bulkhead, order = Bulkhead(max_in_flight=1, max_waiting=9), list[int]()

    async def caller(number: int) -> None:
        await bulkhead.enter(Deadline.after_ms(LONG_MS))
        order.append(number)
        await asyncio.sleep(0)
        bulkhead.leave()

    await asyncio.gather(*(caller(number) for number in range(10)))
    assert order == list(range(10))


@settings(max_examples=60, deadline=None)
@given(slots=st.integers(1, 4), waiting=st.integers(0, 6), seed=st.integers(0, 2**32), callers=st.integers(1, 40))
def test_whoever_gives_up_when_all_slots_are_free_in_the_end(slots: int, waiting: int, seed: int, callers: int) -> None:
    dice = random.Random(seed)
    bulkhead, inside, most_inside = Bulkhead(max_in_flight=slots, max_waiting=waiting), 0, 0

    async def caller() -> None:
        nonlocal inside, most_inside
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
        try:
            await bulkhead.enter(Deadline.after_ms(dice.choice([0, 1, 1_000])))
        except CallFailed:
            return
        inside += 1
        most_inside = max(most_inside, inside)
        try:
            for _ in range(dice.randrange(5)):
                await asyncio.sleep(0)
        finally:
            inside -= 1
            bulkhead.leave()

    async def everybody() -> None:
        tasks = [asyncio.create_task(caller()) for _ in range(callers)]
        for task in dice.sample(tasks, k=callers // 3):
            for _ in range(dice.randrange(3)):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(slots):  # every slot can be taken again, at once
            await bulkhead.enter(Deadline.after_ms(0))

    asyncio.run(everybody())
    assert most_inside <= slots
    assert bulkhead.waiting == 0
