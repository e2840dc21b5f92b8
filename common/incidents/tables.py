"""The tables of incidents in the state database. Of a service one incident is live at a time: an index sees to that."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Column, Index, Integer, MetaData, String, Table, Text


class State(StrEnum):
    """Open: users feel it, or may. Mitigated: they do not any more, and the cause may still be there."""

    OPEN = "open"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"


LIVE = (State.OPEN, State.MITIGATED)

metadata = MetaData()
incidents = Table(
    "incidents",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("service", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("opened_at", String(40), nullable=False, index=True),
    Column("mitigated_at", String(40)),
    Column("resolved_at", String(40)),
)
_live = incidents.c.state.in_(LIVE)
Index("one_live_incident_of_a_service", incidents.c.service, unique=True, sqlite_where=_live, postgresql_where=_live)
alerts = Table(
    "incident_alerts",
    metadata,
    Column("fingerprint", String(64), primary_key=True),  # with the start: what makes an alert the same one
    Column("starts_at", String(40), primary_key=True),
    Column("incident_id", String(32), index=True),  # none: it informs, and nothing is wrong beside it
    Column("service", String(64), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("severity", String(40), nullable=False),
    Column("summary", Text, nullable=False),
    Column("ends_at", String(40)),  # none while it fires
    Column("received_at", String(40), nullable=False, index=True),
)
notes = Table(
    "incident_notes",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("incident_id", String(32), nullable=False, index=True),
    Column("at", String(40), nullable=False),
    Column("who", String(200), nullable=False),
    Column("what", String(20), nullable=False),  # "note", or the state that it came to
    Column("text", Text, nullable=False),
)
happenings = Table(
    "happenings",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("service", String(64), nullable=False),
    Column("at", String(40), nullable=False, index=True),
    Column("kind", String(40), nullable=False),  # started, unwell, well, degraded, full_quality
    Column("text", Text, nullable=False),
)
