"""Spans by OpenTelemetry's SDK, sent over OTLP/HTTP by a thread that nobody waits for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import structlog
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, Counter

from common.tracing import TRAVELS, Kind, Span, Value
from common.write_behind import WriteBehind

MOST_WAITING = 2_048  # spans; more are dropped and counted
MOST_AT_ONCE = 256  # in one request to the collector
GATHER_S = 1.0
EXPORT_TIMEOUT_S = 3.0
CLOSE_WITHIN_S = 1.0
LIMITS = {"max_attributes": 32, "max_attribute_length": 200, "max_events": 8, "max_links": 8}
KINDS = {"server": trace.SpanKind.SERVER, "client": trace.SpanKind.CLIENT, "internal": trace.SpanKind.INTERNAL}
log = structlog.get_logger(__name__)


class SdkTracing:
    """The spans of one process.

    Args:
        endpoint: of a collector, such as "http://127.0.0.1:4318"; spans go to its /v1/traces.
        share: of the traces that begin here those that are recorded; one that goes on follows its beginning.
    """

    def __init__(
        self, name: str, version: str, *, endpoint: str, share: float, registry: CollectorRegistry | None = None
    ) -> None:
        exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + "/v1/traces", timeout=EXPORT_TIMEOUT_S)
        self.sender = SpanSender(exporter, registry or CollectorRegistry())
        provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(share)),
            resource=Resource.create({"service.name": name, "service.version": version}),
            shutdown_on_exit=False,
            span_limits=SpanLimits(**LIMITS),
        )
        provider.add_span_processor(self.sender)
        self._tracer = provider.get_tracer("common.tracing")
        self._travel = TraceContextTextMapPropagator()

    def start(self) -> None:
        self.sender.start()

    def close(self) -> None:
        """Sends what is left, if that works within a second. It blocks: call it in a thread."""
        self.sender.close()

    @contextmanager
    def span(self, name: str, kind: Kind) -> Iterator[Span]:
        with self._tracer.start_as_current_span(  # an exception's text may hold what nobody else should read
            name, kind=KINDS[kind], record_exception=False, set_status_on_exception=False
        ) as begun:
            yield SdkSpan(begun)

    def current(self) -> Span:
        return SdkSpan(trace.get_current_span())

    def headers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        self._travel.inject(found)
        return found

    @contextmanager
    def continuing(self, headers: Mapping[str, str]) -> Iterator[None]:
        """What is no valid `traceparent` begins a new trace."""
        given = {name: value for name in TRAVELS if (value := headers.get(name)) is not None}
        found = Context()
        with suppress(Exception):  # a stranger's header must not cost the answer
            found = self._travel.extract(given, context=found)
        token = otel_context.attach(found)
        try:
            yield
        finally:
            otel_context.detach(token)


class SdkSpan:
    """A span of the SDK under our names."""

    def __init__(self, begun: trace.Span) -> None:
        self._begun = begun
        self.recording = begun.is_recording()

    def name(self, name: str) -> None:
        self._begun.update_name(name)

    def tell(self, attributes: Mapping[str, Value]) -> None:
        self._begun.set_attributes(dict(attributes))


class SpanSender(SpanProcessor):
    """Takes finished spans without ever waiting; a collector that is dead, hangs or is slow costs spans and no time."""

    def __init__(self, exporter: SpanExporter, registry: CollectorRegistry) -> None:
        self._exporter = exporter
        self._lost = Counter("trace_spans_lost_total", "Spans that the collector did not take.", registry=registry)
        self._waiting = WriteBehind[ReadableSpan](
            "trace-sender",
            size_of=lambda _span: 1,
            write=self._send,
            dropped=lambda _span: self._lost.inc(),
            most_waiting=MOST_WAITING,
            flush_size=MOST_AT_ONCE,
            flush_every_s=GATHER_S,
        )
        self.start = self._waiting.start

    def close(self) -> None:
        self._waiting.close(CLOSE_WITHIN_S)
        self._exporter.shutdown()  # which ends its tries; else they would go on in a thread that nobody waits for

    def on_end(self, span: ReadableSpan) -> None:
        if span.context.trace_flags.sampled:
            self._waiting.put(span)

    def _send(self, spans: Sequence[ReadableSpan]) -> None:
        for begin in range(0, len(spans), MOST_AT_ONCE):
            some = spans[begin : begin + MOST_AT_ONCE]
            try:
                sent = self._exporter.export(some)
            except Exception as error:  # noqa: BLE001  of a library that talks to a stranger
                log.warning("tracing.not_sent", error=type(error).__name__)
                self._lost.inc(len(some))
            else:
                self._lost.inc(0 if sent is SpanExportResult.SUCCESS else len(some))
