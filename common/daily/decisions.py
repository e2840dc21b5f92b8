"""Tables of what people decided and what went wrong: overrides, changes, incidents, erasures."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, func, select

from common.daily.tables import Sources, Table
from common.incidents.tables import incidents
from common.incidents.time_line import happened
from common.overrides.report import EXPIRING_DAYS
from common.overrides.uses import uses
from common.state.erasures import erasures
from common.state.overrides import iso, override_of, overrides

MOST_ROWS = 100
ABOUT_OVERRIDES = (
    "what",
    "owner",
    "reason",
    "state",
    "ends (UTC)",
    "within a week",
    "uses so far",
    "mean difference from the model",
    "last used",
)


def tables_of(engine: Engine, sources: Sources, day: date, *, now: datetime) -> list[Table]:
    """Reads the state database. Nobody's id or name is in an erasure's row, so none is here."""
    service, begin, end = sources.service, day.isoformat(), (day + timedelta(days=1)).isoformat()
    return [
        _overrides(engine, sources, begin, end, then=min(end, iso(now))),
        _changes(engine, service, begin, end),
        _incidents(engine, service, begin, end),
        _erasures(engine, service, begin, end),
    ]


def _overrides(engine: Engine, sources: Sources, begin: str, end: str, *, then: str) -> Table:
    ended = func.coalesce(overrides.c.withdrawn_at, overrides.c.ends_at)
    mine = (overrides.c.scope == sources.service, overrides.c.created_at < end, ended >= begin)
    query = (
        select(overrides, uses.c.used, uses.c.compared, uses.c.difference, uses.c.last_used_at)
        .outerjoin(uses, uses.c.override_id == overrides.c.id)
        .where(*mine)
        .order_by(overrides.c.ends_at)
        .limit(MOST_ROWS)
    )
    soon = (date.fromisoformat(begin) + timedelta(days=EXPIRING_DAYS)).isoformat()
    with engine.connect() as connection:
        count = connection.execute(select(func.count()).select_from(overrides).where(*mine)).scalar_one()
        rows = [
            (
                _in_words(row, sources),
                row.owner,
                row.reason,
                _state(row, then),
                row.ends_at[:16],
                "yes" if row.withdrawn_at is None and row.ends_at[:10] <= soon else "no",
                row.used or 0,
                round(row.difference / row.compared, 4) if row.compared else None,
                (row.last_used_at or "")[:16],
            )
            for row in connection.execute(query)
        ]
    caption = "Overrides" if count <= MOST_ROWS else f"Overrides: the {MOST_ROWS} that end first, of {count}"
    note = "In force on that day, the state is that at its end. Uses and effect are those until the report was made."
    return Table("overrides", caption, ABOUT_OVERRIDES, rows, note)


def _in_words(row: Row[Any], sources: Sources) -> str:
    try:
        return sources.sentence(override_of(row._mapping))
    except (KeyError, ValueError, TypeError):  # as another version wrote it
        return str(row.target)


def _state(row: Row[Any], then: str) -> str:
    if row.withdrawn_at is not None and row.withdrawn_at < then:
        by = f" by {row.withdrawn_by}" if row.withdrawn_by else ""
        why = f": {row.withdrawn_why}" if row.withdrawn_why else ""
        return f"withdrawn {row.withdrawn_at[11:16]}{by}{why}"
    return f"ended {row.ends_at[11:16]}" if row.ends_at < then else "in force"


def _changes(engine: Engine, service: str, begin: str, end: str) -> Table:
    moments = happened(engine, service, begin=begin, end=end)
    rows = [(one.at[11:19], one.kind, one.what, one.who) for one in moments[-MOST_ROWS:]]
    caption = "Releases, switches, starts and troubles"
    if len(moments) > MOST_ROWS:
        caption += f": the last {MOST_ROWS} of at least {len(moments)}"
    return Table("changes", caption, ("at (UTC)", "kind", "what", "who"), rows)


def _incidents(engine: Engine, service: str, begin: str, end: str) -> Table:
    live = incidents.c.resolved_at.is_(None) | (incidents.c.resolved_at >= begin)
    query = select(incidents).where(incidents.c.service == service, incidents.c.opened_at < end, live)
    with engine.connect() as connection:
        rows = [
            (row.id, row.title, row.state, row.opened_at[:16], (row.resolved_at or "")[:16])
            for row in connection.execute(query.order_by(incidents.c.opened_at).limit(MOST_ROWS))
        ]
    return Table("incidents", "Incidents", ("id", "title", "state now", "opened (UTC)", "resolved (UTC)"), rows)


def _erasures(engine: Engine, service: str, begin: str, end: str) -> Table:
    mine = (erasures.c.scope == service, erasures.c.erased_at >= begin, erasures.c.erased_at < end)
    query = select(func.count(), func.coalesce(func.sum(erasures.c.rows), 0)).where(*mine)
    with engine.connect() as connection:
        people, rows = connection.execute(query).one()
    return Table("erasures", "People forgotten", ("what", "count"), [("people", people), ("rows of theirs", int(rows))])
