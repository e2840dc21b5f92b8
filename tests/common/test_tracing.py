"""One request across processes as a collector sees it; and collectors that are dead or never answer."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from common.calls.client import high_timeout
from common.calls.upstream import Upstream
from common.settings import ServiceSettings
from common.tracing import spans_sent, traced_request, traced_work, tracing_of, travelling
from loadtests.processes import Fleet
from tests.common.traced_service import Doubled, Number, program
from tests.waiting import eventually

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from common.tracing_sdk import EXPORT_TIMEOUT_S, MOST_AT_ONCE, MOST_WAITING, SdkTracing

Seen = dict[str, Any]


@contextmanager
def collector() -> Iterator[tuple[str, list[Seen]]]:
    """A small OTLP/HTTP receiver; yields its address and the spans that it got."""
    spans: list[Seen] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = ExportTraceServiceRequest()
            sent.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
            for resource in sent.resource_spans:
                [process] = [
                    one.value.string_value for one in resource.resource.attributes if one.key == "service.name"
                ]
                for scope in resource.scope_spans:
                    spans.extend(_seen(process, one) for one in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", spans
    finally:
        server.shutdown()
        server.server_close()


def _seen(process: str, one: Any) -> Seen:
    told = {item.key: item.value.string_value or item.value.int_value for item in one.attributes}
    return {
        **told,
        "process": process,
        "name": one.name,
        "trace": one.trace_id.hex(),
        "id": one.span_id.hex(),
        "parent": one.parent_span_id.hex(),
    }


async def test_a_collector_sees_one_trace_through_caller_api_and_model(tmp_path: Path) -> None:
    with collector() as (address, spans), Fleet(tmp_path) as fleet:
        traced: dict[str, Any] = {"otel_exporter_otlp_endpoint": address, "var_dir": tmp_path}
        model = program("model", **traced)
        api = program("api", upstream=model.url, tracing_share=0, **traced)  # goes on with what its caller began
        for one in (model, api):
            fleet.start(one)
        await fleet.ready(model)
        await fleet.ready(api)
        tracing = SdkTracing("caller", "1", endpoint=address, share=1, registry=CollectorRegistry())
        async with Upstream("api", api.url) as upstream, spans_sent(tracing):
            ask = high_timeout(upstream).endpoint(
                "/v1/numbers", answer=Doubled, default=Doubled(number=0, version="none")
            )
            with traced_work(tracing, "nightly job"):
                assert (await ask(Number(number=4))).value.number == 8

            async def model_told() -> bool:
                return "traced model" in {one["process"] for one in spans}

            await eventually(model_told)
            fleet.kill("model")
            with traced_work(tracing, "nightly job"):
                assert (await ask(Number(number=4))).value.version == "sum"

        async def whole() -> bool:
            return {"nightly job", "tier sum"} <= {one["name"] for one in spans} and len(_traces(spans)) == 2

        await eventually(whole)
    bad, good = sorted(_traces(spans), key=lambda trace: "traced model" in {one["process"] for one in trace})
    assert {one["process"] for one in good} == {"caller", "traced api", "traced model"}
    by_name = {one["name"]: one for one in good}
    in_order = ["nightly job", "call api", "POST /v1/numbers", "tier model", "call traced-model"]
    path = [next(one for one in good if one["process"] == "traced model")]
    while path[-1]["parent"]:
        path.append(next(one for one in good if one["id"] == path[-1]["parent"]))
    assert [one["name"] for one in reversed(path)] == [*in_order, "POST /v1/numbers"]
    assert by_name["tier model"]["tier.served"] == 1
    assert by_name["tier model"]["upstream.version"] == "7.1"
    refused = next(one for one in bad if one["name"] == "tier model")
    assert refused["tier.reason"] == "unreachable"
    assert {one["name"] for one in bad} >= {"tier model", "tier sum"}


def _traces(spans: list[Seen]) -> list[list[Seen]]:
    ids = {one["trace"] for one in spans}
    return [[one for one in spans if one["trace"] == trace] for trace in sorted(ids)]


async def test_a_collector_that_never_answers_costs_spans_and_no_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        registry = CollectorRegistry()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        tracing = SdkTracing("caller", "1", endpoint=address, share=1, registry=registry)
        tracing.start()
        with traced_work(tracing, "first"):
            pass
        connection, _ = silent.accept()  # the sender waits for an answer from now on
        while_there_is_room_s = seconds_of(tracing, spans=MOST_WAITING)
        when_full_s = seconds_of(tracing, spans=MOST_WAITING)
        assert (registry.get_sample_value("trace_spans_lost_total") or 0) >= MOST_WAITING - MOST_AT_ONCE
        assert when_full_s < 5 * while_there_is_room_s + EXPORT_TIMEOUT_S / 2  # nobody waited for the collector
        connection.close()
        await asyncio.to_thread(tracing.close)


def seconds_of(tracing: SdkTracing, *, spans: int) -> float:
    began_s = time.monotonic()
    for _ in range(spans):
        with traced_work(tracing, "work"):
            pass
    return time.monotonic() - began_s


def test_a_stranger_s_header_begins_a_new_trace_unless_it_is_one() -> None:
    tracing = SdkTracing("here", "1", endpoint="http://127.0.0.1:9", share=1, registry=CollectorRegistry())
    known = "4bf92f3577b34da6a3ce929d0e0e4736"
    with traced_request(tracing, {"traceparent": f"00-{known}-00f067aa0ba902b7-01"}):
        assert travelling()["traceparent"].split("-")[1] == known
    for wrong in ("", "00-0-0-01", "x" * 10_000, f"00-{'0' * 32}-00f067aa0ba902b7-01", "\x00"):
        with traced_request(tracing, {"traceparent": wrong}) as begun:
            assert begun.recording
            assert travelling()["traceparent"].split("-")[1] not in (known, "0" * 32)


def test_without_a_collector_nothing_is_loaded_and_nothing_travels() -> None:
    assert tracing_of("small", "1", ServiceSettings(), CollectorRegistry()) is None
    with traced_request(None, {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}) as begun:
        assert not begun.recording
        assert travelling() == {}


def test_one_module_alone_needs_opentelemetry() -> None:
    common = Path(__file__).resolve().parents[2] / "common"
    needing = {
        path.name for path in common.rglob("*.py") if re.search(r"(from|import) opentelemetry", path.read_text())
    }
    assert needing == {"tracing_sdk.py"}
