"""The safe call never raises: whatever the log, the metrics, the context, a check or the data of a user do."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest
import structlog
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, ValidationError

from common import AnswerModel, Bulk, Deadline, Outcome, Portal, Reason, RequestModel, SafeClient, Upstream
from common.calls.attempts import AttemptPolicy
from common.calls.breaker import Breaker
from common.calls.client import Endpoint
from common.metrics import ClientMetrics


class Question(RequestModel):
    text: str = ""


class Answer(AnswerModel):
    value: float
    version: str = "1"


DEFAULT = Answer(value=-1.0)
GOOD = {"value": 2.0}


def upstream(*replies: Any, **options: Any) -> Upstream:
    """Answers with each of `replies` in turn, and with the last for ever; an int is a status."""
    left = list(replies or [GOOD])

    def reply(_request: httpx.Request) -> httpx.Response:
        given = left.pop(0) if len(left) > 1 else left[0]
        return httpx.Response(given) if isinstance(given, int) else httpx.Response(200, content=json.dumps(given))

    return Upstream("model", "http://model", carrier=lambda: httpx.MockTransport(reply), **options)


def endpoint(of: Upstream | None = None, path: str = "/predict", **options: Any) -> Endpoint[Answer]:
    client = SafeClient(of or upstream(), timeout_ms=1_000)
    return client.endpoint(path, answer=Answer, default=DEFAULT, **options)


class FullDisk:
    """A sink that takes nothing."""

    def write(self, _text: str) -> None:
        raise OSError(28, "No space left on device")

    flush = close = write


@pytest.fixture
def _full_disk() -> Iterator[None]:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=FullDisk()))  # type: ignore[arg-type]
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("_full_disk")
@pytest.mark.parametrize("status", [500, 200])
async def test_a_log_that_can_not_be_written_costs_no_answer(status: int) -> None:
    of = upstream(500 if status == 500 else GOOD)
    outcome = await endpoint(of, tested_with=["other"])(Question())
    assert outcome.reason == (Reason.HTTP_STATUS if status == 500 else None)


async def test_metrics_that_break_cost_no_answer() -> None:
    class Broken(ClientMetrics):
        def observe(self, upstream: str, outcome: Outcome[Any]) -> None:
            raise ZeroDivisionError

    outcome = await endpoint(upstream(metrics=Broken(CollectorRegistry())))(Question())
    assert outcome.reason is None


@pytest.mark.parametrize("verdict", [True, False, "wrong", 5, ["list"]])
async def test_a_check_that_returns_something_else_than_a_reason_is_a_bug_and_no_exception(verdict: Any) -> None:
    outcome = await endpoint()(Question(), check=lambda _: verdict)
    assert (outcome.value, outcome.reason) == (DEFAULT, Reason.BUG)


async def test_a_check_that_is_a_coroutine_is_told_to_the_programmer() -> None:
    async def check(_answer: Answer) -> None: ...

    with pytest.raises(TypeError, match="plain function"):
        await endpoint()(Question(), check=check)  # type: ignore[arg-type]


async def test_a_buggy_check_does_not_close_the_upstream_to_others() -> None:
    of = upstream()
    for _ in range(20):
        assert (await endpoint(of, "/a")(Question(), check=lambda _: 1 / 0)).reason == Reason.BUG  # type: ignore[arg-type,return-value]
    assert (await endpoint(of, "/b")(Question())).reason is None


async def test_refusing_a_version_does_not_close_the_upstream_to_those_who_take_it() -> None:
    of = upstream()
    strict = endpoint(of, "/a", tested_with=["0.9"], refuse_untested=True)
    assert {(await strict(Question())).reason for _ in range(20)} == {Reason.UNTESTED_VERSION}
    assert (await endpoint(of, "/b")(Question())).reason is None


async def test_data_that_can_not_be_written_as_json_brings_the_default() -> None:
    outcome = await endpoint()(Question(text="\ud800"))
    assert (outcome.value, outcome.reason, outcome.attempts) == (DEFAULT, Reason.PAYLOAD, 0)


@pytest.mark.parametrize(
    "bound", [{"request_id": uuid.uuid4()}, {"caller": 7}, {"request_id": "a b\n"}, {"caller": "é"}]
)
async def test_what_others_bound_in_the_context_costs_no_answer(bound: dict[str, Any]) -> None:
    with structlog.contextvars.bound_contextvars(**bound):
        assert (await endpoint()(Question())).reason is None


async def test_a_plain_model_may_be_answered_with_but_not_with_nan() -> None:
    class Plain(BaseModel):
        value: float

    def nan(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b'{"value": NaN}')

    of = Upstream("model", "http://model", carrier=lambda: httpx.MockTransport(nan))
    call = SafeClient(of, timeout_ms=1_000).endpoint("/", answer=Plain, default=Plain(value=0))
    assert (await call(Question())).reason == Reason.SCHEMA


async def test_a_refused_call_earns_no_extra_ones() -> None:
    of = upstream(500)
    call = endpoint(of, attempts=AttemptPolicy(retries=1, backoff_ms=1))
    while of.extra.spend():
        pass
    for _ in range(5):
        await call(Question())
    saved = [of.extra.spend() for _ in range(3)]
    for _ in range(60):  # the breaker is open now: nothing is sent
        await call(Question())
    assert [of.extra.spend() for _ in range(3)] == [False] * 3
    assert saved.count(True) <= 1


class Keyed(AnswerModel):
    values: dict[str, float]


async def test_bad_values_under_many_keys_do_not_hold_up_the_loop() -> None:
    with pytest.raises(ValidationError) as failed:
        Keyed.model_validate_json(json.dumps({"values": dict.fromkeys(map(str, range(4_900)), "x")}))
    assert failed.value.error_count() == 1


# defaults, and what a person forces


@pytest.mark.parametrize("default", [{"value": 1.0}, Question(), None])
def test_a_default_of_another_kind_is_told_by_name(default: Any) -> None:
    with pytest.raises(TypeError, match="default: a Answer is wanted"):
        SafeClient(upstream(), timeout_ms=1).endpoint("/", answer=Answer, default=default)


def test_versions_can_only_be_compared_where_there_is_one() -> None:
    with pytest.raises(ValueError, match="no field `version`"):
        SafeClient(upstream(), timeout_ms=1).endpoint(
            "/", answer=Keyed, default=Keyed(values={}), tested_with=["1.0.0"]
        )


def test_an_end_without_a_time_zone_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Breaker().force("open", owner="anna", reason="test", ends_at=datetime(2030, 1, 1))  # noqa: DTZ001  the mistake


# bulk


def bulk(**options: Any) -> Bulk[str, str, Answer, float]:
    return Bulk(
        endpoint=endpoint(),
        ask=lambda items: Question(text=" ".join(items.values())),
        take=lambda answer: [("a", answer.value)],
        default=-1.0,
        **options,
    )


async def test_items_that_can_not_be_asked_about_take_only_their_own_request_down() -> None:
    def ask(items: Any) -> Question:
        if "b" in items:
            raise ValueError("not a number")
        return Question()

    many: Bulk[str, int, Answer, float] = Bulk(
        endpoint=endpoint(), ask=ask, take=lambda answer: [("a", answer.value)], default=-1.0, max_items=1
    )
    outcomes = await many.call_many({"a": 1, "b": 2})
    assert [(one.value, one.reason) for one in outcomes.values()] == [(2.0, None), (-1.0, Reason.BUG)]


@pytest.mark.parametrize("broken", ["take", "check", "check_answer"])
async def test_a_bug_in_one_of_the_functions_of_a_bulk_call_brings_defaults(broken: str) -> None:
    def bug(*_: Any) -> Any:
        raise ZeroDivisionError

    many = dataclasses.replace(bulk(), **{broken: bug})  # type: ignore[arg-type]  # one of three functions
    assert {one.reason for one in (await many.call_many({"a": "x"})).values()} == {Reason.BUG}


@pytest.mark.parametrize("option", ["max_items", "side_by_side"])
def test_no_items_or_no_requests_at_a_time_are_refused(option: str) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        bulk(**{option: 0})


async def test_a_deadline_that_is_none_is_told_by_name() -> None:
    with pytest.raises(TypeError, match="deadline"):
        await bulk().call_many({"a": "x"}, deadline=5)  # type: ignore[arg-type]


# threads


def test_a_portal_that_is_closed_meanwhile_brings_the_default() -> None:
    reached = threading.Event()

    class Hanging(httpx.AsyncBaseTransport):
        async def handle_async_request(self, _request: httpx.Request) -> httpx.Response:
            reached.set()
            await asyncio.Event().wait()
            raise AssertionError

    portal = Portal()
    of = Upstream("model", "http://model", carrier=Hanging)
    call = portal.blocking(SafeClient(of, timeout_ms=20_000).endpoint("/", answer=Answer, default=DEFAULT))

    def close() -> None:
        reached.wait(20)
        portal.close()

    closing = threading.Thread(target=close)
    closing.start()
    outcome = call(Question(), deadline=Deadline.after_ms(20_000))
    closing.join()
    assert (outcome.value, outcome.reason) == (DEFAULT, Reason.TIMEOUT)
    assert outcome.elapsed_ms < 20_000


def test_threads_hear_of_a_wrong_deadline_by_name() -> None:
    with Portal() as portal, pytest.raises(TypeError, match="deadline"):
        portal.blocking(endpoint())(Question(), deadline=5)  # type: ignore[arg-type]
