"""Notes for later time lines what a service sees of itself: its start, parts that get unwell, answers that degrade.

Works in a background thread, once a second; requests never wait for it. While the database is away, what happened is
kept in memory, up to `MOST_PENDING`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import Engine, delete, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from common.incidents.alerts import OPERATORS_WISH
from common.incidents.store import Incident, IncidentStore, State
from common.incidents.tables import incidents
from common.incidents.webhook import iso, plain
from common.outcome import Reason
from common.service.app import Service
from common.state.overrides import overrides

MOST_PENDING = 200
MOST_PER_HOUR = 120  # a part that flaps must not fill the table
LOOK_BACK = 10  # looks, about as many seconds, over which the degraded share is taken
BEGINS, ENDS, AT_LEAST = 0.2, 0.05, 5  # shares, and items in that time below which they say nothing
FORGOTTEN_AFTER = timedelta(days=6)  # who set something for hours or days, a switch above all, remembers its end
FAULTS = frozenset(map(str, set(Reason) - OPERATORS_WISH))
COUNTED = ("fallback_served", "fallback_refused")
log = structlog.get_logger(__name__)


class IncidentWatch:
    """`refresh` looks once; `live` is a copy of the live incident, `trouble` what the database lacks."""

    def __init__(
        self, store: IncidentStore, service: Service, name: str, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        self.live: Incident | None = None
        self.trouble: str | None = None
        self._store = store
        self._service = service
        self._name = name
        self._clock = clock or store.now
        self._pending: deque[tuple[str, str, datetime]] = deque(maxlen=MOST_PENDING)
        self._noted: deque[datetime] = deque(maxlen=MOST_PER_HOUR)
        self._unwell: Mapping[str, str] | None = None
        self._counts: deque[tuple[float, float]] = deque(maxlen=LOOK_BACK)
        self._degraded = False
        open_now = Gauge("incidents_open", "Incidents of this service that are open.", registry=service.registry)
        open_now.set_function(lambda: float(self.live is not None and self.live.state == State.OPEN))
        self._next_end = Gauge(
            "override_next_end_timestamp_seconds",
            "When the next override ends that stood for long, 0 without any.",
            registry=service.registry,
        )
        self._note("started", f"{service.name} {service.version} started")

    def refresh(self) -> None:
        """Looks at the parts, the answers and the database, and notes what changed."""
        self._look_at_parts()
        self._look_at_answers()
        try:
            probe_writing(self._store.engine)
            while self._pending:
                kind, told, at = self._pending[0]
                self._store.happened(self._name, kind, told, at=at)
                self._pending.popleft()
            self._store.expire()
            self.live = self._store.live(self._name)
            self._next_end.set(self._read_next_end())
        except SQLAlchemyError as error:
            if self.trouble is None:
                log.warning("incident.database_away", error=type(error).__name__)
            self.trouble = f"can't be written: {type(error).__name__}"
        else:
            self.trouble = None

    def _look_at_parts(self) -> None:
        now = {part.name: reason for part in self._service.parts if (reason := part.reason()) is not None}
        before, self._unwell = self._unwell, now
        if before is None:  # while it starts much is not read yet
            return
        for name in now.keys() - before.keys():
            self._note("unwell", f"{name}: {now[name]}")
        for name in before.keys() - now.keys():
            self._note("well", f"{name} is well again")

    def _look_at_answers(self) -> None:
        counts = items_of(self._service.registry)
        self._counts.append(counts)
        served, refused = (new - old for new, old in zip(counts, self._counts[0], strict=True))
        if served < AT_LEAST:
            return
        share = refused / served
        if not self._degraded and share >= BEGINS:
            self._degraded = True
            self._note("degraded", f"better tiers begin to refuse what is asked for, {share:.0%} in some seconds")
        elif self._degraded and share <= ENDS:
            self._degraded = False
            self._note("full_quality", "answers are of full quality again")

    def _note(self, kind: str, told: str) -> None:
        now = self._clock()
        if len(self._noted) == MOST_PER_HOUR and (now - self._noted[0]).total_seconds() < 3_600:
            return
        self._noted.append(now)
        self._pending.append((kind, plain(told, 300), now))

    def _read_next_end(self) -> float:
        now = self._clock()
        query = select(func.min(overrides.c.ends_at)).where(
            overrides.c.scope == self._name,
            overrides.c.withdrawn_at.is_(None),
            overrides.c.ends_at > iso(now),
            overrides.c.created_at < iso(now - FORGOTTEN_AFTER),
        )
        with self._store.engine.connect() as connection:
            first = connection.execute(query).scalar_one()
        return datetime.fromisoformat(first).astimezone(UTC).timestamp() if first else 0.0


def items_of(registry: CollectorRegistry) -> tuple[float, float]:
    """Items served, and those that a better tier refused for what is a fault, since the start."""
    served = refused = 0.0
    for metric in registry.restricted_registry([f"{name}_total" for name in COUNTED]).collect():
        for sample in metric.samples:
            if sample.name == "fallback_served_total":
                served += sample.value
            elif sample.name == "fallback_refused_total" and sample.labels["reason"] in FAULTS:
                refused += sample.value
    return served, refused


def probe_writing(engine: Engine) -> None:
    """Raises a `SQLAlchemyError` unless the database can be written now; writes nothing."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text("BEGIN IMMEDIATE"))
            connection.execute(text("ROLLBACK"))
        else:  # refused while the server recovers, and where `default_transaction_read_only` is on
            connection.execute(delete(incidents).where(incidents.c.id == ""))
            connection.rollback()
