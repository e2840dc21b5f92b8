"""The gateway of a real process, over real sockets: what it refuses, and what it writes down."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from loadtests.processes import Fleet, Program
from tests.common.small_service import program

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with Fleet(tmp_path_factory.mktemp("logs")) as fleet:
        small = program(drain_notice_ms=0, max_in_flight=8)
        fleet.start(small)
        asyncio.run(fleet.ready(small))
        yield small


@pytest.fixture
async def client(small: Program) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(base_url=small.url, limits=limits, timeout=30) as client:
        yield client


async def test_under_overload_what_is_too_much_is_refused_before_what_was_accepted_is_done(
    client: httpx.AsyncClient,
) -> None:
    order: list[int] = []

    async def ask() -> httpx.Response:
        response = await client.get("/v1/wait?ms=1500")
        order.append(response.status_code)
        return response

    responses = await asyncio.gather(*(ask() for _ in range(40)))
    assert order == [429] * 32 + [200] * 8
    refused = [response for response in responses if response.status_code == 429]
    assert {response.headers["Retry-After"] for response in refused} == {"1"}
    assert (await client.get("/v1/wait")).status_code == 200
    assert (await client.get("/live")).status_code == 200


async def test_a_caller_who_sends_a_body_over_the_limit_gets_to_see_that_it_is_refused(
    client: httpx.AsyncClient,
) -> None:
    for _ in range(3):
        assert (await client.post("/v1/sums", content=b" " * (4 * MIB + 1))).status_code == 413


async def test_a_body_without_a_declared_size_is_cut_off_at_the_limit(client: httpx.AsyncClient) -> None:
    async def without_length() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" " * MIB

    try:
        assert (await client.post("/v1/sums", content=without_length())).status_code == 413
    except httpx.TransportError:
        assert (await client.get("/live")).status_code == 200  # cut off while it was sending


async def test_the_answer_to_a_declared_size_over_the_limit_comes_before_the_body(small: Program) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", small.port)
    writer.write(b"POST /v1/sums HTTP/1.1\r\nHost: small\r\nContent-Length: 4194305\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"413"
    writer.close()


async def test_a_slow_sender_is_told_when_its_time_is_up(small: Program) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", small.port)
    writer.write(b'POST /v1/sums HTTP/1.1\r\nHost: small\r\nX-Timeout-Ms: 100\r\nContent-Length: 99\r\n\r\n{"num')
    assert (await reader.readline()).split()[1] == b"408"
    writer.close()


@pytest.mark.parametrize(
    ("begun", "status"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\n400001\r\n" + b" " * (4 * MIB + 1) + b"\r\n600000\r\n", b"413"),
        (b"X-Timeout-Ms: 100\r\nContent-Length: 4000000\r\n\r\n", b"408"),
    ],
    ids=["too much", "too slow"],
)
def test_who_goes_on_sending_after_the_last_answer_still_gets_to_see_it(
    small: Program, begun: bytes, status: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", small.port), timeout=30) as caller:
        caller.sendall(b"POST /v1/sums HTTP/1.1\r\nHost: small\r\n" + begun)
        caller.recv(1, socket.MSG_PEEK)  # it is answered, and the caller does not look yet
        for _ in range(6):
            caller.sendall(b" " * MIB)
        with caller.makefile("rb") as answer:
            assert answer.readline().split()[1] == status
            assert answer.read().endswith(b"}")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[" * 200_000, b'{"numbers": [' + b"0," * 2_000_000 + b"0]}", b'{"numbers": [1, NaN]}'],
    ids=["empty", "cut short", "deep", "long", "not a number"],
)
async def test_bad_json_is_refused_and_the_process_goes_on(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post("/v1/sums", content=body)
    assert (response.status_code, response.json()["errors"][0]["where"].split(".")[0] in ("body", "numbers")) == (
        422,
        True,
    )
    assert (await client.post("/v1/sums", json={"numbers": [1, 2]})).json() == {"total": 3.0}


async def test_a_misspelt_parameter_is_refused(client: httpx.AsyncClient) -> None:
    for method, path in [("POST", "/v1/sums?dry_run=1"), ("GET", "/v1/wait?millis=5"), ("GET", "/v1/wait?ms=1&msec=1")]:
        response = await client.request(method, path, json={"numbers": []})
        assert response.status_code == 422
        assert response.json()["errors"][0]["what"] == "there is no such parameter"
    for path in ("/live?now", "/ready?x=1", "/metrics?name[]=up", "/docs?a", "/openapi.json?v=1", "/v1/wait?ms=1"):
        assert (await client.get(path)).status_code == 200


async def test_every_line_of_the_log_says_whose_request_it_was(tmp_path: Path) -> None:
    with Fleet(tmp_path) as fleet:
        small = program(drain_notice_ms=0)
        fleet.start(small)
        await fleet.ready(small)
        async with httpx.AsyncClient(base_url=small.url) as client:
            await client.get("/v1/wait", headers={"X-Request-ID": "order-7", "X-On-Behalf-Of": "shop-app"})
            await client.get("/v1/wait", headers={"X-Request-ID": "order-8", "X-On-Behalf-Of": 'shop" evil="1'})
        fleet.stop("small")  # its last lines are written before it ends
    lines = [json.loads(line) for line in fleet.log_of("small").read_text().splitlines() if line.startswith("{")]
    first, second = [line for line in lines if line.get("request_id") in ("order-7", "order-8")]
    assert (first["event"], first["caller"], first["on_behalf_of"]) == ("http.request", "anonymous", "shop-app")
    assert (second["caller"], "on_behalf_of" in second) == ("anonymous", False)


async def test_work_stops_when_its_caller_hangs_up(client: httpx.AsyncClient, small: Program) -> None:
    with socket.create_connection(("127.0.0.1", small.port)) as caller:
        caller.sendall(b"GET /v1/wait?ms=600000 HTTP/1.1\r\nHost: small\r\n\r\n")
        while b"http_requests_in_flight 2.0" not in (await client.get("/metrics")).content:
            pass
    while b'status="499"' not in (await client.get("/metrics")).content:
        pass


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example"}]
)
async def test_pages_of_other_sites_may_look_and_change_nothing(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    sent = await client.post("/v1/sums", content=b'{"numbers": [1]}', headers=headers | {"Content-Type": "text/plain"})
    assert sent.status_code == 403
    assert (await client.get("/v1/wait", headers=headers)).status_code == 200


async def test_programs_and_our_own_pages_send_what_they_like(client: httpx.AsyncClient, small: Program) -> None:
    for headers in ({}, {"Sec-Fetch-Site": "same-origin", "Origin": "http://proxy.example"}, {"Origin": small.url}):
        assert (await client.post("/v1/sums", json={"numbers": [1]}, headers=headers)).status_code == 200
