"""What happened around an incident, from everywhere where it was noted: one list, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Engine, Row, Select, func, not_, select, true

from common.incidents.store import Incident
from common.incidents.tables import alerts, happenings, notes
from common.incidents.webhook import iso, plain
from common.releases.tables import COMPONENTS_OF, freeze_events, releases
from common.releases.tables import events as release_events
from common.state.overrides import overrides

BEFORE = timedelta(minutes=30)  # what began earlier is hardly the cause
MOST_ROWS = 300  # the latest of one source
FIRST_ROWS = 100  # and of one that has more, how it began
MOST_TEXT = 500  # characters


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """One entry; `kind` is alert, state, note, switch, release, the kind of a happening, or gap: what is left out."""

    at: str
    kind: str
    what: str
    who: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def time_line(engine: Engine, incident: Incident) -> list[Moment]:
    """The earliest first."""
    begin = iso(datetime.fromisoformat(incident.opened_at) - BEFORE)
    end = incident.resolved_at or "9999"
    with engine.connect() as connection:
        return sorted(
            {
                *_alerts(connection, incident),
                *_notes(connection, incident),
                *_happenings(connection, incident.service, begin, end),
                *_switches(connection, incident.service, begin, end),
                *_releases(connection, incident.service, begin, end),
            }
        )


def happened(engine: Engine, service: str, *, begin: str, end: str) -> list[Moment]:
    """What a service saw of itself and what people changed between two times (UTC, ISO 8601), the earliest first."""
    with engine.connect() as connection:
        return sorted(
            {
                *_happenings(connection, service, begin, end),
                *_switches(connection, service, begin, end),
                *_releases(connection, service, begin, end),
            }
        )


def _alerts(connection: Connection, incident: Incident) -> Iterator[Moment]:
    rows, gap = _read(
        connection, select(alerts).where(alerts.c.incident_id == incident.id), alerts.c.starts_at, "alerts"
    )
    yield from gap
    for row in rows:
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
    rows, gap = _read(connection, query, happenings.c.at, "happenings")
    yield from gap
    for row in rows:
        yield Moment(row.at, row.kind, row.text)


def _switches(connection: Connection, service: str, begin: str, end: str) -> Iterator[Moment]:
    mine, until = overrides.c.scope == f"{service}.switches", min(end, iso(datetime.now(UTC)))
    withdrawn = overrides.c.withdrawn_at.is_not(None)
    for told, column, of in (
        ("set to", overrides.c.created_at, true()),
        ("taken back from", overrides.c.withdrawn_at, withdrawn),
        ("ended, it was", overrides.c.ends_at, not_(withdrawn)),
    ):
        query = select(overrides).where(mine, of, column.between(begin, until))
        rows, gap = _read(connection, query, column, "changes of switches")
        yield from gap
        for row in rows:
            why, who = {
                "created_at": (row.reason, row.owner),
                "withdrawn_at": (row.withdrawn_why, row.withdrawn_by),
            }.get(column.name, ("", ""))
            what = f"switch {row.target} {told} {json.loads(row.value).get('state', '')}{f': {why}' if why else ''}"
            yield Moment(getattr(row, column.name), "switch", plain(what, MOST_TEXT), who or "")


def _releases(connection: Connection, service: str, begin: str, end: str) -> Iterator[Moment]:
    components = COMPONENTS_OF.get(service, ())
    query = (
        select(release_events, releases.c.component, releases.c.to_version)
        .join(releases, releases.c.id == release_events.c.release_id)
        .where(releases.c.component.in_(components), release_events.c.at.between(begin, end))
    )
    rows, gap = _read(connection, query, release_events.c.at, "steps of releases")
    yield from gap
    for row in rows:
        yield Moment(row.at, "release", _released(row, f"{row.component} {row.to_version}"), row.who)
    frozen = select(freeze_events).where(
        freeze_events.c.component.in_(components), freeze_events.c.at.between(begin, end)
    )
    rows, gap = _read(connection, frozen, freeze_events.c.at, "freezes")
    yield from gap
    for row in rows:
        yield Moment(row.at, "release", _released(row, row.component), row.who)


def _read(
    connection: Connection, query: Select[Any], at: Column[str], what: str
) -> tuple[Sequence[Row[Any]], Sequence[Moment]]:
    """The first rows and the last ones by the time `at`; if others lie between, a moment there says how many."""
    order = (at, *at.table.primary_key.columns)  # one order, also of rows at the same time
    last = connection.execute(query.order_by(*(column.desc() for column in order)).limit(MOST_ROWS)).all()
    if len(last) < MOST_ROWS:
        return last, []
    counted = connection.execute(query.with_only_columns(func.count(), maintain_column_froms=True)).scalar_one()
    first = connection.execute(query.order_by(*order).limit(max(0, min(FIRST_ROWS, counted - MOST_ROWS)))).all()
    if not first or (left_out := counted - MOST_ROWS - len(first)) <= 0:
        return [*first, *last], []
    return [*first, *last], [Moment(getattr(first[-1], at.name), "gap", f"{left_out} more {what} are not shown here")]


def _released(row: Any, about: str) -> str:
    return plain(f"{about}: {row.what.replace('_', ' ')}: {row.why}", MOST_TEXT)
