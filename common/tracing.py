"""Which process spent which part of a request's time: OpenTelemetry's spans, where they are switched on.

The tracing of the request at work travels in a context variable, as its id does. While tracing is off, a span costs a
look at that variable, and nothing of OpenTelemetry's SDK is loaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import structlog

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from common.settings import ServiceSettings

Kind: TypeAlias = Literal["server", "client", "internal"]
Value: TypeAlias = str | bool | int | float
TRAVELS = ("traceparent", "tracestate")  # W3C Trace Context
log = structlog.get_logger(__name__)


class Span(Protocol):
    """A part of a trace; what is told of one that is not `recording` is lost, so don't work it out."""

    @property
    def recording(self) -> bool: ...

    def name(self, name: str) -> None: ...

    def tell(self, attributes: Mapping[str, Value]) -> None: ...


class Tracing(Protocol):
    """Makes spans and sends them away; `common.tracing_sdk` has the only one."""

    def start(self) -> None: ...

    def close(self) -> None: ...

    def span(self, name: str, kind: Kind) -> AbstractContextManager[Span]: ...

    def current(self) -> Span: ...

    def headers(self) -> dict[str, str]: ...

    def continuing(self, headers: Mapping[str, str]) -> AbstractContextManager[None]: ...


class _Untraced:
    recording = False

    def name(self, name: str) -> None: ...

    def tell(self, attributes: Mapping[str, Value]) -> None: ...


_NOTHING = nullcontext[Span](_Untraced())
_here: ContextVar[Tracing | None] = ContextVar("tracing", default=None)


def tracing_of(name: str, version: str, settings: ServiceSettings, registry: CollectorRegistry) -> Tracing | None:
    """For a process of that name; None where no collector is named, or the extra `tracing` is not installed."""
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    try:
        from common.tracing_sdk import SdkTracing
    except ImportError as error:  # to be traced is worth less than to be there
        log.warning("tracing.not_installed", extra="tracing", missing=error.name)
        return None
    endpoint, share = settings.otel_exporter_otlp_endpoint, settings.tracing_share
    return SdkTracing(name, version, endpoint=endpoint, share=share, registry=registry)


@asynccontextmanager
async def spans_sent(tracing: Tracing | None) -> AsyncIterator[None]:
    """Spans that end within this block are sent, the last ones at its end."""
    if tracing is None:
        yield
        return
    tracing.start()
    try:
        yield
    finally:
        await asyncio.to_thread(tracing.close)


def span(name: str, kind: Kind = "internal") -> AbstractContextManager[Span]:
    """A part of the request at work, as long as the `with` block lasts."""
    tracing = _here.get()
    return _NOTHING if tracing is None else tracing.span(name, kind)


def tell_span(attributes: Mapping[str, Value]) -> None:
    """Adds to what is known of the innermost span that is open."""
    if (tracing := _here.get()) is not None:
        tracing.current().tell(attributes)


def travelling() -> dict[str, str]:
    """The headers that tell the next process which trace this is."""
    tracing = _here.get()
    return {} if tracing is None else tracing.headers()


def traced_request(tracing: Tracing | None, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
    """The span of a request that came with these headers; its caller's trace goes on."""
    return _NOTHING if tracing is None else _traced(tracing, "request", "server", headers)


def traced_work(tracing: Tracing | None, name: str) -> AbstractContextManager[Span]:
    """The first span of a script's or a job's unit of work; what it calls belongs to the same trace."""
    return _NOTHING if tracing is None else _traced(tracing, name, "internal", {})


@contextmanager
def _traced(tracing: Tracing, name: str, kind: Kind, headers: Mapping[str, str]) -> Iterator[Span]:
    token = _here.set(tracing)
    try:
        with tracing.continuing(headers), tracing.span(name, kind) as begun:
            yield begun
    finally:
        _here.reset(token)
