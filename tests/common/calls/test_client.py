"""The safe client against real sockets that misbehave."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import structlog
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from common.calls.answers import AnswerLimits
from common.calls.breaker import BreakerPolicy
from common.calls.client import SafeClient, low_timeout
from common.calls.upstream import Upstream
from common.context import request_context
from common.contract import AnswerModel, RequestModel
from common.deadline import Deadline
from common.metrics import ClientMetrics
from common.outcome import Outcome, Reason

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[[Handler], Awaitable[str]]

TIMEOUT_MS = 150
LATE_MS = 250  # on top: other work may hold up a shared machine, but a hang must not


class Question(RequestModel):
    number: int


class Doubled(AnswerModel):
    version: str = "1"
    doubled: float


DEFAULT = Doubled(version="", doubled=0.0)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    await reader.readexactly(length)
    return head


def response(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def answering(raw: bytes) -> Handler:
    """A server that sends `raw` after each request, whatever it asks."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                await read_request(reader)
            except asyncio.IncompleteReadError:
                return
            writer.write(raw)
            await writer.drain()

    return handle


async def hanging(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    for byte in response(json.dumps({"doubled": 2.0}).encode()):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.02)


async def cutting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(response(b'{"doubled": 2.0}')[:-5])


async def flooding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def call(url: str, **options: Any) -> Outcome[Doubled]:
    upstream = Upstream("doubler", url)
    endpoint = SafeClient(upstream, timeout_ms=TIMEOUT_MS).endpoint(
        "/double", answer=Doubled, default=DEFAULT, limits=AnswerLimits(max_bytes=100_000)
    )
    try:
        return await endpoint(Question(number=1), deadline=Deadline.after_ms(5_000), **options)
    finally:
        await upstream.aclose()


async def test_a_good_answer_is_returned_with_its_version(serve: Serve) -> None:
    outcome = await call(await serve(answering(response(b'{"doubled": 2, "version": "1.2.0"}'))))
    assert (outcome.value.doubled, outcome.reason, outcome.version) == (2.0, None, "1.2.0")
    assert not outcome.is_default


