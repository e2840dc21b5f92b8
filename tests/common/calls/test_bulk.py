"""Bulk calls: one deadline for thousands of items, and an answer for each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from common import AnswerModel, BreakerPolicy, Bulk, Deadline, Reason, RequestModel, SafeClient, Upstream
from loadtests.faults import MENU
from loadtests.proxy import proxy_in_thread
from tests.json_server import json_server


class Item(AnswerModel):
    id: str
    value: float


class Items(AnswerModel):
    items: list[Item]
    version: str = "1"


class Keys(RequestModel):
    keys: list[str]


NOTHING = Items(items=[])
DEFAULT = -1.0


def doubler(upstream: Upstream, *, timeout_ms: int = 2_000, **options: Any) -> Bulk[str, int, Items, float]:
    """Asks for the doubles of numbers: the key is the number as text."""
    return Bulk(
        endpoint=SafeClient(upstream, timeout_ms=timeout_ms).endpoint("/double", answer=Items, default=NOTHING),
        ask=lambda items: Keys(keys=list(items)),
        take=lambda answer: [(item.id, item.value) for item in answer.items],
        default=DEFAULT,
        **options,
    )


def double(request: dict[str, Any]) -> dict[str, Any]:
    return {"items": [{"id": key, "value": 2.0 * int(key)} for key in request["keys"]], "version": "1"}


def numbers(count: int) -> dict[str, int]:
    return {str(number): number for number in range(count)}


async def call(url: str, items: Mapping[str, int], **options: Any) -> dict[str, Any]:
    upstream = Upstream("doubler", url)
    try:
        return dict(await doubler(upstream, **options).call_many(items, deadline=Deadline.after_ms(2_000)))
    finally:
        await upstream.aclose()


async def test_every_key_gets_its_answer_in_the_order_asked() -> None:
    with json_server(double) as url:
        outcomes = await call(url, numbers(250), max_items=100)
    assert list(outcomes) == list(numbers(250))
    assert all(outcome.value == 2.0 * int(key) and outcome.reason is None for key, outcome in outcomes.items())


async def test_requests_are_no_larger_and_no_more_at_a_time_than_agreed() -> None:
    sizes: list[int] = []
    at_work = most_at_work = 0

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal at_work, most_at_work
        at_work += 1
        most_at_work = max(most_at_work, at_work)
        keys = Keys.model_validate_json(request.content).keys
        sizes.append(len(keys))
        await asyncio.sleep(0)
        at_work -= 1
        return httpx.Response(200, json=double({"keys": keys}))

    upstream = Upstream("doubler", "http://doubler", carrier=lambda: httpx.MockTransport(answer))
    outcomes = await doubler(upstream, max_items=7, side_by_side=3).call_many(numbers(50))
    assert all(outcome.reason is None for outcome in outcomes.values())
    assert (max(sizes), len(sizes)) == (7, 8)
    assert most_at_work <= 3


async def test_an_item_without_an_answer_gets_the_default_and_the_others_theirs() -> None:
    with json_server(lambda request: double({"keys": request["keys"][1:]})) as url:
        outcomes = await call(url, numbers(3))
    assert (outcomes["0"].value, outcomes["0"].reason, outcomes["0"].is_default) == (DEFAULT, Reason.MEANING, True)
    assert (outcomes["2"].value, outcomes["2"].reason) == (4.0, None)


@pytest.mark.parametrize("fault", ["foreign_ids", "duplicated_ids"])
async def test_who_mixes_up_items_is_believed_about_none(fault: str) -> None:
    def mixed_up(request: dict[str, Any]) -> dict[str, Any]:
        keys = request["keys"]
        return double({"keys": ["7", *keys] if fault == "foreign_ids" else [keys[0], *keys]})

    with json_server(mixed_up) as url:
        outcomes = await call(url, numbers(3))
    assert {outcome.reason for outcome in outcomes.values()} == {Reason.MEANING}


async def test_a_value_that_is_refused_costs_only_its_own_item() -> None:
    with json_server(double) as url:
        outcomes = await call(url, numbers(3), check=lambda _key, value: Reason.OUT_OF_RANGE if value > 3 else None)
    assert [outcome.reason for outcome in outcomes.values()] == [None, None, Reason.OUT_OF_RANGE]


async def test_fifteen_slow_items_cost_one_call_and_not_fifteen() -> None:
    calls = 0

    async def slow(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return httpx.Response(200, json=double({"keys": Keys.model_validate_json(request.content).keys}))

    upstream = Upstream("doubler", "http://doubler", carrier=lambda: httpx.MockTransport(slow))
    await doubler(upstream).call_many(numbers(15))
    assert calls == 1


async def test_no_items_need_no_call() -> None:
    assert await doubler(Upstream("doubler", "http://127.0.0.1:1")).call_many({}) == {}


async def test_a_dead_upstream_means_defaults_for_all_within_the_deadline() -> None:
    outcomes = await call("http://127.0.0.1:1", numbers(1_000))
    assert {outcome.value for outcome in outcomes.values()} == {DEFAULT}


def plausible(_key: str, value: float) -> Reason | None:
    return None if 0 <= value <= 10_000 else Reason.OUT_OF_RANGE


FAULTS = [fault.name for fault in MENU if fault.kind in ("connection", "answer", "content") and fault.name != "refused"]


@pytest.mark.parametrize("fault", FAULTS)
async def test_with_a_fault_on_a_tenth_of_the_requests_every_other_item_is_right(fault: str) -> None:
    with json_server(double) as url, proxy_in_thread(upstream=url, fault=fault, every=10) as proxy:
        outcomes = await call(proxy.url, numbers(1_000), max_items=20, in_order=True, check=plausible)
    right = sum(outcome.value == 2.0 * int(key) for key, outcome in outcomes.items())
    assert right >= 900
    assert all(outcome.is_default for key, outcome in outcomes.items() if outcome.value != 2.0 * int(key))


async def test_behind_a_breaker_that_is_not_closed_the_first_request_finds_out_for_the_others() -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=double({"keys": Keys.model_validate_json(request.content).keys}))

    policy = BreakerPolicy(open_ms=0)
    upstream = Upstream("doubler", "http://doubler", breaker=policy, carrier=lambda: httpx.MockTransport(answer))
    for _ in range(policy.min_failures):
        with pytest.raises(ConnectionError), upstream.breaker.watch():
            raise ConnectionError
    outcomes = await doubler(upstream, max_items=5).call_many(numbers(50))
    assert {outcome.reason for outcome in outcomes.values()} == {None}
