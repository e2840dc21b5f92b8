"""Incidents in the state database: opened by alerts or people, one live incident of a service at a time.

The same alert may be told by several Alertmanagers, to several replicas, in any order and many times: it counts once.
Alertmanager tells of no end while another alert hides the one that ended; so what it does not repeat has ended.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import eq
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Row, Select, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from common.incidents.rules import REPEAT_S
from common.incidents.silence import Silence
from common.incidents.tables import LIVE as LIVE
from common.incidents.tables import State as State
from common.incidents.tables import alerts, happenings, incidents, metadata, notes
from common.incidents.webhook import Told, iso
from common.state.database import create_tables, upsert

MOST_LISTED = 200
MOST_INCIDENTS, MOST_ALERTS, MOST_HAPPENINGS = 1_000, 20_000, 20_000  # kept; the oldest go first
MOST_NOTES = 500  # of an incident
KEPT_DAYS = 400
NOT_REPEATED = timedelta(seconds=2.5 * REPEAT_S)
OUT_OF_ORDER = timedelta(seconds=15)  # a beginning that is told so long after the end was only late
BY_ALERT = "alert "  # begins the name of who wrote a note, if nobody but an alert did
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident; times are UTC, ISO 8601."""

    id: str
    service: str
    title: str
    state: State
    opened_at: str
    mitigated_at: str | None
    resolved_at: str | None

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class Conflict(Exception):
    """It can't be done with the incident as it stands."""


