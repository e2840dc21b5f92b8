"""What happened around an incident, from everywhere where it was noted: one list, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, not_, select, true

from common.incidents.store import Incident
from common.incidents.tables import alerts, happenings, notes
from common.incidents.webhook import iso, plain
from common.releases.tables import events as release_events
from common.releases.tables import freeze_events, releases
from common.state.overrides import overrides

BEFORE = timedelta(minutes=30)  # what began earlier is hardly the cause
MOST_ROWS = 300  # from one source
MOST_TEXT = 500  # characters


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """One entry; `kind` is alert, state, note, switch, release, or the kind of a happening."""

    at: str
    kind: str
    what: str
    who: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def time_line(engine: Engine, incident: Incident, *, components: tuple[str, ...]) -> list[Moment]:
    """The earliest first; `components` are those whose releases concern the service."""
    begin = iso(datetime.fromisoformat(incident.opened_at) - BEFORE)
    end = incident.resolved_at or "9999"
    with engine.connect() as connection:
        return sorted(
            {
                *_alerts(connection, incident),
                *_notes(connection, incident),
                *_happenings(connection, incident.service, begin, end),
                *_switches(connection, incident.service, begin, end),
                *_releases(connection, components, begin, end),
            }
        )


def happened(engine: Engine, service: str, *, components: tuple[str, ...], begin: str, end: str) -> list[Moment]:
    """What a service saw of itself and what people changed between two times (UTC, ISO 8601), the earliest first."""
    with engine.connect() as connection:
        return sorted(
            {
                *_happenings(connection, service, begin, end),
                *_switches(connection, service, begin, end),
                *_releases(connection, components, begin, end),
            }
        )


def _alerts(connection: Connection, incident: Incident) -> Iterator[Moment]:
    query = select(alerts).where(alerts.c.incident_id == incident.id).order_by(alerts.c.starts_at).limit(MOST_ROWS)
    for row in connection.execute(query):
        yield Moment(row.starts_at, "alert", f"{row.name} fires: {row.summary}" if row.summary else f"{row.name} fires")
        if row.ends_at is not None:
            yield Moment(row.ends_at, "alert", f"{row.name} ends")


def _notes(connection: Connection, incident: Incident) -> Iterator[Moment]:
    query = select(notes).where(notes.c.incident_id == incident.id).order_by(notes.c.number)
    for row in connection.execute(query):
        told = row.text if row.what == "note" else f"{row.what}: {row.text}"
        yield Moment(row.at, "note" if row.what == "note" else "state", plain(told, 4 * MOST_TEXT), row.who)


def _happenings(connection: Connection, service: str, begin: str, end: str) -> Iterator[Moment]:
    query = select(happenings).where(happenings.c.service == service, happenings.c.at.between(begin, end))
    for row in connection.execute(query.order_by(happenings.c.at).limit(MOST_ROWS)):
        yield Moment(row.at, row.kind, row.text)


def _switches(connection: Connection, service: str, begin: str, end: str) -> Iterator[Moment]:
    """Who took one back is not on record here: the audit log tells."""
    mine, until = overrides.c.scope == f"{service}.switches", min(end, iso(datetime.now(UTC)))
    withdrawn = overrides.c.withdrawn_at.is_not(None)
    for told, column, of in (
        ("set to", overrides.c.created_at, true()),
        ("taken back from", overrides.c.withdrawn_at, withdrawn),
        ("ended, it was", overrides.c.ends_at, not_(withdrawn)),
    ):
        query = select(overrides).where(mine, of, column.between(begin, until)).order_by(column).limit(MOST_ROWS)
        for row in connection.execute(query).mappings():
            why = {"created_at": row["reason"], "withdrawn_at": row["withdrawn_why"]}.get(column.name)
            what = (
                f"switch {row['target']} {told} {json.loads(row['value']).get('state', '')}{f': {why}' if why else ''}"
            )
            who = row["owner"] if column is overrides.c.created_at else ""
            yield Moment(row[column.name], "switch", plain(what, MOST_TEXT), who)


def _releases(connection: Connection, components: tuple[str, ...], begin: str, end: str) -> Iterator[Moment]:
    query = (
        select(release_events, releases.c.component, releases.c.to_version)
        .join(releases, releases.c.id == release_events.c.release_id)
        .where(releases.c.component.in_(components), release_events.c.at.between(begin, end))
    )
    for row in connection.execute(query.order_by(release_events.c.at).limit(MOST_ROWS)):
        yield Moment(row.at, "release", _released(row, f"{row.component} {row.to_version}"), row.who)
    frozen = select(freeze_events).where(
        freeze_events.c.component.in_(components), freeze_events.c.at.between(begin, end)
    )
    for row in connection.execute(frozen.order_by(freeze_events.c.at).limit(MOST_ROWS)):
        yield Moment(row.at, "release", _released(row, row.component), row.who)


def _released(row: Any, about: str) -> str:
    return plain(f"{about}: {row.what.replace('_', ' ')}: {row.why}", MOST_TEXT)
