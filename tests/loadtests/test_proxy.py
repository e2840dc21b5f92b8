"""The chaos proxy does on the wire what the menu says, seen by a raw client."""

from __future__ import annotations

import asyncio
import http.client
import json
import math
import socket
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest

from loadtests.faults import MENU
from loadtests.misbehave import GIB_BYTES, Timing
from loadtests.proxy import CANNED, ChaosProxy, RunningProxy, proxy_in_thread
from tests.json_server import json_server

Ask = Callable[..., Any]
QUICK = Timing(drip_seconds=0.01, late_seconds=0.15, flap_seconds=0.1)
UPSTREAM = {"items": [{"id": "p", "score": 0.25}, {"id": "q", "score": 0.75}], "versions": {"reranker": "1.0.0"}}


def test_without_a_fault_it_passes_the_upstreams_answer_on(ask: Ask) -> None:
    with proxy_in_thread(canned=UPSTREAM) as upstream, proxy_in_thread(upstream=upstream.url) as proxy:
        assert ask(proxy.port).document == UPSTREAM
        assert (proxy.requests, upstream.requests) == (1, 1)


def test_connections_are_kept_alive_on_both_sides() -> None:
    with proxy_in_thread(canned=UPSTREAM) as upstream, proxy_in_thread(upstream=upstream.url) as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
        ports = set()
        for _ in range(3):
            connection.request("POST", "/predict", body=b"{}")
            assert json.load(connection.getresponse()) == UPSTREAM
            ports.add(connection.sock.getsockname()[1])
        connection.close()
        assert len(ports) == 1


def test_an_upstream_that_went_away_is_a_502_and_the_proxy_lives_on(ask: Ask) -> None:
    with proxy_in_thread(canned=UPSTREAM) as upstream, proxy_in_thread(upstream=upstream.url) as proxy:
        upstream.set_fault("refused")
        assert ask(proxy.port).head.startswith(b"HTTP/1.1 502")
        upstream.set_fault(None)
        assert ask(proxy.port).document == UPSTREAM


def test_refused_drops_open_connections_refuses_new_ones_and_keeps_the_port(ask: Ask) -> None:
    with proxy_in_thread() as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as earlier:
            proxy.set_fault("refused")
            assert earlier.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            ask(proxy.port)
        proxy.set_fault(None)
        assert ask(proxy.port).document == CANNED


@pytest.mark.parametrize(
    ("fault", "ending", "least", "most"),
    [
        ("hang", "silent", 0, 0),
        ("close_early", "closed", 0, 0),
        ("drip_head", "silent", 5, 40),
        ("drip_body", "silent", 70, 120),
        ("stall_mid_body", "silent", 70, 130),
        ("reset_mid_head", "reset", 20, 20),
        ("reset_mid_body", "reset", 70, 130),
    ],
)
def test_broken_connections_end_as_the_menu_says(ask: Ask, fault: str, ending: str, least: int, most: int) -> None:
    with proxy_in_thread(fault=fault, timing=QUICK) as proxy:
        received = ask(proxy.port)
    assert received.ending == ending
    assert least <= len(received.raw) <= most


@pytest.mark.parametrize(
    ("fault", "beginning"),
    [
        ("http_500", b"HTTP/1.1 500"),
        ("http_502", b"HTTP/1.1 502"),
        ("http_503", b"HTTP/1.1 503"),
        ("http_429", b"HTTP/1.1 429"),
        ("garbage_bytes", b"\x00\xff"),
        ("wrong_length", b"HTTP/1.1 200"),
    ],
)
def test_broken_answers_begin_as_the_menu_says(ask: Ask, fault: str, beginning: bytes) -> None:
    with proxy_in_thread(fault=fault) as proxy:
        received = ask(proxy.port)
    assert received.raw.startswith(beginning)
    assert (b"Content-Length: plenty" in received.head) == (fault == "wrong_length")


def test_a_redirect_loop_leads_to_itself(ask: Ask) -> None:
    with proxy_in_thread(fault="redirect_loop") as proxy:
        received = ask(proxy.port, path="/v1/predict?x=1")
    assert received.head.startswith(b"HTTP/1.1 307")
    assert b"Location: /v1/predict?x=1" in received.head


def test_a_huge_body_is_announced_as_a_gibibyte_and_sent_as_far_as_the_client_reads(ask: Ask) -> None:
    with proxy_in_thread(fault="huge_body") as proxy:
        received = ask(proxy.port, seconds=5.0, limit_bytes=1_000_000)
        assert ask(proxy.port, seconds=0.05).raw  # it is not busy with the client that left
    announced = next(line for line in received.head.split(b"\r\n") if line.startswith(b"Content-Length"))
    assert abs(int(announced.split()[1]) - GIB_BYTES) < 100
    assert received.body.startswith(b"[0,0,0")


def test_a_gzip_bomb_is_small_on_the_wire_and_a_gibibyte_inside(ask: Ask) -> None:
    with proxy_in_thread(fault="gzip_bomb") as proxy:
        received = ask(proxy.port, seconds=5.0)
    assert b"Content-Encoding: gzip" in received.head
    assert len(received.body) < 2_000_000
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    inflated, rest, mib = 0, received.body, 1 << 20
    while inflated < 64 * mib:  # all of it would take a second
        inflated += len(inflater.decompress(rest, mib))
        rest = inflater.unconsumed_tail
    assert len(rest) > 0.9 * len(received.body)


