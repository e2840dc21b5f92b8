"""Brown-outs, stages of an end and their history, in the state database: durable, and seen by all replicas."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, Engine, MetaData, String, Table, Text, insert, select, update

from common.state.database import create_tables, upsert

# In their order. "in service" is before the first; "gone" is after the last.
STAGES = ("in service", "traffic refused", "artifacts removed", "gone")
MIN_NOTICE = timedelta(hours=1)  # of a brown-out: long enough for its header to be seen
MAX_BROWNOUT = timedelta(hours=12)
MAX_AHEAD = timedelta(days=90)
MAX_COMING = 20  # brown-outs of one endpoint

metadata = MetaData()
brownouts = Table(
    "ending_brownouts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("service", String(64), nullable=False, index=True),
    Column("name", String(64), nullable=False),
    Column("begins_at", String(40), nullable=False),
    Column("ends_at", String(40), nullable=False),
    Column("who", String(200), nullable=False),
    Column("why", Text, nullable=False),
    Column("withdrawn_at", String(40)),
)
stages = Table(
    "ending_stages",
    metadata,
    Column("service", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("stage", String(32), nullable=False),
)
events = Table(
    "ending_events",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("service", String(64), nullable=False, index=True),
    Column("name", String(64), nullable=False),
    Column("at", String(40), nullable=False),
    Column("who", String(200), nullable=False),
    Column("what", Text, nullable=False),
    Column("why", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Brownout:
    """A rehearsal of the end: the endpoint refuses its callers from one moment to another."""

    id: str
    begins_at: datetime
    ends_at: datetime
    who: str
    why: str

    def as_json(self) -> dict[str, Any]:
        times = {"begins_at": self.begins_at.isoformat(), "ends_at": self.ends_at.isoformat()}
        return {"id": self.id, **times, "who": self.who, "why": self.why}


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an endpoint has come."""

    stage: str = STAGES[0]
    brownouts: tuple[Brownout, ...] = ()  # those that are not over

    @property
    def ended(self) -> bool:
        return self.stage != STAGES[0]

    def brownout_at(self, moment: datetime) -> Brownout | None:
        return next((one for one in self.brownouts if one.begins_at <= moment < one.ends_at), None)


class EndingStore:
    """What was decided about one service's deprecated endpoints."""

    def __init__(self, engine: Engine, service: str) -> None:
        create_tables(engine, metadata)
        self.engine = engine
        self._service = service

    def standings(self, *, now: datetime) -> dict[str, Standing]:
        """By name, of all about which something was decided."""
        mine = brownouts.c.service == self._service
        coming = select(brownouts).where(mine, brownouts.c.withdrawn_at.is_(None), brownouts.c.ends_at > _iso(now))
        with self.engine.connect() as connection:
            reached = {
                row.name: row.stage
                for row in connection.execute(select(stages).where(stages.c.service == self._service))
            }
            rows = connection.execute(coming.order_by(brownouts.c.begins_at, brownouts.c.id)).all()
        scheduled: dict[str, list[Brownout]] = {}
        for row in rows:
            times = (datetime.fromisoformat(row.begins_at), datetime.fromisoformat(row.ends_at))
            scheduled.setdefault(row.name, []).append(Brownout(row.id, *times, row.who, row.why))
        return {
            name: Standing(reached.get(name, STAGES[0]), tuple(scheduled.get(name, ())))
            for name in sorted({*reached, *scheduled})
        }

    def schedule(
        self, name: str, begins_at: datetime, length: timedelta, *, who: str, why: str, now: datetime
    ) -> Brownout:
        """Durable when it returns; raises `ValueError` for a time that is too near, too far or too long."""
        if begins_at.tzinfo is None:
            raise ValueError("begins_at needs a time zone, for example 2026-12-01T10:00:00Z")
        if not now + MIN_NOTICE <= begins_at <= now + MAX_AHEAD:
            raise ValueError(f"begins_at must be {MIN_NOTICE} to {MAX_AHEAD.days} days ahead: callers are told before")
        if not timedelta(0) < length <= MAX_BROWNOUT:
            raise ValueError(f"a brown-out lasts {MAX_BROWNOUT} at most")
        if len(self.standings(now=now).get(name, Standing()).brownouts) >= MAX_COMING:
            raise ValueError(f"{MAX_COMING} brown-outs are scheduled already")
        begins_at = begins_at.astimezone(UTC)
        made = Brownout(secrets.token_hex(8), begins_at, begins_at + length, who, why)
        times = {"begins_at": _iso(made.begins_at), "ends_at": _iso(made.ends_at)}
        row = {"id": made.id, "service": self._service, "name": name, **times, "who": who, "why": why}
        what = f"brown-out from {times['begins_at']} to {times['ends_at']}"
        with self.engine.begin() as connection:
            connection.execute(insert(brownouts), row)
            connection.execute(insert(events), self._event(name, what, who=who, why=why, now=now))
        return made

    def withdraw(self, name: str, brownout_id: str, *, now: datetime) -> bool:
        """Calls a brown-out off, also one that has begun; False if there is none of that id."""
        condition = (
            brownouts.c.id == brownout_id,
            brownouts.c.name == name,
            brownouts.c.service == self._service,
            brownouts.c.withdrawn_at.is_(None),
        )
        with self.engine.begin() as connection:
            return connection.execute(update(brownouts).where(*condition).values(withdrawn_at=_iso(now))).rowcount > 0

    def advance(self, name: str, stage: str, *, what: str, who: str, why: str, now: datetime) -> None:
        """The stage that was reached, with a line in the history, in one transaction."""
        statement = upsert(self.engine, stages).values(service=self._service, name=name, stage=stage)
        statement = statement.on_conflict_do_update(index_elements=["service", "name"], set_={"stage": stage})
        with self.engine.begin() as connection:
            connection.execute(statement)
            connection.execute(insert(events), self._event(name, what, who=who, why=why, now=now))

    def history(self, name: str, *, limit: int = 100) -> list[dict[str, str]]:
        """What was decided and done, the newest first."""
        query = select(events.c.at, events.c.who, events.c.what, events.c.why)
        query = query.where(events.c.service == self._service, events.c.name == name)
        with self.engine.connect() as connection:
            rows = connection.execute(query.order_by(events.c.at.desc(), events.c.id).limit(limit)).mappings().all()
        return [{str(key): str(value) for key, value in row.items()} for row in rows]

    def _event(self, name: str, what: str, *, who: str, why: str, now: datetime) -> dict[str, str]:
        identity = {"id": secrets.token_hex(8), "service": self._service, "name": name}
        return {**identity, "at": _iso(now), "who": who, "what": what, "why": why}


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
