"""The safe client for threads: the same outcomes, in time, also where the loop is held up or lost in a fork."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from common import AnswerModel, Bulk, Deadline, Outcome, Portal, Reason, RequestModel, Upstream, low_timeout
from common.calls.blocking import BlockingEndpoint
from common.context import request_context
from loadtests.proxy import proxy_in_thread
from tests.json_server import json_server


class Question(RequestModel):
    number: float


class Doubled(AnswerModel):
    doubled: float
    version: str = "1"


DEFAULT = Doubled(doubled=-1.0)


def double(question: dict[str, Any]) -> dict[str, Any]:
    return {"doubled": 2 * question["number"]}


def blocking(portal: Portal, url: str, *, timeout_ms: int = 2_000, **options: Any) -> BlockingEndpoint[Doubled]:
    client = low_timeout(Upstream("doubler", url, **options), timeout_ms=timeout_ms)
    return portal.blocking(client.endpoint("/double", answer=Doubled, default=DEFAULT))


@pytest.fixture
def portal() -> Iterator[Portal]:
    with Portal() as portal:
        yield portal


def test_a_thread_gets_its_answer(portal: Portal) -> None:
    with json_server(double) as url:
        outcome = blocking(portal, url)(Question(number=2))
    assert (outcome.value.doubled, outcome.reason) == (4.0, None)


def test_many_threads_share_one_loop_and_each_gets_its_own_answer(portal: Portal) -> None:
    with json_server(double) as url, ThreadPoolExecutor(16) as threads:
        predict = blocking(portal, url)
        outcomes = list(threads.map(lambda number: predict(Question(number=number)), range(200)))
    assert [outcome.value.doubled for outcome in outcomes] == [2.0 * number for number in range(200)]


def test_the_deadline_holds_though_the_upstream_hangs(portal: Portal) -> None:
    with proxy_in_thread(fault="hang") as hanging:
        predict = blocking(portal, hanging.url, timeout_ms=100)
        begun_s = time.monotonic()
        outcome = predict(Question(number=2))
    assert (outcome.value, outcome.reason) == (DEFAULT, Reason.TIMEOUT)
    assert time.monotonic() - begun_s < 2


def test_the_deadline_holds_though_the_loop_itself_is_held_up(portal: Portal) -> None:
    let_go = threading.Event()

    async def hold_up() -> None:
        let_go.wait(30)

    with json_server(double) as url:
        predict = blocking(portal, url, timeout_ms=100)
        holding = threading.Thread(target=lambda: portal.run(hold_up, Deadline.after_ms(30_000)))
        holding.start()
        outcome = predict(Question(number=2))
        let_go.set()
        holding.join()
    assert (outcome.value, outcome.reason) == (DEFAULT, Reason.TIMEOUT)


def test_the_request_of_the_calling_thread_goes_along(portal: Portal) -> None:
    with json_server(double) as url, request_context("from-a-thread"):
        outcome = blocking(portal, url)(Question(number=2))
    assert outcome.request_id == "from-a-thread"


def test_a_mistake_in_the_call_is_told_to_the_programmer(portal: Portal) -> None:
    with pytest.raises(TypeError, match="payload"):
        blocking(portal, "http://127.0.0.1:1")({"number": 2})  # type: ignore[arg-type]


async def test_inside_of_an_event_loop_it_refuses_to_block(portal: Portal) -> None:
    with pytest.raises(RuntimeError, match="await the endpoint"):
        blocking(portal, "http://127.0.0.1:1")(Question(number=2))


def test_bulk_works_for_threads_too(portal: Portal) -> None:
    client = low_timeout(Upstream("doubler", "http://127.0.0.1:1"))
    bulk: Bulk[str, int, Doubled, float] = Bulk(
        endpoint=client.endpoint("/double", answer=Doubled, default=DEFAULT),
        ask=lambda items: Question(number=len(items)),
        take=lambda answer: [("a", answer.doubled)],
        default=-1.0,
    )
    outcomes = portal.call_many(bulk, {"a": 1, "b": 2})
    assert {key: outcome.value for key, outcome in outcomes.items()} == {"a": -1.0, "b": -1.0}


def test_a_closed_portal_starts_again_at_the_next_call(portal: Portal) -> None:
    with json_server(double) as url:
        predict = blocking(portal, url)
        assert predict(Question(number=1)).reason is None
        portal.close()
        assert predict(Question(number=1)).reason is None


CHILD = """
from common import AnswerModel, Portal, RequestModel, Upstream, low_timeout

class Question(RequestModel):
    number: float

class Doubled(AnswerModel):
    doubled: float

with Portal() as portal:
    client = low_timeout(Upstream("doubler", url), timeout_ms=10_000)
    predict = portal.blocking(client.endpoint("/double", answer=Doubled, default=Doubled(doubled=-1.0)))
    assert predict(Question(number=3)).value.doubled == 6
"""


def test_it_works_in_a_spawned_process() -> None:
    with json_server(double) as url:
        child = multiprocessing.get_context("spawn").Process(target=exec, args=(CHILD, {"url": url}))
        child.start()
        child.join(60)
    assert child.exitcode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_process_starts_a_thread_of_its_own(portal: Portal) -> None:
    with json_server(double) as url:
        predict = blocking(portal, url)
        assert predict(Question(number=1)).reason is None
        child = os.fork()
        if child == 0:
            outcome: Outcome[Doubled] = predict(Question(number=3))
            os._exit(0 if outcome.value.doubled == 6 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert predict(Question(number=1)).reason is None
