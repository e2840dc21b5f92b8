"""Shadow mode: compared pair by pair, dropped rather than queued, and never felt by the primary."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
from prometheus_client import CollectorRegistry

from common import AnswerModel, RequestModel, SafeClient, Shadow, ShadowPolicy, Upstream
from common.calls.client import Endpoint
from common.metrics import ShadowMetrics
from loadtests.proxy import proxy_in_thread
from tests.json_server import json_server


class Question(RequestModel):
    number: float


class Doubled(AnswerModel):
    doubled: float
    version: str = "1"


DEFAULT = Doubled(doubled=-1.0)


def far(primary: Doubled, shadow: Doubled) -> float:
    return abs(primary.doubled - shadow.doubled)


def double(question: dict[str, Any]) -> dict[str, Any]:
    return {"doubled": 2 * question["number"]}


def nearly_double(question: dict[str, Any]) -> dict[str, Any]:
    return {"doubled": 2 * question["number"] + (question["number"] == 3) * 0.5}


def shadow_of(url: str, **policy: Any) -> Shadow[Doubled]:
    upstream = Upstream("shadow", url)
    return Shadow(upstream, answer=Doubled, difference=far, policy=ShadowPolicy(**policy))


def mirrored(url: str, shadow: Shadow[Doubled], *, extra_share: float = 1.0) -> Endpoint[Doubled]:
    upstream = Upstream("primary", url, extra_share=extra_share, max_in_flight=64)
    return SafeClient(upstream, timeout_ms=1_000).endpoint("/double", answer=Doubled, default=DEFAULT, mirror=shadow)


async def test_answers_are_compared_pair_by_pair_and_the_worst_pairs_are_kept() -> None:
    with json_server(double) as url, json_server(nearly_double) as other:
        shadow = shadow_of(other)
        endpoint = mirrored(url, shadow)
        for number in range(6):
            assert (await endpoint(Question(number=number))).value.doubled == 2 * number
        await shadow.drain()
        await endpoint.upstream.aclose()
    report = shadow.report
    assert (report.compared, report.agreed, dict(report.missing)) == (6, 5, {})
    (worst,) = report.worst
    assert (worst.difference, worst.request, worst.primary["doubled"], worst.shadow["doubled"]) == (
        0.5, {"number": 3.0}, 6.0, 6.5,
    )  # fmt: skip


async def test_only_the_worst_few_are_kept_worst_first() -> None:
    with json_server(double) as url, json_server(lambda question: {"doubled": 3 * question["number"]}) as other:
        shadow = shadow_of(other, keep_worst=3)
        endpoint = mirrored(url, shadow)
        for number in (5, 1, 4, 2, 3):
            await endpoint(Question(number=number))
        await shadow.drain()
        await endpoint.upstream.aclose()
    assert [pair.difference for pair in shadow.report.worst] == [5, 4, 3]


async def test_a_share_of_the_calls_is_mirrored_evenly() -> None:
    with json_server(double) as url, json_server(double) as other:
        shadow = shadow_of(other, share=0.25)
        endpoint = mirrored(url, shadow)
        for _ in range(40):
            await endpoint(Question(number=1))
        await shadow.drain()
        await endpoint.upstream.aclose()
    assert shadow.report.compared == 10


async def test_a_shadow_that_hangs_for_ever_is_not_felt_and_what_it_missed_is_counted() -> None:
    registry = CollectorRegistry()
    with json_server(double) as url, proxy_in_thread(fault="hang") as hanging:
        shadow = Shadow(
            Upstream("shadow", hanging.url),
            answer=Doubled,
            policy=ShadowPolicy(max_tasks=4, timeout_ms=60_000),
            metrics=ShadowMetrics(registry),
        )
        endpoint = mirrored(url, shadow)
        outcomes = [await endpoint(Question(number=1)) for _ in range(50)]
        tasks = len(asyncio.all_tasks())
        begun_s = time.monotonic()
        await shadow.drain(timeout_ms=20)
        drained_s = time.monotonic() - begun_s
        await endpoint.upstream.aclose()
    assert all(outcome.reason is None for outcome in outcomes)
    assert shadow.report.missing["tasks_full"] == 46
    assert registry.get_sample_value("shadow_missing_total", {"upstream": "shadow", "reason": "tasks_full"}) == 46
    assert tasks < 30
    assert drained_s < 5


async def test_what_a_shadow_may_send_is_bounded_by_the_budget_it_shares() -> None:
    with json_server(double) as url, json_server(double) as other:
        shadow = shadow_of(other)
        endpoint = mirrored(url, shadow, extra_share=0.1)
        for _ in range(100):
            await endpoint(Question(number=1))
        await shadow.drain()
        await endpoint.upstream.aclose()
    assert shadow.report.compared <= 10 + 0.1 * 100
    assert shadow.report.missing["no_budget"] >= 80


async def test_calls_that_the_primary_failed_are_not_mirrored() -> None:
    with json_server(double) as other:
        shadow = shadow_of(other)
        endpoint = mirrored("http://127.0.0.1:1", shadow)
        await endpoint(Question(number=1))
        await shadow.drain()
        await endpoint.upstream.aclose()
    assert dict(shadow.report.missing) == {"primary_failed": 1}


async def test_too_many_bytes_under_way_are_dropped() -> None:
    with json_server(double) as url, json_server(double) as other:
        shadow = shadow_of(other, max_bytes=3)
        endpoint = mirrored(url, shadow)
        await endpoint(Question(number=1))
        await shadow.drain()
        await endpoint.upstream.aclose()
    assert dict(shadow.report.missing) == {"bytes_full": 1}


async def test_a_difference_with_a_bug_costs_its_pair_and_nothing_else() -> None:
    def broken(_primary: Doubled, _shadow: Doubled) -> float:
        raise ZeroDivisionError

    with json_server(double) as url, json_server(double) as other:
        shadow = Shadow(Upstream("shadow", other), answer=Doubled, difference=broken)
        endpoint = mirrored(url, shadow)
        outcome = await endpoint(Question(number=1))
        await shadow.drain()
        await endpoint.upstream.aclose()
    assert outcome.reason is None
    assert dict(shadow.report.missing) == {"bug": 1}


async def test_after_the_drain_nothing_is_taken_any_more() -> None:
    with json_server(double) as url, json_server(double) as other:
        shadow = shadow_of(other)
        await shadow.drain()
        endpoint = mirrored(url, shadow)
        assert (await endpoint(Question(number=1))).reason is None
        await endpoint.upstream.aclose()
    assert dict(shadow.report.missing) == {"closing": 1}


async def test_the_copy_carries_the_request_id_of_the_call() -> None:
    seen: list[str] = []

    async def listening(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["X-Request-ID"])
        return httpx.Response(200, json={"doubled": 2})

    with json_server(double) as url:
        upstream = Upstream("shadow", "http://shadow", carrier=lambda: httpx.MockTransport(listening))
        shadow = Shadow(upstream, answer=Doubled)
        endpoint = mirrored(url, shadow)
        outcome = await endpoint(Question(number=1))
        await shadow.drain()
        await endpoint.upstream.aclose()
    assert seen == [outcome.request_id]
