"""Retries and hedges: only where asked for, only for what may pass, never beyond the deadline or the budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest

from common import AnswerModel, AttemptPolicy, Deadline, Outcome, Reason, RequestModel, SafeClient, Upstream
from common.calls.budget import ExtraBudget

Reply = Callable[[httpx.Request], Coroutine[Any, Any, httpx.Response]]


class Question(RequestModel):
    number: int = 1


class Answer(AnswerModel):
    value: float


DEFAULT = Answer(value=-1.0)
GOOD = {"value": 2.0}


class Script:
    """Answers the first request with the first reply, the second with the second, and the last for ever."""

    def __init__(self, *replies: int | float | Exception) -> None:
        self.replies = list(replies)
        self.requests = 0

    async def __call__(self, _request: httpx.Request) -> httpx.Response:
        reply = self.replies[min(self.requests, len(self.replies) - 1)]
        self.requests += 1
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, float):
            await asyncio.sleep(reply)
            reply = 200
        return httpx.Response(reply, json=GOOD)


async def call(script: Script, policy: AttemptPolicy, *, timeout_ms: int = 2_000, **options: Any) -> Outcome[Answer]:
    upstream = Upstream("model", "http://model", carrier=lambda: httpx.MockTransport(script), **options)
    endpoint = SafeClient(upstream, timeout_ms=timeout_ms).endpoint(
        "/predict", answer=Answer, default=DEFAULT, attempts=policy
    )
    return await endpoint(Question())


BROKEN = httpx.ReadError("broken")
RETRY = AttemptPolicy(retries=2, backoff_ms=1)


async def test_a_call_is_tried_once_unless_asked_otherwise() -> None:
    outcome = await call(Script(BROKEN, 200), AttemptPolicy())
    assert (outcome.reason, outcome.attempts) == (Reason.DISCONNECTED, 1)


@pytest.mark.parametrize("passing", [BROKEN, httpx.ConnectError("refused"), 500, 503])
async def test_what_may_pass_is_tried_again(passing: Any) -> None:
    outcome = await call(Script(passing, 200), RETRY)
    assert (outcome.value.value, outcome.reason, outcome.attempts) == (2.0, None, 2)


@pytest.mark.parametrize("lasting", [400, 404, 422, 429])
async def test_what_will_not_pass_is_not_tried_again(lasting: int) -> None:
    outcome = await call(Script(lasting, 200), RETRY)
    assert (outcome.reason, outcome.attempts) == (Reason.HTTP_STATUS, 1)


async def test_the_retries_end_and_the_default_comes_back() -> None:
    outcome = await call(Script(BROKEN), RETRY)
    assert (outcome.value, outcome.reason, outcome.attempts) == (DEFAULT, Reason.DISCONNECTED, 3)


async def test_no_retry_begins_that_could_not_end_in_time() -> None:
    outcome = await call(Script(BROKEN), AttemptPolicy(retries=5, backoff_ms=10_000))
    assert outcome.attempts == 1


async def test_without_budget_there_is_no_retry() -> None:
    script = Script(BROKEN)
    upstream = Upstream("model", "http://model", carrier=lambda: httpx.MockTransport(script), extra_share=0)
    while upstream.extra.spend():
        pass
    endpoint = SafeClient(upstream, timeout_ms=500).endpoint("/", answer=Answer, default=DEFAULT, attempts=RETRY)
    assert (await endpoint(Question())).attempts == 1


async def test_a_second_request_is_sent_when_the_first_takes_long_and_the_quicker_answer_is_taken() -> None:
    script = Script(1.5, 200)
    outcome = await call(script, AttemptPolicy(hedge_after_ms=10))
    assert (outcome.value.value, outcome.attempts, script.requests) == (2.0, 2, 2)
    assert outcome.elapsed_ms < 1_500


async def test_a_quick_answer_needs_no_hedge() -> None:
    assert (await call(Script(200), AttemptPolicy(hedge_after_ms=1_000))).attempts == 1


async def test_when_both_hedged_requests_fail_the_default_comes_back() -> None:
    outcome = await call(Script(0.05, 500), AttemptPolicy(hedge_after_ms=1), timeout_ms=30)
    assert (outcome.value, outcome.is_default) == (DEFAULT, True)


def test_extra_requests_are_a_share_of_the_real_ones_whatever_they_are_for() -> None:
    budget = ExtraBudget(share=0.2, burst=5)
    granted = 0
    for _ in range(1_000):
        budget.earn()
        granted += sum(budget.spend() for _ in range(3))  # a retry, a hedge and a shadow all ask
    assert granted <= 5 + 0.2 * 1_000
    assert granted >= 0.19 * 1_000


async def test_deadline_of_the_caller_bounds_all_attempts() -> None:
    script = Script(BROKEN)
    upstream = Upstream("model", "http://model", carrier=lambda: httpx.MockTransport(script))
    endpoint = SafeClient(upstream, timeout_ms=5_000).endpoint(
        "/", answer=Answer, default=DEFAULT, attempts=AttemptPolicy(retries=9, backoff_ms=50)
    )
    outcome = await endpoint(Question(), deadline=Deadline.after_ms(100))
    assert outcome.attempts < 4