class IncidentStore:
    """The incidents of all services that share a state database; what a method wrote is durable when it returns."""

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        create_tables(engine, metadata)
        self.engine = engine
        self._clock, self._silence = clock, Silence(steady_s)

    def now(self) -> datetime:
        return self._clock()

    def take(self, told: Sequence[Told]) -> tuple[dict[str, str], bool]:
        """Notes alerts that began or ended; the live incident of each service concerned, and whether that was news."""
        live, news = {}, False
        with self.engine.begin() as connection:
            for service in sorted({alert.service for alert in told}):  # in one order, or two could wait for each other
                mine = sorted((alert for alert in told if alert.service == service), key=lambda one: one.fingerprint)
                new = [alert for alert in mine if self._note_alert(connection, alert)]
                news = news or bool(new)
                if (incident := self._follow(connection, service, new)) is not None:
                    live[service] = incident
            self._forget(connection)
        return live, news

    def expire(self) -> None:
        """Ends the alerts that were not repeated while this looked; they call again should they be told again.

        To be called often.
        """
        key, fires = (alerts.c.fingerprint, alerts.c.starts_at, alerts.c.received_at), alerts.c.ends_at.is_(None)
        with self.engine.connect() as connection:  # a write would wait for other writers
            firing = [(row[0], row[1], row[2]) for row in connection.execute(select(*key).where(fires))]
        if not (silent := self._silence.of(firing, longer_than_s=NOT_REPEATED.total_seconds())):
            return
        ended, services = update(alerts).values(ends_at=alerts.c.received_at).returning(alerts.c.service), set[str]()
        with self.engine.begin() as connection:
            for one in silent:
                services.update(connection.execute(ended.where(fires, *map(eq, key, one))).scalars())
            for service in sorted(services):
                self._follow(connection, service, [])

    def open(self, service: str, title: str, *, who: str) -> Incident:
        """A person opens one; `Conflict` while another one of the service is live."""
        with self.engine.begin() as connection:
            if self._open(connection, service, title, who=who) is None:
                raise Conflict(f"an incident of {service} is live already")
            self._forget(connection)
            return _incident(connection.execute(_live(service)).one())

    def add_note(self, incident_id: str, text: str, *, who: str) -> None:
        """A person's words on the time line; `LookupError` for no such incident, `Conflict` for too many notes."""
        with self.engine.begin() as connection:
            _held(connection, incident_id)
            mine = (notes.c.incident_id == incident_id, notes.c.what == "note")
            if _count(connection, notes, *mine) >= MOST_NOTES:
                raise Conflict(f"it has {MOST_NOTES} notes already")
            self._write(connection, incident_id, who, "note", text)

    def change(self, incident_id: str, state: State, *, who: str, why: str) -> None:
        """A person moves it to another state.

        `Conflict` if it is there, if another one is live meanwhile, or if it is to be over while an alert still pages.
        """
        try:
            with self.engine.begin() as connection:
                if _held(connection, incident_id).state == state:
                    raise Conflict(f"it is {state} already")
                if state == State.RESOLVED and (names := _paging(connection, incident_id)):
                    raise Conflict(f"{', '.join(names)} still fires; mitigate it, and resolve it once that has ended")
                self._write(connection, incident_id, who, state, why)
                self._move(connection, incident_id, state)
        except IntegrityError as error:
            raise Conflict("another incident of this service is live") from error
        log.warning("incident.changed", incident=incident_id, state=str(state), who=who)

    def happened(self, service: str, kind: str, text: str, *, at: datetime) -> None:
        """Something that a time line will want to tell."""
        with self.engine.begin() as connection:
            connection.execute(insert(happenings).values(service=service, at=iso(at), kind=kind, text=text))
            self._forget(connection)

    def find(self, incident_id: str) -> Incident | None:
        with self.engine.connect() as connection:
            return _find(connection, incident_id)

    def listed(self) -> list[Incident]:
        """The newest first, at most `MOST_LISTED`."""
        query = select(incidents).order_by(incidents.c.opened_at.desc(), incidents.c.id).limit(MOST_LISTED)
        with self.engine.connect() as connection:
            return [_incident(row) for row in connection.execute(query)]

    def live(self, service: str) -> Incident | None:
        """The incident of a service that is not resolved yet."""
        with self.engine.connect() as connection:
            row = connection.execute(_live(service)).one_or_none()
        return None if row is None else _incident(row)

    def objection(self, service: str) -> str | None:
        """Why this is no good moment to change anything: an incident is open."""
        incident = self.live(service)
        return (
            f"incident {incident.id} is open: {incident.title}" if incident and incident.state == State.OPEN else None
        )

    def _note_alert(self, connection: Connection, alert: Told) -> bool:
        """Whether this is news: it begins, it ends, or it is back with the start that it had, as after a restart."""
        now = self._clock()
        row = {name: getattr(alert, name) for name in alert.__slots__} | {"received_at": iso(now)}
        first = upsert(self.engine, alerts).values(row).on_conflict_do_nothing().returning(alerts.c.fingerprint)
        if connection.execute(first).first() is not None:
            return True
        same = update(alerts).where(alerts.c.fingerprint == alert.fingerprint, alerts.c.starts_at == alert.starts_at)
        firing = same.where(alerts.c.ends_at.is_(None))
        if alert.ends_at is not None:
            ended = firing.values(ends_at=alert.ends_at, received_at=iso(now))
            return connection.execute(ended).rowcount > 0
        if connection.execute(firing.values(received_at=iso(now))).rowcount > 0:
            return False
        back = same.where(alerts.c.received_at < iso(now - OUT_OF_ORDER))
        again = back.values(ends_at=None, incident_id=None, received_at=iso(now))
        return connection.execute(again).rowcount > 0

    def _follow(self, connection: Connection, service: str, new: Sequence[Told]) -> str | None:
        """The live incident after these news: opened, opened again, or mitigated."""
        calling = next((alert for alert in new if alert.ends_at is None and not alert.informs_only), None)
        row = _held_live(connection, service)
        while row is None and calling is not None:  # again, should a person resolve it just now
            self._open(connection, service, calling.summary or calling.name, who=f"{BY_ALERT}{calling.name}")
            row = _held_live(connection, service)
        if row is None:
            return None
        loose = (
            alerts.c.service == service,
            alerts.c.incident_id.is_(None),
            alerts.c.ends_at.is_(None),
            alerts.c.received_at >= iso(self._clock() - NOT_REPEATED),
        )
        connection.execute(update(alerts).where(*loose).values(incident_id=row.id))
        if calling is not None and row.state == State.MITIGATED:
            self._write(connection, row.id, f"{BY_ALERT}{calling.name}", State.OPEN, calling.summary)
            self._move(connection, row.id, State.OPEN)
        elif row.state == State.OPEN and _opened_by_alert(connection, row.id) and not _paging(connection, row.id):
            self._write(connection, row.id, "alertmanager", State.MITIGATED, "every alert that pages has ended")
            self._move(connection, row.id, State.MITIGATED)
        return str(row.id)

    def _open(self, connection: Connection, service: str, title: str, *, who: str) -> str | None:
        """Its id; None while another one is live."""
        incident_id = secrets.token_hex(8)
        row = {"id": incident_id, "service": service, "title": title, "state": State.OPEN, "opened_at": self._now()}
        made = upsert(self.engine, incidents).values(row).on_conflict_do_nothing().returning(incidents.c.id)
        if connection.execute(made).first() is None:
            return None
        self._write(connection, incident_id, who, State.OPEN, title)
        log.warning("incident.opened", incident=incident_id, service=service, by=who)
        return incident_id

    def _move(self, connection: Connection, incident_id: str, state: State) -> None:
        times: dict[State, dict[str, str | None]] = {
            State.OPEN: {"mitigated_at": None, "resolved_at": None},
            State.MITIGATED: {"mitigated_at": self._now(), "resolved_at": None},
            State.RESOLVED: {"resolved_at": self._now()},
        }
        connection.execute(update(incidents).where(incidents.c.id == incident_id).values(state=state, **times[state]))

    def _write(self, connection: Connection, incident_id: str, who: str, what: str, text: str) -> None:
        connection.execute(
            insert(notes).values(incident_id=incident_id, at=self._now(), who=who[:200], what=str(what), text=text)
        )

    def _forget(self, connection: Connection) -> None:
        """What is old, and what is too much."""
        before = iso(self._clock() - timedelta(days=KEPT_DAYS))
        for table, column, most, over in (
            (alerts, alerts.c.received_at, MOST_ALERTS, alerts.c.fingerprint != ""),
            (happenings, happenings.c.at, MOST_HAPPENINGS, happenings.c.number > 0),
            (incidents, incidents.c.opened_at, MOST_INCIDENTS, incidents.c.state == State.RESOLVED),
        ):
            newest = select(column).order_by(column.desc()).offset(most).limit(1).scalar_subquery()
            connection.execute(delete(table).where(over, (column < before) | (column <= newest)))
        connection.execute(delete(notes).where(notes.c.incident_id.not_in(select(incidents.c.id))))

    def _now(self) -> str:
        return iso(self._clock())


