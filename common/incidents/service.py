"""How a service gets its incidents: kept in the state database, watched for, and in the way of releases."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from common.incidents.store import Incident, IncidentStore
from common.incidents.time_line import Moment, time_line
from common.incidents.watch import IncidentWatch
from common.releases.tables import releases
from common.service.app import Part, Service
from common.state.database import create_tables
from common.state.overrides import overrides
from common.state.writes import Writes

WAITING = 16  # operators and notifications at a time


@dataclass(frozen=True, slots=True)
class Incidents:
    """The parts; the application refreshes the watch and closes them."""

    service: str
    components: tuple[str, ...]  # whose releases belong on a time line
    store: IncidentStore
    watch: IncidentWatch
    writes: Writes  # of their own: an alert waits for nobody's sales

    def time_line(self, incident: Incident) -> list[Moment]:
        """What happened around it; reads the database."""
        return time_line(self.store.engine, incident, components=self.components)

    def refresh(self) -> None:
        self.watch.refresh()

    def close(self) -> None:
        self.writes.close()


def incidents_of(service: Service, state: Engine, name: str, components: tuple[str, ...]) -> Incidents:
    """For the service that the state database knows under `name`; call it before `service.app`."""
    for read in (releases, overrides):  # by time lines, also where nobody released or overrode anything yet
        create_tables(state, read.metadata)
    store = IncidentStore(state)
    watch = IncidentWatch(store, service, name)
    service.parts.append(Part("database", lambda: watch.trouble))
    return Incidents(name, components, store, watch, Writes(queue=WAITING))