FAULTS: dict[str, tuple[Handler, Reason]] = {
    "hangs": (hanging, Reason.TIMEOUT),
    "drips": (dripping, Reason.TIMEOUT),
    "closes early": (cutting, Reason.DISCONNECTED),
    "sends a gigabyte": (flooding, Reason.TOO_LARGE),
    "answers 500": (answering(response(b"{}", status="500 Oops")), Reason.HTTP_STATUS),
    "redirects": (answering(response(b"", status="302 Found", headers="Location: /double\r\n")), Reason.HTTP_STATUS),
    "answers with HTML": (answering(response(b"<html>")), Reason.SCHEMA),
    "answers with half of a document": (answering(response(b'{"doubled": 2.')), Reason.SCHEMA),
    "answers NaN": (answering(response(b'{"doubled": NaN}')), Reason.SCHEMA),
    "answers infinity": (answering(response(b'{"doubled": 1e999}')), Reason.SCHEMA),
    "answers a string": (answering(response(b'{"doubled": "2.0"}')), Reason.SCHEMA),
    "answers false": (answering(response(b'{"doubled": false}')), Reason.SCHEMA),
    "answers null": (answering(response(b"null")), Reason.SCHEMA),
    "answers deeply nested": (answering(response(b"[" * 50_000)), Reason.TOO_LARGE),
    "answers invalid UTF-8": (answering(response(b'{"doubled": 2, "x": "\xff"}')), Reason.SCHEMA),
    "compresses unasked": (
        answering(response(gzip.compress(b'{"doubled": 2}'), headers="Content-Encoding: gzip\r\n")),
        Reason.ENCODING,
    ),
    "is not HTTP": (answering(b"SSH-2.0-OpenSSH\r\n\r\n"), Reason.DISCONNECTED),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_default_comes_back_in_time_when_the_server(fault: str, serve: Serve) -> None:
    handler, reason = FAULTS[fault]
    outcome = await call(await serve(handler))
    assert (outcome.value, outcome.is_default, outcome.reason) == (DEFAULT, True, reason)
    assert outcome.elapsed_ms < TIMEOUT_MS + LATE_MS


async def test_nobody_listening_is_unreachable() -> None:
    assert (await call("http://127.0.0.1:1")).reason == Reason.UNREACHABLE


async def test_an_unknown_host_is_unreachable() -> None:
    assert (await call("http://no-such-host.invalid")).reason in (Reason.UNREACHABLE, Reason.TIMEOUT)


async def test_an_answer_to_another_question_is_refused(serve: Serve) -> None:
    url = await serve(answering(response(b'{"doubled": 7}')))
    outcome = await call(url, check=lambda answer: None if answer.doubled == 2 else Reason.MEANING)
    assert (outcome.value, outcome.reason) == (DEFAULT, Reason.MEANING)


async def test_a_check_with_a_bug_does_not_reach_the_caller(serve: Serve) -> None:
    outcome = await call(await serve(answering(response(b'{"doubled": 2}'))), check=lambda _: 1 / 0)
    assert outcome.reason == Reason.BUG


async def test_nothing_is_sent_when_the_callers_time_is_up(serve: Serve) -> None:
    upstream = Upstream("doubler", await serve(hanging))
    endpoint = SafeClient(upstream, timeout_ms=TIMEOUT_MS).endpoint("/double", answer=Doubled, default=DEFAULT)
    outcome = await endpoint(Question(number=1), deadline=Deadline.after_ms(1))
    await upstream.aclose()
    assert (outcome.reason, outcome.attempts) == (Reason.NO_TIME, 0)


async def test_a_cancelled_call_is_cancelled_and_does_not_open_the_breaker(serve: Serve) -> None:
    upstream = Upstream("doubler", await serve(hanging))
    endpoint = SafeClient(upstream, timeout_ms=5_000).endpoint("/double", answer=Doubled, default=DEFAULT)
    for _ in range(20):
        waiting = asyncio.create_task(endpoint(Question(number=1), deadline=Deadline.after_ms(5_000)))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await upstream.aclose()
    assert upstream.breaker.state == "closed"


async def test_hangs_open_the_breaker_and_later_calls_do_not_wait(serve: Serve) -> None:
    upstream = Upstream("doubler", await serve(hanging))
    endpoint = SafeClient(upstream, timeout_ms=20).endpoint("/double", answer=Doubled, default=DEFAULT)
    reasons = [(await endpoint(Question(number=1), deadline=Deadline.after_ms(5_000))).reason for _ in range(6)]
    await upstream.aclose()
    assert reasons == [Reason.TIMEOUT] * 5 + [Reason.BREAKER_OPEN]


async def test_a_full_bulkhead_refuses_at_once(serve: Serve) -> None:
    upstream = Upstream("doubler", await serve(hanging), max_in_flight=2, max_waiting=0)
    endpoint = SafeClient(upstream, timeout_ms=TIMEOUT_MS).endpoint("/double", answer=Doubled, default=DEFAULT)
    calls = [endpoint(Question(number=1), deadline=Deadline.after_ms(5_000)) for _ in range(5)]
    reasons = [outcome.reason for outcome in await asyncio.gather(*calls)]
    await upstream.aclose()
    assert reasons.count(Reason.BULKHEAD_FULL) == 3


async def test_the_remaining_budget_and_the_request_id_travel_on(serve: Serve) -> None:
    heads: list[bytes] = []

    async def listening(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await read_request(reader))
        writer.write(response(b'{"doubled": 2}'))

    outcome = await call(await serve(listening))
    headers = dict(line.split(": ", 1) for line in heads[0].decode().lower().split("\r\n")[1:] if line)
    assert headers["x-request-id"] == outcome.request_id
    assert 0 < int(headers["x-timeout-ms"]) <= TIMEOUT_MS


def test_a_default_that_breaks_the_contract_is_found_when_the_client_is_built() -> None:
    broken = Doubled.model_construct(version="1", doubled=float("nan"))

    async def build() -> None:
        SafeClient(Upstream("doubler", "http://127.0.0.1:1"), timeout_ms=1).endpoint(
            "/", answer=Doubled, default=broken
        )

    with pytest.raises(ValidationError):
        asyncio.run(build())


async def ask_as(version: str, serve: Serve, **options: Any) -> tuple[Outcome[Doubled], CollectorRegistry]:
    registry = CollectorRegistry()
    body = json.dumps({"doubled": 2, "version": version}).encode()
    upstream = Upstream("doubler", await serve(answering(response(body))), metrics=ClientMetrics(registry))
    endpoint = low_timeout(upstream, timeout_ms=2_000).endpoint("/", answer=Doubled, default=DEFAULT, **options)
    outcome = await endpoint(Question(number=1))
    await upstream.aclose()
    return outcome, registry


async def test_a_version_that_was_tested_with_is_nothing_to_tell(serve: Serve) -> None:
    outcome, registry = await ask_as("1.2.0", serve, tested_with=["1.2.0", "1.3.0"])
    assert (outcome.reason, outcome.untested_version) == (None, False)
    assert registry.get_sample_value("client_untested_versions_total", {"upstream": "doubler"}) is None


async def test_another_version_is_used_told_and_counted(serve: Serve) -> None:
    outcome, registry = await ask_as("2.0.0", serve, tested_with=["1.2.0"])
    assert (outcome.value.doubled, outcome.reason, outcome.untested_version) == (2.0, None, True)
    assert registry.get_sample_value("client_untested_versions_total", {"upstream": "doubler"}) == 1


async def test_another_version_counts_as_a_failure_where_that_was_chosen(serve: Serve) -> None:
    outcome, _ = await ask_as("2.0.0", serve, tested_with=["1.2.0"], refuse_untested=True)
    assert (outcome.value, outcome.reason) == (DEFAULT, Reason.UNTESTED_VERSION)


async def test_who_calls_in_a_loop_is_told_once_and_counted_each_time(serve: Serve) -> None:
    registry = CollectorRegistry()
    good = answering(response(b'{"doubled": 2}'))
    upstream = Upstream("doubler", await serve(good), metrics=ClientMetrics(registry))
    endpoint = low_timeout(upstream, timeout_ms=2_000).endpoint("/double", answer=Doubled, default=DEFAULT)
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            with request_context():
                for number in range(15):
                    await endpoint(Question(number=number))
    await upstream.aclose()
    (line,) = [line for line in lines if line["event"] == "client.called_in_a_loop"]
    assert "call_many" in line["instead"]
    assert registry.get_sample_value("client_loops_total", {"upstream": "doubler"}) == 3


async def test_calls_of_many_requests_are_no_loop(serve: Serve) -> None:
    registry = CollectorRegistry()
    good = answering(response(b'{"doubled": 2}'))
    upstream = Upstream("doubler", await serve(good), metrics=ClientMetrics(registry))
    endpoint = low_timeout(upstream, timeout_ms=2_000).endpoint("/double", answer=Doubled, default=DEFAULT)
    for _ in range(20):
        with request_context():
            await endpoint(Question(number=1))
    await upstream.aclose()
    assert registry.get_sample_value("client_loops_total", {"upstream": "doubler"}) is None


class Wedged(httpx.AsyncBaseTransport):
    """A pool that never hands out a connection any more."""

    async def handle_async_request(self, _request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError


async def test_wedged_connections_are_noticed_and_replaced() -> None:
    made: list[httpx.AsyncBaseTransport] = []

    def carrier() -> httpx.AsyncBaseTransport:
        healthy = httpx.MockTransport(lambda _: httpx.Response(200, json={"doubled": 2.0}))
        made.append(healthy if made else Wedged())
        return made[-1]

    upstream = Upstream("doubler", "http://doubler", breaker=BreakerPolicy(open_ms=0), carrier=carrier)
    endpoint = SafeClient(upstream, timeout_ms=20).endpoint("/", answer=Doubled, default=DEFAULT)
    reasons = [(await endpoint(Question(number=1))).reason for _ in range(6)]
    await upstream.aclose()
    assert reasons == [Reason.TIMEOUT] * 5 + [None]
    assert len(made) == 2


async def test_replacing_the_connections_does_not_cut_off_calls_under_way() -> None:
    let_go, closed = asyncio.Event(), list[bool]()

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, _request: httpx.Request) -> httpx.Response:
            await let_go.wait()
            return httpx.Response(200, json={"doubled": 2.0})

        async def aclose(self) -> None:
            closed.append(let_go.is_set())

    upstream = Upstream("doubler", "http://doubler", breaker=BreakerPolicy(open_ms=0), carrier=Slow)
    client = SafeClient(upstream, timeout_ms=10_000)
    endpoint = client.endpoint("/", answer=Doubled, default=DEFAULT)
    patient = asyncio.create_task(endpoint(Question(number=1)))
    for _ in range(6):  # five open the breaker; the sixth is a probe, over new connections
        await endpoint(Question(number=1), deadline=Deadline.after_ms(10))
    let_go.set()
    assert (await patient).reason is None
    await upstream.aclose()
    assert closed
    assert all(closed)


async def test_waiting_for_a_slot_counts_towards_the_deadline(serve: Serve) -> None:
    upstream = Upstream("doubler", await serve(hanging), max_in_flight=1, max_waiting=1)
    endpoint = SafeClient(upstream, timeout_ms=50).endpoint("/", answer=Doubled, default=DEFAULT)
    outcomes = await asyncio.gather(*(endpoint(Question(number=1)) for _ in range(3)))
    await upstream.aclose()
    first, second, third = outcomes
    assert (first.reason, first.attempts) == (Reason.TIMEOUT, 1)
    assert (third.reason, third.attempts) == (Reason.BULKHEAD_FULL, 0)
    in_the_very_end = ((Reason.NO_TIME, 0), (Reason.TIMEOUT, 0), (Reason.TIMEOUT, 1))  # its turn may still come
    assert (second.reason, second.attempts) in ((Reason.BULKHEAD_FULL, 0), *in_the_very_end)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"payload": {"number": 1}}, "payload"),
        ({"payload": Question(number=1), "deadline": 5}, "deadline"),
        ({"payload": Question(number=1), "check": 5}, "check"),
    ],
)
async def test_a_mistake_in_the_call_is_told_by_name(arguments: dict[str, Any], named: str) -> None:
    endpoint = low_timeout(Upstream("doubler", "http://127.0.0.1:1")).endpoint("/", answer=Doubled, default=DEFAULT)
    with pytest.raises(TypeError, match=named):
        await endpoint(**arguments)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:8002", "ftp://host", "", "http://", "http://h:99999", "http://h:abc", "http://ü..com", "http://h/?x=1"],
)
def test_an_impossible_address_is_told_when_the_upstream_is_made(address: str) -> None:
    with pytest.raises(ValueError, match="not the address of a service"):
        Upstream("doubler", address)


