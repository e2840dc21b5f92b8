"""Scores in the state database: what each item's day came to, and running sums of all.

An item's day is replaced as a whole, and the sums change by the difference. So a correction does not count twice,
several processes may score the same day, and what was summed up survives a restart.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Column, Connection, Engine, Float, MetaData, String, Table, Text, delete, func, insert, select
from sqlalchemy import tuple_ as row_of

from common.state.database import create_tables, upsert
from supermegaretail.monitoring.alarms import Alarm
from supermegaretail.monitoring.scoring import DayKey, Group, Maker, Scored, Sums

DETAIL_DAYS = 35  # a correction that comes later than that changes nothing any more
SUMS_DAYS = 366
KEYS_AT_ONCE = 200  # in one statement: SQLite takes 999 parameters in older builds
WINDOW_DAYS = 28  # of the figures that are shown
WRITERS_LOCK = int.from_bytes(b"outcomes")  # any number of 64 bits that nobody else locks

metadata = MetaData()
outcomes = Table(
    "supermegaretail_outcomes",
    metadata,
    Column("store", String(200), primary_key=True),
    Column("sku", String(200), primary_key=True),
    Column("day", String(10), primary_key=True, index=True),
    Column("actual", Float, nullable=False),
    Column("sums", Text, nullable=False),  # JSON: [[tier, version, horizon, {figure: value}], …]
)
totals = Table(
    "supermegaretail_outcome_sums",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("tier", String(32), primary_key=True),
    Column("version", String(140), primary_key=True),
    Column("horizon", String(8), primary_key=True),
    Column("figure", String(32), primary_key=True),
    Column("value", Float, nullable=False),
)
alarms = Table(
    "supermegaretail_alarms",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("tier", String(32), primary_key=True),
    Column("version", String(140), primary_key=True),
    Column("since", String(40), nullable=False),
)
TOTALS_KEY = ("day", "tier", "version", "horizon", "figure")


class OutcomeStore:
    """Blocking; raises SQLAlchemy's errors."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, metadata)
        self._engine = engine

    def replace(self, keys: Sequence[DayKey], found: Mapping[DayKey, Scored]) -> None:
        """Forgets what these items' days came to before, and takes in what they come to now, in one transaction."""
        if not keys:
            return
        with self._engine.begin() as connection:
            _alone(connection)
            change: dict[tuple[str, ...], float] = {}
            for part in _pieces(keys):
                for before, sums in _taken_out(connection, part):
                    _add(change, before, sums, sign=-1)
            rows = [
                {"store": store, "sku": sku, "day": day.isoformat(), "actual": one.actual, "sums": _json(one.sums)}
                for (store, sku, day), one in found.items()
            ]
            if rows:
                connection.execute(insert(outcomes), rows)
            for (_, _, day), one in found.items():
                _add(change, day.isoformat(), one.sums.items(), sign=1)
            self._change_totals(connection, change)

    def actuals(self, day: date) -> dict[tuple[str, str], float]:
        """Demand with which each store's products were scored on that day."""
        query = select(outcomes.c.store, outcomes.c.sku, outcomes.c.actual).where(outcomes.c.day == day.isoformat())
        with self._engine.connect() as connection:
            return {(row.store, row.sku): row.actual for row in connection.execute(query)}

    def newest_day(self) -> date | None:
        """The last day with a score."""
        with self._engine.connect() as connection:
            newest = connection.execute(select(func.max(totals.c.day))).scalar()
        return None if newest is None else date.fromisoformat(newest)

    def sums(self, *, until: date, days: int = WINDOW_DAYS) -> dict[Group, Sums]:
        """The sums of the `days` up to and including `until`."""
        query = (
            select(totals.c.tier, totals.c.version, totals.c.horizon, totals.c.figure, func.sum(totals.c.value))
            .where(totals.c.day > (until - timedelta(days=days)).isoformat(), totals.c.day <= until.isoformat())
            .group_by(totals.c.tier, totals.c.version, totals.c.horizon, totals.c.figure)
        )
        found: dict[Group, Sums] = {}
        with self._engine.connect() as connection:
            for tier, version, horizon, figure, value in connection.execute(query):
                found.setdefault((tier, version, horizon), {})[figure] = value
        return {group: sums for group, sums in found.items() if round(sums.get("forecasts", 0))}

    def daily(self, *, until: date, days: int = WINDOW_DAYS) -> dict[Maker, list[Sums]]:
        """By tier and version the sums of each scored day of the `days` up to `until`, oldest first, all horizons."""
        query = (
            select(totals.c.tier, totals.c.version, totals.c.day, totals.c.figure, func.sum(totals.c.value))
            .where(totals.c.day > (until - timedelta(days=days)).isoformat(), totals.c.day <= until.isoformat())
            .group_by(totals.c.tier, totals.c.version, totals.c.day, totals.c.figure)
        )
        found: dict[Maker, dict[str, Sums]] = {}
        with self._engine.connect() as connection:
            for tier, version, day, figure, value in connection.execute(query):
                found.setdefault((tier, version), {}).setdefault(day, {})[figure] = value
        scored = {
            maker: [sums for _, sums in sorted(by_day.items()) if round(sums.get("forecasts", 0))]
            for maker, by_day in found.items()
        }
        return {maker: sums for maker, sums in scored.items() if sums}

    def forget(self, newest: date) -> None:
        """Drops the detail and the sums of days that are long past."""
        for table, days in ((outcomes, DETAIL_DAYS), (totals, SUMS_DAYS)):
            with self._engine.begin() as connection:
                connection.execute(delete(table).where(table.c.day <= (newest - timedelta(days=days)).isoformat()))

    def settle(self, standing: Iterable[Alarm]) -> tuple[dict[Alarm, str], list[Alarm], list[tuple[str, str, str]]]:
        """Keeps which alarms stand: since when each does, those that began now, and those (as key) that ended now.

        Of several processes that find the same, one is told that it began or ended.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        by_key = {alarm.key: alarm for alarm in standing}
        fresh: list[Alarm] = []
        ended: list[tuple[str, str, str]] = []
        with self._engine.begin() as connection:
            _alone(connection)
            for alarm in by_key.values():
                values = {"name": alarm.name, "tier": alarm.tier, "version": alarm.version, "since": now}
                added = upsert(self._engine, alarms).values(values).on_conflict_do_nothing()
                if connection.execute(added.returning(alarms.c.name)).all():  # not every driver counts inserted rows
                    fresh.append(alarm)
            kept = connection.execute(select(alarms)).all()
            for row in kept:
                key = row.name, row.tier, row.version
                if key not in by_key:
                    gone = delete(alarms).where(
                        alarms.c.name == row.name, alarms.c.tier == row.tier, alarms.c.version == row.version
                    )
                    if connection.execute(gone).rowcount > 0:
                        ended.append(key)
        since = {(row.name, row.tier, row.version): row.since for row in kept}
        return {alarm: since[key] for key, alarm in by_key.items()}, fresh, ended

    def _change_totals(self, connection: Connection, change: Mapping[tuple[str, ...], float]) -> None:
        rows = [
            {**dict(zip(TOTALS_KEY, key, strict=True)), "value": value}
            for key, value in sorted(change.items())
            if value
        ]
        if rows:
            added = upsert(self._engine, totals)
            added = added.on_conflict_do_update(
                index_elements=TOTALS_KEY, set_={"value": totals.c.value + added.excluded.value}
            )
            connection.execute(added, rows)


def _alone(connection: Connection) -> None:
    """Lets one process write at a time until the transaction ends, as SQLite does by itself.

    Else two that find an item's day unscored would both put it in, and two that take many out wait for each other.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(WRITERS_LOCK)))


