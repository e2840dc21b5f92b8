"""Who served in the last minutes, why the better tiers did not, and whether budgets were kept; from the counters.

The counters count from the start of the process, so samples of them are kept and the oldest is subtracted.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from prometheus_client import CollectorRegistry

from common.metrics import BUCKETS_S

WINDOW_S, SAMPLE_EVERY_S = 300, 5
SERVED, REFUSED = "fallback_served_total", "fallback_refused_total"
ANSWERED, SECONDS = "http_requests_total", "http_request_duration_seconds_bucket"
OPERATORS = ("/admin", "/v1/admin", "/static", "/live", "/ready", "/metrics", "/version", "/openapi.json", "/docs")
Counts: TypeAlias = Counter[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Recent:
    """Counts of the last `minutes`: items by tier and by (tier, reason), requests of callers by what they got."""

    minutes: float
    by_tier: Counter[str]
    degraded: int
    refusals: Counter[tuple[str, str]]
    requests: int
    failed: int  # 5xx
    shed: int  # 429
    in_time: int  # within the longest budget, as far as the buckets of the histogram can tell


class Serving:
    """`refresh` takes a sample now and then, in a worker thread; `recent` reads them, anywhere."""

    def __init__(
        self, registry: CollectorRegistry, *, budget_ms: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry = registry.restricted_registry([SERVED, REFUSED, ANSWERED, SECONDS])
        self._clock = clock
        self._within = str(float(next((bound for bound in BUCKETS_S if bound * 1000 >= budget_ms), BUCKETS_S[-1])))
        self._samples: deque[tuple[float, Counts]] = deque(maxlen=WINDOW_S // SAMPLE_EVERY_S + 1)

    def refresh(self) -> None:
        """Takes a sample if the last one is old enough."""
        now_s = self._clock()
        if not self._samples or now_s - self._samples[-1][0] >= SAMPLE_EVERY_S:
            self._samples.append((now_s, self._counts()))

    def recent(self) -> Recent:
        """What was counted since the oldest sample that is within the window."""
        now_s, now = self._clock(), self._counts()
        began_s, began = next(
            ((at_s, counts) for at_s, counts in tuple(self._samples) if now_s - at_s <= WINDOW_S + SAMPLE_EVERY_S),
            (now_s, Counter()),
        )
        since: Counts = now - began  # of counters, so nothing is negative
        by_tier, refusals, degraded = Counter[str](), Counter[tuple[str, str]](), 0
        requests = failed = shed = in_time = 0
        for (kind, one, other), count in since.items():
            if kind == SERVED:
                by_tier[one] += count
                degraded += count if other == "true" else 0
            elif kind == REFUSED:
                refusals[one, other] += count
            elif kind == ANSWERED:
                requests += count
                failed += count if other.startswith("5") else 0
                shed += count if other == "429" else 0
            else:
                in_time += count
        return Recent((now_s - began_s) / 60, by_tier, degraded, refusals, requests, failed, shed, in_time)

    def _counts(self) -> Counts:
        counts: Counts = Counter()
        for metric in self._registry.collect():
            for sample in metric.samples:
                told, value = sample.labels, int(sample.value)
                if sample.name == SERVED:
                    counts[SERVED, told["tier"], told["degraded"]] += value
                elif sample.name == REFUSED:
                    counts[REFUSED, told["tier"], told["reason"]] += value
                elif told.get("route", "").startswith(OPERATORS):
                    continue
                elif sample.name == ANSWERED:
                    counts[ANSWERED, "", told["status"]] += value
                elif sample.name == SECONDS and told["le"] == self._within:
                    counts[SECONDS, "", ""] += value
        return counts
