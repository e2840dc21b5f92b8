"""Writes that wait are stored together, and each is told what became of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest

from common.deadline import Deadline
from common.service.problems import Problem
from common.state.joint_writes import MOST_ROWS, JointWrites
from common.state.writes import Writes

Row = tuple[str, int]


class Bad(ValueError):
    """Rows that can't be stored."""


class Store:
    """Keeps what it is given; blocks while `gate` is shut."""

    def __init__(self) -> None:
        self.gate, self.entered = threading.Event(), threading.Event()
        self.batches: list[list[Row]] = []

    def record(self, rows: Sequence[Row]) -> None:
        self.entered.set()
        self.gate.wait(10)
        if any(value < 0 for _, value in rows):
            raise Bad
        self.batches.append(list(rows))


@pytest.fixture
def writes() -> Iterator[Writes]:
    writes = Writes(queue=16)
    yield writes
    writes.close()


async def together(writes: Writes, store: Store, rows: Sequence[Row]) -> list[BaseException | None]:
    """What became of each row: the first is being stored while the others come."""
    joint = JointWrites(writes, store.record, thing=lambda row: row[0], bad=Bad)
    first = asyncio.create_task(joint.run(rows[:1], deadline=Deadline.after_ms(10_000)))
    await asyncio.to_thread(store.entered.wait, 10)
    others = [asyncio.create_task(joint.run([row], deadline=Deadline.after_ms(10_000))) for row in rows[1:]]
    await asyncio.sleep(0)
    store.gate.set()
    return await asyncio.gather(first, *others, return_exceptions=True)


async def test_those_who_wait_are_stored_together(writes: Writes) -> None:
    store = Store()
    assert await together(writes, store, [("a", 1), ("b", 2), ("c", 3), ("d", 4)]) == [None] * 4
    assert store.batches == [[("a", 1)], [("b", 2), ("c", 3), ("d", 4)]]


async def test_two_that_tell_of_the_same_thing_are_stored_one_after_the_other(writes: Writes) -> None:
    store = Store()
    await together(writes, store, [("a", 1), ("b", 2), ("b", 3), ("c", 4)])
    assert store.batches == [[("a", 1)], [("b", 2)], [("b", 3), ("c", 4)]]


async def test_nobody_waits_for_many_rows_that_came_later(writes: Writes) -> None:
    store = Store()
    joint = JointWrites(writes, store.record, thing=lambda row: row[0], bad=Bad)
    many = [(f"m{number}", number) for number in range(MOST_ROWS)]
    first = asyncio.create_task(joint.run([("a", 1)], deadline=Deadline.after_ms(10_000)))
    await asyncio.to_thread(store.entered.wait, 10)
    waiting = ([("b", 2)], many, [("c", 3)])
    others = [asyncio.create_task(joint.run(rows, deadline=Deadline.after_ms(10_000))) for rows in waiting]
    await asyncio.sleep(0)
    store.gate.set()
    await asyncio.gather(first, *others)
    assert store.batches == [[("a", 1)], [("b", 2)], many, [("c", 3)]]


async def test_rows_that_cannot_be_stored_spoil_nobody_elses(writes: Writes) -> None:
    store = Store()
    told = await together(writes, store, [("a", 1), ("b", 2), ("c", -1), ("d", 4)])
    assert [type(one) for one in told] == [type(None), type(None), Bad, type(None)]
    assert store.batches == [[("a", 1)], [("b", 2)], [("d", 4)]]


async def test_who_gave_up_before_its_turn_is_not_stored_later(writes: Writes) -> None:
    store = Store()
    joint = JointWrites(writes, store.record, thing=lambda row: row[0], bad=Bad)
    first = asyncio.create_task(joint.run([("a", 1)], deadline=Deadline.after_ms(10_000)))
    await asyncio.to_thread(store.entered.wait, 10)
    with pytest.raises(Problem) as told:
        await joint.run([("b", 2)], deadline=Deadline.after_ms(20))
    store.gate.set()
    await first
    await joint.run([("c", 3)], deadline=Deadline.after_ms(10_000))
    assert told.value.status == 503  # nothing was written meanwhile: it is the store that is slow
    assert store.batches == [[("a", 1)], [("c", 3)]]


async def test_a_write_whose_turn_never_came_while_others_were_written_is_one_too_many(writes: Writes) -> None:
    gate, entered = threading.Event(), threading.Event()

    def second() -> None:
        entered.set()
        gate.wait(10)

    ahead = [asyncio.create_task(writes.run(one, deadline=Deadline.after_ms(10_000))) for one in (entered.wait, second)]
    await asyncio.sleep(0)
    late = asyncio.create_task(writes.run(lambda: pytest.fail("begun"), deadline=Deadline.after_ms(200)))
    await asyncio.sleep(0)
    entered.set()
    with pytest.raises(Problem) as told:
        await late
    gate.set()
    await asyncio.gather(*ahead)
    assert told.value.status == 429