def _taken_out(connection: Connection, keys: Sequence[DayKey]) -> Iterator[tuple[str, list[tuple[Group, Sums]]]]:
    """Deletes these keys' rows and yields what they held: one statement, so that no two processes get the same row."""
    wanted = [(store, sku, day.isoformat()) for store, sku, day in keys]
    gone = (
        delete(outcomes)
        .where(row_of(outcomes.c.store, outcomes.c.sku, outcomes.c.day).in_(wanted))
        .returning(outcomes.c.day, outcomes.c.sums)
    )
    for row in connection.execute(gone).all():
        yield row.day, [((tier, version, horizon), sums) for tier, version, horizon, sums in json.loads(row.sums)]


def _add(change: dict[tuple[str, ...], float], day: str, sums: Iterable[tuple[Group, Sums]], *, sign: int) -> None:
    for group, figures in sums:
        for figure, value in figures.items():
            key = (day, *group, figure)
            change[key] = change.get(key, 0.0) + sign * value


def _json(sums: Mapping[Group, Sums]) -> str:
    return json.dumps(
        [[*group, {figure: value for figure, value in one.items() if value}] for group, one in sums.items()]
    )


def _pieces(keys: Sequence[DayKey]) -> Iterator[Sequence[DayKey]]:
    for start in range(0, len(keys), KEYS_AT_ONCE):
        yield keys[start : start + KEYS_AT_ONCE]
