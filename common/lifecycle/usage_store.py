"""Who called what, per day, in the state database: the ground on which an endpoint may be taken away, or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, delete, func, select

from common.state.database import create_tables, upsert

KEEP_DAYS = 400
MAX_ROWS = 200_000  # of one service; the oldest days go first
MAX_SHOWN = 1_000
COUNTING = ""  # the endpoint of the row that says that this day was counted at all

metadata = MetaData()
usage = Table(
    "caller_usage",
    metadata,
    Column("service", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),  # UTC
    Column("caller", String(200), primary_key=True),
    Column("endpoint", String(300), primary_key=True),  # "GET /v1/search"
    Column("version", String(128), primary_key=True),  # as asked for; "" for none
    Column("calls", Integer, nullable=False),
    Column("last_at", String(40), nullable=False),
)


class Use(NamedTuple):
    """What is counted apart."""

    caller: str
    endpoint: str
    version: str


@dataclass(frozen=True, slots=True)
class Used:
    """How often in the days that were asked about, and when last (UTC, ISO 8601)."""

    caller: str
    endpoint: str
    version: str
    calls: int
    last_at: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class UsageStore:
    """The counts of one service; all of its replicas add to the same rows."""

    def __init__(self, engine: Engine, service: str) -> None:
        create_tables(engine, metadata)
        self._engine = engine
        self._service = service

    def add(self, counts: Mapping[Use, int], *, now: datetime) -> None:
        """Adds calls to today's rows, in one transaction; also writes down that today was counted."""
        moment = _iso(now)
        rows = [
            {**use._asdict(), "service": self._service, "day": moment[:10], "calls": calls, "last_at": moment}
            for use, calls in {Use("", COUNTING, ""): 0, **counts}.items()
        ]
        statement = upsert(self._engine, usage)
        statement = statement.on_conflict_do_update(
            index_elements=list(usage.primary_key.columns),
            set_={"calls": usage.c.calls + statement.excluded.calls, "last_at": statement.excluded.last_at},
        )
        with self._engine.begin() as connection:
            connection.execute(statement, sorted(rows, key=lambda row: str(list(row.values()))))  # no two deadlock

    def used(self, *, days: int, now: datetime, endpoint: str | None = None) -> list[Used]:
        """Who used what within the last `days`, the busiest first; up to `MAX_SHOWN`."""
        conditions = [*self._since(days, now), usage.c.endpoint != COUNTING]
        if endpoint is not None:
            conditions.append(usage.c.endpoint == endpoint)
        calls, last_at = func.sum(usage.c.calls).label("calls"), func.max(usage.c.last_at).label("last_at")
        what = (usage.c.caller, usage.c.endpoint, usage.c.version)
        query = select(*what, calls, last_at).where(*conditions).group_by(*what)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(calls.desc(), *what).limit(MAX_SHOWN)).all()
        return [Used(row[0], row[1], row[2], int(row[3]), row[4]) for row in rows]

    def on(self, day: str) -> list[Used]:
        """Who used what on one day (UTC, ISO 8601), the busiest first; up to `MAX_SHOWN`."""
        mine = (usage.c.service == self._service, usage.c.day == day, usage.c.endpoint != COUNTING)
        query = select(usage).where(*mine).order_by(usage.c.calls.desc(), usage.c.caller, usage.c.endpoint)
        with self._engine.connect() as connection:
            rows = connection.execute(query.limit(MAX_SHOWN)).all()
        return [Used(row.caller, row.endpoint, row.version, row.calls, row.last_at) for row in rows]

    def counted_since(self) -> str | None:
        """The first day of which calls are known (ISO 8601); None if none is."""
        query = select(func.min(usage.c.day)).where(usage.c.service == self._service)
        with self._engine.connect() as connection:
            day: str | None = connection.execute(query).scalar()
        return day

    def forget(self, endpoint: str) -> int:
        """Removes what is known of an endpoint's callers; returns how many rows that were."""
        with self._engine.begin() as connection:
            where = (usage.c.service == self._service, usage.c.endpoint == endpoint)
            return connection.execute(delete(usage).where(*where)).rowcount

    def tidy(self, *, now: datetime) -> None:
        """Forgets days that are over `KEEP_DAYS` old, or too many."""
        mine = usage.c.service == self._service
        with self._engine.begin() as connection:
            connection.execute(delete(usage).where(mine, usage.c.day < _iso(now - timedelta(days=KEEP_DAYS))[:10]))
            oldest = select(usage.c.day).where(mine).order_by(usage.c.day.desc()).offset(MAX_ROWS).limit(1)
            if (day := connection.execute(oldest).scalar()) is not None:
                connection.execute(delete(usage).where(mine, usage.c.day <= day))

    def _since(self, days: int, now: datetime) -> list[Any]:
        return [usage.c.service == self._service, usage.c.last_at >= _iso(now - timedelta(days=days))]


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
