"""Photos that come in at the same time: stored together, told each, and refused where they would wait in vain."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial

import pytest

from common.deadline import Deadline
from common.service.problems import Problem
from common.state.writes import Writes
from photostock.adding import Adding
from photostock.photo import Photo

PATIENT_MS = 20_000.0


class Store:
    """Remembers what was stored together; may be held up, or fail."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.begun, self.may_go_on = threading.Event(), threading.Event()
        self.error: Exception | None = None
        self.may_go_on.set()

    def __call__(self, photos: Sequence[Photo]) -> None:
        self.begun.set()
        assert self.may_go_on.wait(20)
        self.groups.append([photo.id for photo in photos])
        if self.error is not None or "wrong" in self.groups[-1]:
            raise self.error or ZeroDivisionError("a bug")


@pytest.fixture
def writes() -> Iterator[Writes]:
    made = Writes(queue=8)
    yield made
    made.close()


def photos(*ids: str) -> list[Photo]:
    return [Photo(id=one, title="a dog") for one in ids]


async def held_up(adding: Adding[list[Photo]], store: Store) -> asyncio.Task[None]:
    """The first photo is being stored and stays so."""
    store.may_go_on.clear()
    first = asyncio.create_task(adding.add(photos("first"), deadline=Deadline.after_ms(PATIENT_MS)))
    assert await asyncio.to_thread(store.begun.wait, 20)
    return first


async def test_those_who_wait_are_stored_together_in_the_order_in_which_they_came(writes: Writes) -> None:
    store = Store()
    adding = Adding(list, store, writes)
    first = await held_up(adding, store)
    others = [
        asyncio.create_task(adding.add(photos(f"a{n}", f"b{n}"), deadline=Deadline.after_ms(PATIENT_MS)))
        for n in range(3)
    ]
    await asyncio.sleep(0)
    store.may_go_on.set()
    await asyncio.gather(first, *others)
    assert store.groups == [["first"], ["a0", "b0", "a1", "b1", "a2", "b2"]]


async def test_what_goes_wrong_is_told_to_all_of_those_who_were_stored_together(writes: Writes) -> None:
    store = Store()
    adding = Adding(list, store, writes)
    first = await held_up(adding, store)
    store.error = ZeroDivisionError("a bug")
    others = [
        asyncio.create_task(adding.add(photos(name), deadline=Deadline.after_ms(PATIENT_MS))) for name in ("a", "b")
    ]
    await asyncio.sleep(0)
    store.may_go_on.set()
    told = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(one) for one in told] == [ZeroDivisionError] * 3
    store.error = None
    await adding.add(photos("c"), deadline=Deadline.after_ms(PATIENT_MS))
    assert store.groups[-1] == ["c"]


async def test_what_is_wrong_with_one_request_is_told_to_nobody_else(writes: Writes) -> None:
    store = Store()
    adding = Adding(list, store, writes)
    first = await held_up(adding, store)
    others = [
        asyncio.create_task(adding.add(photos(name), deadline=Deadline.after_ms(PATIENT_MS)))
        for name in ("a", "wrong", "b")
    ]
    await asyncio.sleep(0)
    store.may_go_on.set()
    told = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(one) for one in told] == [type(None), type(None), ZeroDivisionError, type(None)]
    assert store.groups[2:] == [["a"], ["wrong"], ["b"]]


async def test_while_photos_are_prepared_other_writes_go_on(writes: Writes) -> None:
    begun, may_go_on = threading.Event(), threading.Event()

    def prepare(waiting: Sequence[Photo]) -> Sequence[Photo]:
        begun.set()
        assert may_go_on.wait(20)
        return waiting

    adding = Adding(prepare, Store(), writes)
    added = asyncio.create_task(adding.add(photos("a"), deadline=Deadline.after_ms(PATIENT_MS)))
    assert await asyncio.to_thread(begun.wait, 20)
    assert await writes.run(lambda: "deleted", deadline=Deadline.after_ms(PATIENT_MS)) == "deleted"
    may_go_on.set()
    await added


