"""The numbers that a service shows at `/metrics`; each application has a registry of its own, none is global."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from common.breaker import State
from common.outcome import Reason

BUCKETS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 3)
BREAKER_STATES: dict[State, int] = {"closed": 0, "half_open": 1, "open": 2}


class HttpMetrics:
    """Requests that a service answered."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("route", "method", "status")
        self._requests = Counter("http_requests_total", "Requests answered.", labels, registry=registry)
        self._seconds = Histogram(
            "http_request_duration_seconds", "Time to answer.", ("route",), buckets=BUCKETS_S, registry=registry
        )
        self.in_flight = Gauge("http_requests_in_flight", "Requests at work now.", registry=registry)

    def observe(self, *, route: str, method: str, status: int, seconds: float) -> None:
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)


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

    def observe(self, upstream: str, reason: Reason | None, seconds: float, breaker: State) -> None:
        self._calls.labels(upstream, reason or "ok").inc()
        self._seconds.labels(upstream).observe(seconds)
        self._breaker.labels(upstream).set(BREAKER_STATES[breaker])


class ChainMetrics:
    """Which tier served, and why the better ones did not."""

    def __init__(self, registry: CollectorRegistry) -> None:
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
        self._refused.labels(tier, reason).inc(items)
