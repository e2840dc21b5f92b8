"""What each process counted in each hour, in the state database: the ground of daily reports.

A process writes the sums of its hour as a whole, so that a write whose outcome it never learnt does not count twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeAlias

from sqlalchemy import Column, Engine, Float, MetaData, String, Table, delete, func, select

from common.state.database import create_tables, upsert

MAX_ROWS = 200_000  # of one service; the oldest hours go first
MOST_TEXT = 200  # characters of a label

metadata = MetaData()
sums = Table(
    "daily_sums",
    metadata,
    Column("service", String(64), primary_key=True),
    Column("hour", String(13), primary_key=True),  # UTC, "2026-11-22T13"
    Column("process", String(40), primary_key=True),  # one life of one process
    Column("role", String(16), primary_key=True),  # "api" or "model"
    Column("measure", String(32), primary_key=True),
    Column("subject", String(MOST_TEXT), primary_key=True),
    Column("detail", String(MOST_TEXT), primary_key=True),
    Column("amount", Float, nullable=False),
)


class Measured(NamedTuple):
    """What is counted apart, such as ("served", "core", "false")."""

    measure: str
    subject: str = ""
    detail: str = ""


Amounts: TypeAlias = Mapping[Measured, float]


class SumsStore:
    """The sums of one service: of all its processes and replicas. Blocking; raises SQLAlchemy's errors."""

    def __init__(self, engine: Engine, service: str) -> None:
        create_tables(engine, metadata)
        self.engine = engine
        self.service = service

    def write(self, hour: str, *, process: str, role: str, amounts: Amounts) -> None:
        """What this process counted in this hour so far takes the place of what it wrote before."""
        if not amounts:
            return
        base = {"service": self.service, "hour": hour, "process": process, "role": role}
        rows = [
            {
                **base,
                "measure": one.measure,
                "subject": one.subject[:MOST_TEXT],
                "detail": one.detail[:MOST_TEXT],
                "amount": amount,
            }
            for one, amount in sorted(amounts.items())
        ]
        statement = upsert(self.engine, sums)
        statement = statement.on_conflict_do_update(
            index_elements=list(sums.primary_key.columns), set_={"amount": statement.excluded.amount}
        )
        with self.engine.begin() as connection:
            connection.execute(statement, rows)

    def day(self, day: str, *, role: str) -> dict[Measured, float]:
        """The sums of a day (UTC, "2026-11-22") over all processes of a role."""
        return {Measured(*key): amount for (_, *key), amount in self._by_hour(day, role).items()}

    def hours(self, day: str, *, role: str) -> dict[str, dict[Measured, float]]:
        """The same by hour ("2026-11-22T13"), only hours of which something is known."""
        found: dict[str, dict[Measured, float]] = {}
        for (hour, *key), amount in self._by_hour(day, role, apart=True).items():
            found.setdefault(hour, {})[Measured(*key)] = amount
        return found

    def days(self) -> list[str]:
        """Those of which something is known, the newest first."""
        day = func.substr(sums.c.hour, 1, 10)
        query = select(day).where(sums.c.service == self.service).distinct().order_by(day.desc())
        with self.engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def tidy(self, *, now: datetime, keep_days: int) -> None:
        """Forgets hours that are too old, or too many."""
        mine = sums.c.service == self.service
        with self.engine.begin() as connection:
            connection.execute(delete(sums).where(mine, sums.c.hour < hour_of(now - timedelta(days=keep_days))))
            oldest = select(sums.c.hour).where(mine).order_by(sums.c.hour.desc()).offset(MAX_ROWS).limit(1)
            if (hour := connection.execute(oldest).scalar()) is not None:
                connection.execute(delete(sums).where(mine, sums.c.hour <= hour))

    def _by_hour(self, day: str, role: str, *, apart: bool = False) -> dict[tuple[str, ...], float]:
        what = (sums.c.measure, sums.c.subject, sums.c.detail)
        hour = sums.c.hour if apart else func.substr(sums.c.hour, 1, 10)
        query = (
            select(hour, *what, func.sum(sums.c.amount))
            .where(
                sums.c.service == self.service,
                sums.c.role == role,
                sums.c.hour.between(f"{day}T00", f"{day}T23"),
            )
            .group_by(hour, *what)
        )
        with self.engine.connect() as connection:
            return {tuple(key): float(amount) for *key, amount in connection.execute(query)}


def hour_of(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()[:13]