@pytest.mark.parametrize("slow", ["prepare", "store"])
async def test_a_request_that_was_too_slow_is_refused_before_any_work_the_next_time(writes: Writes, slow: str) -> None:
    def work(part: str, waiting: Sequence[Photo]) -> Sequence[Photo]:
        time.sleep(0.3 if part == slow else 0)
        return waiting

    stored: list[Photo] = []
    adding = Adding(partial(work, "prepare"), lambda waiting: stored.extend(work("store", waiting)), writes)
    many = photos(*map(str, range(100)))
    with pytest.raises(Problem, match="could not be stored in time"):
        await adding.add(many, deadline=Deadline.after_ms(100))
    await asyncio.sleep(0.4)
    before = len(stored)
    with pytest.raises(Problem, match="at a time, or allow more time"):
        await adding.add(many, deadline=Deadline.after_ms(100))
    assert len(stored) == before


async def test_whoever_has_left_is_not_stored_and_holds_up_nobody(writes: Writes) -> None:
    store = Store()
    adding = Adding(list, store, writes)
    first = await held_up(adding, store)
    with pytest.raises(Problem) as told:
        await adding.add(photos("impatient"), deadline=Deadline.after_ms(20))
    assert (told.value.status, told.value.headers) == (503, {"Retry-After": "1"})
    patient = asyncio.create_task(adding.add(photos("patient"), deadline=Deadline.after_ms(PATIENT_MS)))
    await asyncio.sleep(0)
    store.may_go_on.set()
    await asyncio.gather(first, patient)
    assert store.groups == [["first"], ["patient"]]


@pytest.mark.parametrize("while_", ["prepared", "queued"])
async def test_whoever_was_told_503_is_not_stored_with_the_others_of_the_group(writes: Writes, while_: str) -> None:
    preparing, prepared = threading.Event(), threading.Event()
    ahead = threading.Event()
    store = Store()

    def prepare(waiting: Sequence[Photo]) -> list[Photo]:
        if len(waiting) > 1:
            preparing.set()
            assert prepared.wait(20)
        return list(waiting)

    adding = Adding(prepare, store, writes)
    first = await held_up(adding, store)
    impatient = asyncio.create_task(adding.add(photos("impatient"), deadline=Deadline.after_ms(600)))
    patient = asyncio.create_task(adding.add(photos("patient"), deadline=Deadline.after_ms(PATIENT_MS)))
    await asyncio.sleep(0)
    store.may_go_on.set()
    await first
    assert await asyncio.to_thread(preparing.wait, 20)
    if while_ == "queued":
        in_front = asyncio.create_task(writes.run(partial(ahead.wait, 20), deadline=Deadline.after_ms(PATIENT_MS)))
        await asyncio.sleep(0)
        prepared.set()
    with pytest.raises(Problem) as told:
        await impatient
    assert told.value.status == 503
    deleted = asyncio.create_task(
        writes.run(lambda: store.groups.append(["deleted"]), deadline=Deadline.after_ms(PATIENT_MS))
    )
    prepared.set()
    ahead.set()
    await asyncio.gather(patient, deleted)
    if while_ == "queued":
        assert await in_front
    assert sorted(store.groups[1:]) == [["deleted"], ["patient"]]


async def test_more_photos_than_may_wait_are_refused(writes: Writes) -> None:
    store = Store()
    adding = Adding(list, store, writes)
    first = await held_up(adding, store)
    many = [
        asyncio.create_task(adding.add(photos(*map(str, range(500))), deadline=Deadline.after_ms(PATIENT_MS)))
        for _ in range(4)
    ]
    told = asyncio.gather(*many, return_exceptions=True)
    await asyncio.sleep(0)
    store.may_go_on.set()
    assert [getattr(one, "status", None) for one in await told].count(429) == 1
    await first


async def test_a_request_that_would_wait_in_vain_is_refused_with_a_size_that_would_do(writes: Writes) -> None:
    adding = Adding(list, Store(), writes)
    adding._photo_ms = 10.0  # as learnt from requests before
    with pytest.raises(Problem, match=r"send 9[0-9] at a time") as told:
        await adding.add(photos(*map(str, range(500))), deadline=Deadline.after_ms(1_000))
    assert told.value.status == 429


async def test_a_few_photos_are_always_tried_so_that_a_wrong_belief_mends_itself(writes: Writes) -> None:
    store = Store()
    adding = Adding(list, store, writes)
    adding._photo_ms = 1e6
    await adding.add(photos("a"), deadline=Deadline.after_ms(PATIENT_MS))
    assert store.groups == [["a"]]
    assert adding._photo_ms < 1e6
