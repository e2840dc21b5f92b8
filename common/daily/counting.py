"""Adds up, hour by hour, what the counters of this process show, and stores it: in the background, now and then."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from threading import Lock

import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError

from common.chain.switches import Clock, utc_now
from common.daily.store import Measured, SumsStore, hour_of
from common.incidents.watch import BEGINS, FAULTS
from common.panel.serving import OPERATORS

EVERY_MS = 15_000
MOST_HOURS = 48  # that wait while the database is away; the oldest go first
MOST_LABELS = 2_000  # different sums of an hour; more are not counted
COUNTED = {  # counter: (measure, labels that become subject and detail)
    "fallback_served_total": ("served", ("tier", "degraded")),
    "fallback_refused_total": ("refused", ("tier", "reason")),
    "http_requests_total": ("requests", ("route", "status")),
    "http_requests_late_total": ("late", ("route",)),
    "http_request_duration_seconds_bucket": ("within", ("route", "le")),
    "client_calls_total": ("calls", ("upstream", "reason")),
}
CPU = Measured("cpu_seconds")
UP, DEGRADED, SERVING = Measured("minutes", "up"), Measured("minutes", "degraded"), Measured("minutes", "serving")
log = structlog.get_logger(__name__)


class DailySums:
    """`refresh` looks once, in a worker thread; what happened since the last look before a crash is lost."""

    def __init__(
        self,
        store: SumsStore,
        registry: CollectorRegistry,
        *,
        role: str,
        keep_days: int,
        clock: Clock = utc_now,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self.trouble: str | None = None  # why the sums may be old
        self._registry = registry.restricted_registry(COUNTED)
        self._role, self._keep_days = role, keep_days
        self._clock, self._seconds = clock, seconds  # the one names the hour and may jump, the other does not
        self._process = secrets.token_hex(8)
        self._seen: dict[Measured, float] = {}
        self._seen_s = seconds()
        self._alone = Lock()  # a look at the end may meet one that is still waiting for the database
        self._hours: dict[str, dict[Measured, float]] = {}
        self._tidied = ""

    def refresh(self) -> None:
        """Adds what is new to the hour, and stores it; what can't be stored is kept for the next time."""
        with self._alone:
            self._refresh()

    def _refresh(self) -> None:
        now = self._clock()
        hour = hour_of(now)
        seen_s, self._seen_s = self._seen_s, self._seconds()
        self._add(hour, (self._seen_s - seen_s) / 60)
        try:
            for waiting in sorted(self._hours):
                self.store.write(waiting, process=self._process, role=self._role, amounts=self._hours[waiting])
                if waiting != hour:
                    del self._hours[waiting]
            if self._tidied != hour:
                self.store.tidy(now=now, keep_days=self._keep_days)
                self._tidied = hour
        except SQLAlchemyError as error:
            if self.trouble is None:
                log.warning("daily.not_stored", error=type(error).__name__)
            self.trouble = f"can't be stored: {type(error).__name__}"
            while len(self._hours) > MOST_HOURS:
                del self._hours[min(self._hours)]
        else:
            self.trouble = None

    def _add(self, hour: str, minutes: float) -> None:
        counts = self._read()
        new = {one: more for one, amount in counts.items() if (more := amount - self._seen.get(one, 0.0)) > 0}
        self._seen = counts
        into = self._hours.setdefault(hour, {})
        for one, amount in {**new, **_minutes(new, minutes)}.items():
            if one in into or len(into) < MOST_LABELS:
                into[one] = into.get(one, 0.0) + amount

    def _read(self) -> dict[Measured, float]:
        counts = {CPU: time.process_time()}
        for metric in self._registry.collect():
            for sample in metric.samples:
                if sample.name not in COUNTED or sample.labels.get("route", "").startswith(OPERATORS):
                    continue
                measure, labels = COUNTED[sample.name]
                one = Measured(measure, *(sample.labels[name] for name in labels))
                counts[one] = counts.get(one, 0.0) + sample.value  # of labels that are not told apart
        return counts


def _minutes(new: dict[Measured, float], minutes: float) -> dict[Measured, float]:
    """How long it was up; and served; and served with better tiers refusing for a fault, as incidents see it."""
    served = sum(amount for one, amount in new.items() if one.measure == "served")
    refused = sum(amount for one, amount in new.items() if one.measure == "refused" and one.detail in FAULTS)
    told = {UP: minutes}
    if served:
        told[SERVING] = minutes
    if served and refused / served >= BEGINS:
        told[DEGRADED] = minutes
    return told
