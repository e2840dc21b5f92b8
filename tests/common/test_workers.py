"""The pool of worker threads: bounded, and it says no at once to what it can't finish."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.deadline import Deadline
from common.errors import PoolFull
from common.queueing import Queueing
from common.workers import WorkerPool

DURATIONS_MS = st.floats(0, 1e7)


@given(threads=st.integers(1, 8), queue=st.integers(0, 8), steps=st.lists(st.tuples(st.booleans(), DURATIONS_MS)))
def test_the_books_always_balance(threads: int, queue: int, steps: list[tuple[bool, float]]) -> None:
    queueing = Queueing(threads=threads, places=threads + queue)
    inside = 0
    for enters, duration_ms in steps:
        if enters:
            inside += queueing.admit(duration_ms)
        elif inside:
            queueing.learn(duration_ms)
            queueing.leave()
            inside -= 1
        assert queueing.inside == inside <= threads + queue
        assert queueing.expected_wait_ms >= 0


@given(durations_ms=st.lists(DURATIONS_MS), remaining_ms=st.floats(0, 1e5), threads=st.integers(1, 4))
def test_while_a_thread_is_idle_everything_is_admitted(
    durations_ms: list[float], remaining_ms: float, threads: int
) -> None:
    queueing = Queueing(threads=threads, places=threads)
    for duration_ms in durations_ms:
        queueing.learn(duration_ms)
    assert all(queueing.admit(remaining_ms) for _ in range(threads))


@given(durations_ms=st.lists(DURATIONS_MS, min_size=1))
def test_what_is_usual_lies_between_nothing_and_the_longest(durations_ms: list[float]) -> None:
    queueing = Queueing(threads=1, places=1)
    for duration_ms in durations_ms:
        queueing.learn(duration_ms)
    assert 0 <= queueing.usual_ms <= max(durations_ms) * (1 + 1e-9)


def test_who_would_wait_in_vain_is_refused_and_who_has_time_is_not() -> None:
    queueing = Queueing(threads=2, places=10)
    for _ in range(100):
        queueing.learn(100)
    assert [queueing.admit(1) for _ in range(3)] == [True, True, False]
    assert queueing.expected_wait_ms == pytest.approx(50, rel=0.01)
    assert queueing.admit(60)
    assert not queueing.admit(60)


def test_one_outlier_is_soon_forgotten() -> None:
    queueing = Queueing(threads=1, places=10)
    queueing.learn(60_000)
    for _ in range(12):
        queueing.learn(5)
    assert queueing.usual_ms < 10


async def test_a_pool_refuses_at_once_what_it_could_not_begin_in_time() -> None:
    pool = WorkerPool("test", threads=1, queue=10)
    for _ in range(20):
        await pool.run(time.sleep, 0.02, deadline=Deadline.after_ms(5_000))
    release = threading.Event()
    try:
        blocked = [asyncio.create_task(pool.run(release.wait, deadline=Deadline.after_ms(5_000))) for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(PoolFull):
            await pool.run(time.sleep, 0, deadline=Deadline.after_ms(5))
        release.set()
        assert all(await asyncio.gather(*blocked))
        assert await pool.run(int, "7", deadline=Deadline.after_ms(5_000)) == 7
    finally:
        release.set()
        pool.close()


async def test_what_was_never_begun_teaches_nothing() -> None:
    pool = WorkerPool("test", threads=1, queue=10)
    release = threading.Event()
    try:
        await pool.run(time.sleep, 0.05, deadline=Deadline.after_ms(5_000))
        usual_ms = pool._queueing.usual_ms
        first = asyncio.create_task(pool.run(release.wait, deadline=Deadline.after_ms(5_000)))
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await pool.run(int, "7", deadline=Deadline.after_ms(20))
        assert (pool._queueing.inside, pool._queueing.usual_ms) == (1, usual_ms)
        release.set()
        assert await first
    finally:
        release.set()
        pool.close()
