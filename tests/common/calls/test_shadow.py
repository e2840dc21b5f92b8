"""Shadow mode: compared pair by pair, dropped rather than queued, and never felt by the primary."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from common import AnswerModel, RequestModel, SafeClient, Shadow, ShadowPolicy, Upstream
from common.calls.client import Endpoint
from common.calls.mirror import Pair
from common.calls.shadow_report import ShadowReport
from common.metrics import ClientMetrics, ShadowMetrics
from common.outcome import Outcome
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
    (worst,) = report.as_json()["worst"]
    assert (worst["difference"], worst["request"], worst["cut"]) == (0.5, {"number": 3.0}, [])
    assert (worst["primary"]["doubled"], worst["shadow"]["doubled"]) == (6.0, 6.5)


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
    assert shadow.report.missing["closing"] == 4
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


async def test_copies_sent_or_refused_are_counted_among_the_extra_requests_of_the_primary() -> None:
    registry = CollectorRegistry()
    with json_server(double) as url, json_server(double) as other:
        shadow = shadow_of(other)
        upstream = Upstream("primary", url, extra_share=0, metrics=ClientMetrics(registry))
        endpoint = SafeClient(upstream, timeout_ms=1_000).endpoint(
            "/double", answer=Doubled, default=DEFAULT, mirror=shadow
        )
        for _ in range(15):
            await endpoint(Question(number=1))
        await shadow.drain()
        await upstream.aclose()
    counted = [
        registry.get_sample_value(
            "client_extra_requests_total", {"upstream": "primary", "kind": "shadow", "granted": granted}
        )
        or 0
        for granted in ("true", "false")
    ]
    assert counted == [shadow.report.compared, shadow.report.missing["no_budget"]]
    assert sum(granted or 0 for granted in counted) == 15


async def test_every_pair_that_was_offered_ends_in_exactly_one_place() -> None:
    def sometimes(primary: Doubled, shadow: Doubled) -> float:
        return math.nan if primary.doubled % 4 else far(primary, shadow)

    async def answering(request: httpx.Request) -> httpx.Response:
        if len(asked) >= 8:
            await asyncio.sleep(60)
        asked.append(request)
        return httpx.Response(200, json={"doubled": 2} if len(asked) % 3 else {"tripled": 2})

    asked: list[httpx.Request] = []
    registry = CollectorRegistry()
    shadow = Shadow(
        Upstream("shadow", "http://shadow", carrier=lambda: httpx.MockTransport(answering), max_in_flight=2),
        answer=Doubled,
        difference=sometimes,
        policy=ShadowPolicy(share=0.8, max_tasks=4, timeout_ms=60_000),
        metrics=ShadowMetrics(registry),
    )
    with json_server(double) as url:
        endpoint = mirrored(url, shadow)
        for number in range(60):
            await endpoint(Question(number=number))
        await shadow.drain(timeout_ms=20)
        await endpoint(Question(number=1))
        await endpoint(Question(number=1))
        await endpoint.upstream.aclose()
    report = shadow.report
    assert {"bug", "schema", "tasks_full", "closing"} <= set(report.missing)
    assert report.missing["closing"] >= 5
    assert report.compared > 0
    assert report.compared + report.missing.total() + report.not_sampled == 62
    shown = {
        name: sum(sample.value for metric in registry.collect() for sample in metric.samples if sample.name == name)
        for name in ("shadow_pairs_total", "shadow_missing_total")
    }
    assert list(shown.values()) == [report.compared, report.missing.total()]


async def test_a_copy_that_was_cancelled_before_it_began_is_counted_too() -> None:
    with json_server(double) as other:
        shadow = shadow_of(other)
        shadow.offer(pair(), Upstream("primary", "http://127.0.0.1:1"))
        await shadow.drain(timeout_ms=0)
    assert shadow.report.compared + shadow.report.missing["closing"] == 1


@pytest.mark.parametrize("difference", [math.nan, math.inf, -math.inf, -1.0])
def test_what_is_no_difference_is_refused_and_counts_nothing(difference: float) -> None:
    report = ShadowReport("shadow")
    add(report, 2.0)
    with pytest.raises(ValueError, match="difference"):
        add(report, difference)
    assert (report.compared, report.mean_difference, len(report.worst)) == (1, 2.0, 1)


def test_the_mean_stays_finite_though_the_sum_would_not() -> None:
    report = ShadowReport("shadow")
    for _ in range(3):
        add(report, 1e308)
    assert report.mean_difference == pytest.approx(1e308)


def test_a_pair_that_can_not_be_written_is_not_counted_as_compared() -> None:
    class Odd(AnswerModel):
        odd: Any

    report = ShadowReport("shadow")
    with pytest.raises(Exception, match="serialize"):
        add(report, 1.0, shadow=Odd(odd=object()))
    assert (report.compared, report.worst) == (0, [])


def test_kept_pairs_are_bounded_in_bytes_and_say_what_was_cut() -> None:
    class Long(AnswerModel):
        text: str

    report = ShadowReport("shadow", keep_worst=4, keep_bytes=1_200)
    for difference in range(1, 20):
        add(report, difference, shadow=Long(text="\u00e9" * 10_000))
    assert sum(len(part) for kept in report.worst for part in kept.parts) <= 1_200
    worst = report.as_json()["worst"]
    assert [kept["difference"] for kept in worst] == [19, 18, 17, 16]
    assert worst[0]["cut"] == ["shadow"]
    assert worst[0]["shadow"].startswith('{"text":"')
    assert worst[0]["primary"] == DEFAULT.model_dump()


def test_keeping_none_of_the_pairs_is_allowed() -> None:
    report = ShadowReport("shadow", keep_worst=0)
    add(report, 1.0)
    assert (report.compared, report.worst) == (1, [])


def test_offered_without_an_event_loop_it_is_a_bug_that_is_counted_and_not_raised() -> None:
    shadow = shadow_of("http://127.0.0.1:1")
    shadow.offer(pair(), Upstream("primary", "http://127.0.0.1:1"))
    assert dict(shadow.report.missing) == {"bug": 1}


async def test_a_request_that_can_not_be_prepared_costs_its_pair_and_nothing_else() -> None:
    def broken(_payload: Question) -> Question:
        raise ZeroDivisionError

    shadow = Shadow(Upstream("shadow", "http://127.0.0.1:1"), answer=Doubled, prepare=broken)
    shadow.offer(pair(), Upstream("primary", "http://127.0.0.1:1"))
    await shadow.drain()
    assert dict(shadow.report.missing) == {"bug": 1}


def pair() -> Pair[Doubled]:
    question = Question(number=1)
    outcome = Outcome(
        value=Doubled(doubled=2.0), reason=None, version="1", attempts=1, elapsed_ms=1.0, request_id="request"
    )
    return Pair("/double", question, question.model_dump_json().encode(), outcome)


def add(report: ShadowReport, difference: float, *, shadow: AnswerModel = DEFAULT) -> None:
    report.add(difference, path="/double", request_id="id", request=b"{}", primary=DEFAULT, shadow=shadow)
