"""Requests begin one by one, so that between two of them the event loop reads, refuses and notices deadlines."""

from __future__ import annotations

import asyncio

from common.service.turns import PAUSE_S, Turns


class Clock:
    """Seconds that pass only when somebody says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def test_of_many_that_are_let_in_at_once_one_begins_in_each_turn_of_the_loop_in_their_order() -> None:
    turns, seen, turn = Turns(clock=Clock()), list[tuple[int, int]](), 0

    async def count() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    async def request(number: int) -> None:
        await turns.take()
        seen.append((number, turn))

    counting = asyncio.create_task(count())
    await asyncio.gather(*(request(number) for number in range(20)))
    counting.cancel()
    assert [number for number, _ in seen] == list(range(20))
    assert len({begun_in for _, begun_in in seen}) == 20


async def test_in_a_turn_that_took_long_more_begin_so_that_a_flood_of_others_starves_nobody() -> None:
    clock = Clock()
    turns, begun = Turns(clock=clock), list[int]()

    async def request(number: int) -> None:
        await turns.take()
        begun.append(number)
        clock.now_s += 0.0005  # what it takes to begin

    tasks = [asyncio.create_task(request(number)) for number in range(300)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(begun) < 20
    clock.now_s += 0.05  # as reading from many callers does
    for _ in range(2):
        await asyncio.sleep(0)
    assert 20 < len(begun) < 300
    await asyncio.gather(*tasks)
    assert begun == list(range(300))


async def test_a_pause_of_the_machine_is_no_pace_and_without_a_line_nobody_waits() -> None:
    clock = Clock()
    turns = Turns(clock=clock)

    async def request() -> None:
        await turns.take()

    tasks = [asyncio.create_task(request()) for _ in range(30)]
    await asyncio.sleep(0)
    clock.now_s += 6 * PAUSE_S
    for _ in range(2):
        await asyncio.sleep(0)
    assert turns.expected_wait_ms <= 1_000 * PAUSE_S * len(turns._waiting)
    await asyncio.gather(*tasks)
    await asyncio.sleep(0)
    assert turns._turn_s == 0


async def test_whoever_leaves_while_waiting_takes_nobodys_turn() -> None:
    turns, begun = Turns(), list[int]()

    async def request(number: int) -> None:
        await turns.take()
        begun.append(number)

    tasks = [asyncio.create_task(request(number)) for number in range(6)]
    await asyncio.sleep(0)
    for left in tasks[2:5]:
        left.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert begun == [0, 1, 5]


async def test_after_a_rush_a_request_begins_at_once() -> None:
    turns = Turns()
    await asyncio.gather(*(turns.take() for _ in range(5)))
    for _ in range(2):
        await asyncio.sleep(0)
    alone = asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    assert alone.done()


def test_a_loop_that_ended_in_the_middle_of_a_turn_holds_up_nobody_on_the_next() -> None:
    turns = Turns()
    ended = asyncio.new_event_loop()
    ended.run_until_complete(turns.take())
    ended.close()
    asyncio.run(asyncio.wait_for(turns.take(), timeout=60))


async def test_the_wait_of_who_comes_next_is_told_by_the_line_and_its_pace() -> None:
    clock = Clock()
    turns = Turns(clock=clock)

    async def request() -> None:
        await turns.take()
        clock.now_s += 0.002  # what it takes to begin

    assert turns.expected_wait_ms == 0
    tasks = [asyncio.create_task(request()) for _ in range(60)]
    for _ in range(30):
        await asyncio.sleep(0)
    assert turns.expected_wait_ms > len(turns._waiting) * 1.0 > 0
    await asyncio.gather(*tasks)
    assert turns.expected_wait_ms == 0
