"""The numbers that a service shows at `/metrics`; each application has a registry of its own, none is global."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import CounterMetricFamily as ReadCounter
from prometheus_client.metrics_core import GaugeMetricFamily as ReadGauge
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from common.calls.breaker import Breaker, State
from common.logs.configure import losses
from common.outcome import Outcome

BUCKETS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 3)
MOST_REASONS, OTHER_REASON = 100, "other"
BREAKER_STATES: dict[State, int] = {"closed": 0, "half_open": 1, "open": 2}
TIER_STATES = {"in_service": 0, "probation": 1, "demoted": 2}
SWITCH_POSITIONS = {"auto": 0, "on": 1, "closed": 1, "off": 2, "open": 2, "observe": 3}


class HttpMetrics:
    """Requests that a service answered."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("route", "method", "status")
        self._requests = Counter("http_requests_total", "Requests answered.", labels, registry=registry)
        self._seconds = Histogram(
            "http_request_duration_seconds", "Time to answer.", ("route",), buckets=BUCKETS_S, registry=registry
        )
        self.in_flight = Gauge("http_requests_in_flight", "Requests at work now.", registry=registry)
        self.limit = Gauge("http_requests_limit", "Requests that may be at work; more are refused.", registry=registry)
        self.tasks = Gauge("asyncio_tasks", "Tasks of the event loop that are not done.", registry=registry)
        self._late = Counter(
            "http_requests_late_total", "Requests answered after their deadline.", ("route",), registry=registry
        )

    def observe(self, *, route: str, method: str, status: int, seconds: float, late: bool = False) -> None:
        self.count(route=route, method=method, status=status)
        self._seconds.labels(route).observe(seconds)
        if late:
            self._late.labels(route).inc()

    def count(self, *, route: str, method: str, status: int) -> None:
        """An answer whose time is no measure of any work."""
        self._requests.labels(route, method, str(status)).inc()


class ClientMetrics:
    """Calls that a service made."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "client_calls_total",
            "Calls to an upstream by what came of them.",
            ("upstream", "reason"),
            registry=registry,
        )
        self._seconds = Histogram(
            "client_call_duration_seconds", "Time of a call.", ("upstream",), buckets=BUCKETS_S, registry=registry
        )
        self._breaker = Gauge(
            "client_breaker_state", "0 closed, 1 half open, 2 open.", ("upstream",), registry=registry
        )
        self._waiting = Gauge(
            "client_calls_waiting", "Calls that wait for a slot of the bulkhead.", ("upstream",), registry=registry
        )
        self._reconnects = Counter(
            "client_reconnects_total",
            "Times that all connections were replaced, with a probe.",
            ("upstream",),
            registry=registry,
        )
        self._forced = Gauge(
            "client_breaker_forced", "1 while a person overrules the breaker.", ("upstream",), registry=registry
        )
        self._untested = Counter(
            "client_untested_versions_total",
            "Answers of a version that this caller was not tested with.",
            ("upstream",),
            registry=registry,
        )
        self._loops = Counter(
            "client_loops_total", "Requests that called an endpoint item by item.", ("upstream",), registry=registry
        )
        self._extra = Counter(
            "client_extra_requests_total",
            "Retries, hedges and shadow calls, sent or refused by their budget.",
            ("upstream", "kind", "granted"),
            registry=registry,
        )

    def watch(self, upstream: str, breaker: Breaker, *, waiting: Callable[[], int]) -> None:
        """From now on the gauges of this upstream show what is, whenever somebody looks."""
        self._breaker.labels(upstream).set_function(lambda: BREAKER_STATES[breaker.state])
        self._forced.labels(upstream).set_function(lambda: breaker.forced is not None)
        self._waiting.labels(upstream).set_function(waiting)

    def observe(self, upstream: str, outcome: Outcome[Any]) -> None:
        self._calls.labels(upstream, outcome.reason or "ok").inc()
        self._seconds.labels(upstream).observe(outcome.elapsed_ms / 1000)
        if outcome.untested_version:
            self._untested.labels(upstream).inc()

    def reconnected(self, upstream: str) -> None:
        self._reconnects.labels(upstream).inc()

    def loop(self, upstream: str) -> None:
        self._loops.labels(upstream).inc()

    def extra_request(self, upstream: str, kind: str, *, granted: bool) -> None:
        self._extra.labels(upstream, kind, "true" if granted else "false").inc()


class ChainMetrics:
    """Which tier served, and why the better ones did not. A reason may be a model's own word: only so many are kept."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reasons: set[str] = set()
        self._served = Counter(
            "fallback_served_total", "Items by the tier that served them.", ("tier", "degraded"), registry=registry
        )
        self._refused = Counter(
            "fallback_refused_total",
            "Items that a tier did not serve, by reason.",
            ("tier", "reason"),
            registry=registry,
        )

    def served(self, tier: str, *, degraded: bool, items: int = 1) -> None:
        self._served.labels(tier, "true" if degraded else "false").inc(items)

    def refused(self, tier: str, reason: str, *, items: int = 1) -> None:
        if len(self._reasons) < MOST_REASONS:
            self._reasons.add(reason)
        self._refused.labels(tier, reason if reason in self._reasons else OTHER_REASON).inc(items)


class SwitchMetrics:
    """How tiers stand and what operators switched; read when somebody looks, so that an end shows by itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._tiers = Gauge(
            "fallback_tier_state", "Automatic: 0 in service, 1 on probation, 2 demoted.", ("tier",), registry=registry
        )
        self._switches = Gauge(
            "switch_position",
            "Manual: 0 auto, 1 on or closed, 2 off or open, 3 observe.",
            ("target",),
            registry=registry,
        )

    def watch_tier(self, tier: str, state: Callable[[], str]) -> None:
        self._tiers.labels(tier).set_function(lambda: TIER_STATES[state()])

    def watch_switch(self, target: str, position: Callable[[], str]) -> None:
        self._switches.labels(target).set_function(lambda: SWITCH_POSITIONS[position()])


class ShadowMetrics:
    """What a shadow saw of the calls of its primary."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._compared = Counter(
            "shadow_pairs_total",
            "Pairs of answers that were compared.",
            ("upstream", "agreed"),
            registry=registry,
        )
        self._missing = Counter(
            "shadow_missing_total",
            "Copies of calls that were dropped or not answered, by reason.",
            ("upstream", "reason"),
            registry=registry,
        )

    def compared(self, upstream: str, difference: float) -> None:
        self._compared.labels(upstream, "false" if difference else "true").inc()

    def missing(self, upstream: str, reason: str) -> None:
        self._missing.labels(upstream, reason).inc()


class LogMetrics(Collector):
    """Log lines that were not written, as the log of this process tells it; read when Prometheus asks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        lost = losses()
        yield ReadCounter("log_lines_dropped_total", "Log lines that the sink did not take in time.", lost.dropped)
        yield ReadCounter("log_lines_suppressed_total", "Log lines of a kind that came too often.", lost.suppressed)
        yield ReadGauge("log_sink_blocked_seconds", "Time for which the log's sink takes no line.", lost.blocked_s)
