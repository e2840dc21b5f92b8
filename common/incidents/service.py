"""How a service gets its incidents: kept in the state database, watched for, and in the way of releases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from common.incidents.store import Incident, IncidentStore
from common.incidents.time_line import Moment, time_line
from common.incidents.watch import IncidentWatch
from common.releases.tables import releases
from common.service.app import Part, Service
from common.state.database import create_tables, open_state
from common.state.overrides import overrides
from common.state.snapshot import kept_fresh
from common.state.writes import Writes

WAITING = 16  # operators and notifications at a time
NOTED_EVERY_MS = 5_000  # a start that could not be noted is tried again


@dataclass(frozen=True, slots=True)
class Incidents:
    """The parts; the application refreshes the watch and closes them."""

    service: str
    store: IncidentStore
    watch: IncidentWatch
    writes: Writes  # of their own: an alert waits for nobody's sales

    def time_line(self, incident: Incident) -> list[Moment]:
        """What happened around it, whichever service it is about; reads the database."""
        return time_line(self.store.engine, incident)

    def refresh(self) -> None:
        self.watch.refresh()

    def close(self) -> None:
        self.writes.close()


@asynccontextmanager
async def start_noted(service: Service, name: str) -> AsyncIterator[None]:
    """For a model process: time lines of the service `name` tell its start. It serves as well without a database."""
    state, started_at = open_state(service.settings), datetime.now(UTC)
    store, waiting = IncidentStore(state), [f"{service.name} {service.version} started"]

    def note() -> None:
        with suppress(SQLAlchemyError):  # it is tried again
            while waiting:
                store.happened(name, "started", waiting[0], at=started_at)
                waiting.pop()

    try:
        async with kept_fresh(note, every_ms=NOTED_EVERY_MS):
            yield
    finally:
        state.dispose()


def incidents_of(service: Service, state: Engine, name: str) -> Incidents:
    """For the service that the state database knows under `name`; call it before `service.app`."""
    for read in (releases, overrides):  # by time lines, also where nobody released or overrode anything yet
        create_tables(state, read.metadata)
    store = IncidentStore(state)
    watch = IncidentWatch(store, service, name)
    service.parts.append(Part("database", lambda: watch.trouble))
    return Incidents(name, store, watch, Writes(queue=WAITING))