def test_one_client_serves_one_event_loop_after_another() -> None:
    upstream = Upstream(
        "doubler",
        "http://doubler",
        carrier=lambda: httpx.MockTransport(lambda _: httpx.Response(200, json={"doubled": 2.0})),
    )
    endpoint = low_timeout(upstream).endpoint("/", answer=Doubled, default=DEFAULT)
    outcomes = [asyncio.run(endpoint(Question(number=1))) for _ in range(2)]
    assert [outcome.reason for outcome in outcomes] == [None, None]


HOSTILE = {
    "a million numbers": b'{"doubled": 2, "more": [' + b"0," * 200_000 + b"0]}",
    "a hundred thousand empty objects": b'{"doubled": 2, "more": [' + b"{}," * 100_000 + b"{}]}",
    "more than it may send": b'{"doubled": 2, "more": "' + b"x" * 600_000 + b'"}',
}


@pytest.mark.parametrize("body", HOSTILE)
async def test_an_answer_that_would_hold_up_the_loop_is_not_even_parsed(body: str, serve: Serve) -> None:
    upstream = Upstream("doubler", await serve(answering(response(HOSTILE[body]))))
    endpoint = low_timeout(upstream, timeout_ms=2_000).endpoint("/", answer=Doubled, default=DEFAULT)
    outcome = await endpoint(Question(number=1))
    await upstream.aclose()
    assert (outcome.value, outcome.reason) == (DEFAULT, Reason.TOO_LARGE)


async def test_what_arrives_on_an_idle_connection_is_not_taken_for_the_next_answer(serve: Serve) -> None:
    connections = 0

    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            try:
                await read_request(reader)
            except asyncio.IncompleteReadError:
                return
            writer.write(response(b'{"doubled": 2}'))
            await writer.drain()
            await asyncio.sleep(0.005)
            writer.write(response(b'{"doubled": 666}'))

    upstream = Upstream("doubler", await serve(talkative))
    endpoint = low_timeout(upstream, timeout_ms=2_000).endpoint("/", answer=Doubled, default=DEFAULT)
    values = []
    for _ in range(5):
        values.append((await endpoint(Question(number=1))).value.doubled)
        await asyncio.sleep(0.05)
    await upstream.aclose()
    assert values == [2.0] * 5
    assert connections == 5


async def test_thousands_of_tiny_chunks_are_refused_before_they_cost_anything(serve: Serve) -> None:
    async def tiny(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\n \r\n" * 10_000)
            await writer.drain()

    outcome = await call(await serve(tiny))
    assert (outcome.value, outcome.reason) == (DEFAULT, Reason.DISCONNECTED)