def test_long_json_is_valid_and_deep_json_and_bad_utf8_are_not_for_everybody(ask: Ask) -> None:
    with proxy_in_thread(fault="long_json") as proxy:
        sent = ask(proxy.port, seconds=10.0, limit_bytes=50_000_000)
        assert len(sent.body) > 36_000_000
        assert (sent.body[:7], sent.body[-3:], sent.ending) == (b"[0,0,0,", b",0]", "closed")
        proxy.set_fault("deep_json")
        assert ask(proxy.port, seconds=5.0).body == b"[" * 200_000 + b"]" * 200_000
        proxy.set_fault("bad_utf8")
        with pytest.raises(UnicodeDecodeError):
            ask(proxy.port).body.decode()
        proxy.set_fault("not_json")
        assert ask(proxy.port).body.startswith(b"<html>")


@pytest.mark.parametrize("fault", [fault.name for fault in MENU if fault.kind == "content"])
def test_broken_contents_come_with_a_correct_length_and_status_200(ask: Ask, fault: str) -> None:
    with proxy_in_thread(canned=UPSTREAM) as upstream, proxy_in_thread(upstream=upstream.url, fault=fault) as proxy:
        received = ask(proxy.port)
    assert received.head.startswith(b"HTTP/1.1 200")
    assert f"Content-Length: {len(received.body)}".encode() in received.head
    assert received.body != json.dumps(UPSTREAM).encode()


def test_nonsense_can_be_told_from_the_upstreams_own_answer(ask: Ask) -> None:
    with proxy_in_thread(canned=UPSTREAM) as upstream, proxy_in_thread(upstream=upstream.url, fault="nan") as proxy:
        assert all(math.isnan(item["score"]) for item in ask(proxy.port).document["items"])
        proxy.set_fault("too_few_items")
        assert len(ask(proxy.port).document["items"]) == 1


def test_a_late_answer_is_right_and_late(ask: Ask) -> None:
    with proxy_in_thread(fault="late", timing=QUICK) as proxy:
        received = ask(proxy.port, seconds=5.0)
    assert received.document == CANNED
    assert received.took_seconds >= QUICK.late_seconds


def test_flapping_works_now_and_then(ask: Ask) -> None:
    endings: set[str] = set()
    with proxy_in_thread(fault="flapping", timing=QUICK) as proxy:
        until = time.monotonic() + 10
        while len(endings) < 2 and time.monotonic() < until:
            endings.add(ask(proxy.port).ending)
    assert endings == {"closed", "reset"}


def test_a_saturated_server_serves_one_in_ten(ask: Ask) -> None:
    with proxy_in_thread(fault="saturated") as proxy:
        endings = [ask(proxy.port, seconds=0.05 if number % 10 else 5.0).ending for number in range(11)]
    assert endings == ["closed", *["silent"] * 9, "closed"]


def test_a_fault_that_takes_a_signal_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="signal"):
        ChaosProxy(fault="frozen")


def test_an_upstream_that_sends_too_much_is_cut_off(ask: Ask) -> None:
    with proxy_in_thread(fault="huge_body") as upstream, proxy_in_thread(upstream=upstream.url) as proxy:
        assert b"502" in ask(proxy.port, seconds=5.0).head


def test_a_client_that_is_no_client_is_dropped() -> None:
    with proxy_in_thread() as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as connection:
        connection.settimeout(5)
        connection.sendall(b"x" * 100_000)
        assert _everything(connection) == b""


def test_chunked_requests_are_understood() -> None:
    with proxy_in_thread() as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
        connection.request("POST", "/predict", body=iter([b'{"a":', b" 1}"]), encode_chunked=True)
        assert json.load(connection.getresponse()) == CANNED
        connection.close()


async def test_it_stops_while_clients_hang_and_leaves_no_task_behind() -> None:
    proxy = ChaosProxy(fault="stall_mid_body")
    await proxy.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await reader.read(1)
    await proxy.stop()
    writer.close()
    await writer.wait_closed()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_the_thread_ends_with_the_block() -> None:
    with proxy_in_thread() as proxy:
        assert isinstance(proxy, RunningProxy)
    assert not [thread for thread in threading.enumerate() if thread.name == "chaos-proxy"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port))


def _everything(connection: socket.socket) -> bytes:
    received = b""
    try:
        while piece := connection.recv(4096):
            received += piece
    except ConnectionResetError:
        pass
    return received


def test_an_informational_flood_goes_on_until_the_client_has_had_enough(ask: Ask) -> None:
    with proxy_in_thread(fault="informational_flood") as proxy:
        sent = ask(proxy.port, seconds=5.0, limit_bytes=1_000_000)
        assert len(sent.head + sent.body) > 900_000
        proxy.set_fault(None)
        assert ask(proxy.port).document == CANNED


def test_each_request_gets_the_answer_to_the_one_before() -> None:
    with echoing() as url, proxy_in_thread(upstream=url) as proxy:
        assert asked(proxy.url, 1) == 1
        proxy.set_fault("previous_answer")
        assert [asked(proxy.url, number) for number in (2, 3)] == [1, 2]


def test_two_requests_under_way_get_each_others_answers_and_one_alone_its_own() -> None:
    timing = Timing(cross_seconds=0.5)
    with echoing() as url, proxy_in_thread(upstream=url, fault="crossed", timing=timing) as proxy:
        assert asked(proxy.url, 7) == 7
        with ThreadPoolExecutor(2) as threads:
            assert list(threads.map(lambda number: asked(proxy.url, number), (1, 2))) == [2, 1]


def echoing() -> AbstractContextManager[str]:
    return json_server(lambda request: request)


def asked(url: str, number: int) -> int:
    with urllib.request.urlopen(f"{url}/echo", json.dumps({"number": number}).encode(), timeout=5) as answered:
        return int(json.load(answered)["number"])
