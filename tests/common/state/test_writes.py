"""Writes on behalf of a request."""

from __future__ import annotations

import asyncio
import threading

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from common.deadline import Deadline
from common.service.problems import Problem
from common.state.writes import Writes, time_to_store
from tests.postgres_server import postgres_server

LONG_MS = 60_000


def fail() -> None:
    raise SQLAlchemyError


@pytest.mark.parametrize(("budget_ms", "to_store_ms"), [(1_000, 950), (30_000, 29_950), (100, 90), (20, 18)])
def test_who_can_not_be_stored_in_time_hears_so_in_time(budget_ms: float, to_store_ms: float) -> None:
    deadline = Deadline.after_ms(budget_ms, clock=lambda: 0.0)
    assert time_to_store(deadline).remaining_ms == pytest.approx(to_store_ms)


@pytest.mark.parametrize(("failed_before", "status"), [(False, 429), (True, 503)])
async def test_a_full_queue_is_too_many_callers_unless_the_database_is_to_blame(
    failed_before: bool, status: int
) -> None:
    writes, goes_on = Writes(queue=0), threading.Event()
    if failed_before:
        with pytest.raises(Problem):
            await writes.run(fail, deadline=Deadline.after_ms(LONG_MS))
    under_way = asyncio.create_task(writes.run(goes_on.wait, deadline=Deadline.after_ms(LONG_MS)))
    await asyncio.sleep(0)
    with pytest.raises(Problem) as refused:
        await writes.run(lambda: None, deadline=Deadline.after_ms(LONG_MS))
    assert refused.value.status == status
    goes_on.set()
    assert await under_way
    writes.close()


@pytest.mark.parametrize(("failed_before", "status"), [(False, 429), (True, 503)])
async def test_who_would_wait_for_more_than_half_of_their_time_is_refused_at_once_and_others_are_not(
    failed_before: bool, status: int
) -> None:
    writes, goes_on = Writes(queue=100), threading.Event()
    slow_ms = 200
    for _ in range(10):  # it is slow to believe that writing has become slow
        await writes.run(lambda: threading.Event().wait(slow_ms / 1000), deadline=Deadline.after_ms(LONG_MS))
    if failed_before:
        with pytest.raises(Problem):
            await writes.run(fail, deadline=Deadline.after_ms(LONG_MS))
    under_way = [asyncio.create_task(writes.run(goes_on.wait, deadline=Deadline.after_ms(LONG_MS))) for _ in range(10)]
    await asyncio.sleep(0)

    with pytest.raises(Problem) as refused:
        await writes.run(lambda: None, deadline=Deadline.after_ms(slow_ms))
    assert refused.value.status == status
    patient = asyncio.create_task(writes.run(lambda: "written", deadline=Deadline.after_ms(LONG_MS)))
    goes_on.set()
    assert await patient == "written"
    assert all(await asyncio.gather(*under_way))
    writes.close()


async def test_what_no_try_would_store_is_the_callers_fault_and_not_the_databases() -> None:
    with postgres_server() as url:
        engine, writes = create_engine(url), Writes(queue=0)

        def find() -> None:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1 WHERE 'a' = :id"), {"id": "\0"})

        with pytest.raises(Problem) as refused:
            await writes.run(find, deadline=Deadline.after_ms(LONG_MS))
        writes.close()
        engine.dispose()
    assert refused.value.status == 422


async def test_a_store_that_says_no_is_no_database_that_refuses() -> None:
    writes, goes_on = Writes(queue=0), threading.Event()

    def nobody() -> None:
        raise LookupError

    with pytest.raises(Problem):
        await writes.run(fail, deadline=Deadline.after_ms(LONG_MS))
    with pytest.raises(LookupError):
        await writes.run(nobody, deadline=Deadline.after_ms(LONG_MS))
    under_way = asyncio.create_task(writes.run(goes_on.wait, deadline=Deadline.after_ms(LONG_MS)))
    await asyncio.sleep(0)
    with pytest.raises(Problem) as refused:
        await writes.run(lambda: None, deadline=Deadline.after_ms(LONG_MS))
    assert refused.value.status == 429
    goes_on.set()
    assert await under_way
    writes.close()