def in_the_way(engine: Engine, service: str, seen: Callable[[], str | None]) -> Callable[[], str | None]:
    """What speaks against a release: what a process sees going wrong just now, and an open incident."""
    store = IncidentStore(engine)
    return lambda: "; ".join(filter(None, (seen(), store.objection(service)))) or None


def _live(service: str) -> Select[Any]:
    return select(incidents).where(incidents.c.service == service, incidents.c.state.in_(LIVE))


def _held_live(connection: Connection, service: str) -> Row[Any] | None:
    """The live incident, which nobody else moves until this transaction ends: both databases lock what is written."""
    mine = (incidents.c.service == service, incidents.c.state.in_(LIVE))
    connection.execute(update(incidents).where(*mine).values(state=incidents.c.state))
    return connection.execute(_live(service)).one_or_none()


def _held(connection: Connection, incident_id: str) -> Incident:
    """Likewise; `LookupError` for no such incident."""
    connection.execute(update(incidents).where(incidents.c.id == incident_id).values(state=incidents.c.state))
    if (incident := _find(connection, incident_id)) is None:
        raise LookupError(f"there is no incident {incident_id[:64]!r}")
    return incident


def _opened_by_alert(connection: Connection, incident_id: str) -> bool:
    """Whether no person opened it, or opened it again."""
    opened = select(notes.c.who).where(notes.c.incident_id == incident_id, notes.c.what == str(State.OPEN))
    who = connection.execute(opened.order_by(notes.c.number.desc()).limit(1)).scalar_one_or_none()
    return who is not None and who.startswith(BY_ALERT)


def _paging(connection: Connection, incident_id: str) -> list[str]:
    """The alerts of an incident that page and have no end."""
    mine = (alerts.c.incident_id == incident_id, alerts.c.ends_at.is_(None), alerts.c.severity != "inform")
    return sorted(set(connection.execute(select(alerts.c.name).where(*mine)).scalars()))


def _find(connection: Connection, incident_id: str) -> Incident | None:
    row = connection.execute(select(incidents).where(incidents.c.id == incident_id)).one_or_none()
    return None if row is None else _incident(row)


def _count(connection: Connection, table: Table, *conditions: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one())


def _incident(row: Row[Any]) -> Incident:
    return Incident(**{**row._mapping, "state": State(row.state)})
