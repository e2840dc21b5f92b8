"""Tables of what people decided and what went wrong: overrides, changes, incidents, erasures."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import Engine, func, select

from common.daily.tables import Table
from common.incidents.tables import incidents
from common.incidents.time_line import happened
from common.overrides.report import EXPIRING_DAYS
from common.overrides.uses import uses
from common.state.erasures import erasures
from common.state.overrides import overrides

MOST_ROWS = 100


def tables_of(engine: Engine, service: str, day: date, *, components: tuple[str, ...]) -> list[Table]:
    """Reads the state database. Nobody's id or name is in an erasure's row, so none is here."""
    begin, end = day.isoformat(), (day + timedelta(days=1)).isoformat()
    return [
        _overrides(engine, service, begin, end),
        _changes(engine, service, components, begin, end),
        _incidents(engine, service, begin, end),
        _erasures(engine, service, begin, end),
    ]


def _overrides(engine: Engine, service: str, begin: str, end: str) -> Table:
    ended = func.coalesce(overrides.c.withdrawn_at, overrides.c.ends_at)
    query = (
        select(overrides, uses.c.used, uses.c.compared, uses.c.difference, uses.c.last_used_at)
        .outerjoin(uses, uses.c.override_id == overrides.c.id)
        .where(overrides.c.scope == service, overrides.c.created_at < end, ended >= begin)
        .order_by(overrides.c.ends_at)
        .limit(MOST_ROWS)
    )
    soon = (date.fromisoformat(begin) + timedelta(days=EXPIRING_DAYS)).isoformat()
    with engine.connect() as connection:
        rows = [
            (
                row.target,
                row.owner,
                row.ends_at[:16],
                "yes" if row.withdrawn_at is None and row.ends_at[:10] <= soon else "no",
                row.used or 0,
                round(row.difference / row.compared, 4) if row.compared else None,
                (row.last_used_at or "")[:16],
            )
            for row in connection.execute(query)
        ]
    heads = (
        "what",
        "owner",
        "ends (UTC)",
        "within a week",
        "uses so far",
        "mean difference from the model",
        "last used",
    )
    note = f"In force on that day, up to {MOST_ROWS}. Uses and effect are those until the report was made."
    return Table("overrides", "Overrides", heads, rows, note)


def _changes(engine: Engine, service: str, components: tuple[str, ...], begin: str, end: str) -> Table:
    moments = happened(engine, service, components=components, begin=begin, end=end)
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
