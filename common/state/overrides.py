"""Overrides: what a person decided over the models' heads, for a while and with a reason.

An override that nobody remembers is worse than the mistake that it hid. So each has an owner, a reason and an end, and
none lasts longer than `MAX_DAYS`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from common.panel.owner import actor_name
from common.state.database import add_missing_columns, create_tables, upsert

MAX_DAYS = 366
MOST_IN_FORCE = 20_000  # of one service: each request looks them up in memory
MOST_PAST = 5_000  # read of those that are over
MOST_NAMED = 500  # at a time
KEPT_DAYS = 2 * MAX_DAYS  # after their end
REPLACED = "replaced by "  # why it was withdrawn, followed by an id

metadata = MetaData()
overrides = Table(
    "overrides",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("scope", String(64), nullable=False, index=True),  # whose overrides: "supermegaretail"
    Column("target", String(512), nullable=False),  # what is overridden, in the words of that service
    Column("value", Text, nullable=False),  # JSON
    Column("owner", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", String(40), nullable=False),
    Column("ends_at", String(40), nullable=False),
    Column("withdrawn_at", String(40)),
    Column("ticket", String(200)),
    Column("plan", Text),
    Column("plan_due", String(10)),  # the day until which the plan is to be done, ISO 8601
    Column("withdrawn_why", Text),
    Column("withdrawn_by", String(200)),  # the operator at work
    Index("ix_overrides_scope_target", "scope", "target"),
)
revisions = Table(
    "override_revisions",
    metadata,
    Column("scope", String(64), primary_key=True),
    Column("revision", Integer, nullable=False),  # grows with every change: what readers compare
)


class TooMany(ValueError):
    """So many are in force that nobody can know them any more."""


class Clash(ValueError):
    """Another override in force says something else about the same: `other` is its id."""

    def __init__(self, sentence: str, other: str) -> None:
        super().__init__(sentence)
        self.other = other


@dataclass(frozen=True, slots=True)
class Override:
    """One decision. Times are as `iso` writes them, so that they compare as texts; `plan_due` is a day."""

    id: str
    target: str
    value: Mapping[str, Any]
    owner: str
    reason: str
    created_at: str
    ends_at: str
    ticket: str = ""
    plan: str = ""  # what must change so that it can go
    plan_due: str | None = None
    withdrawn_at: str | None = None
    withdrawn_why: str = ""

    def active(self, now: datetime) -> bool:
        return self.withdrawn_at is None and iso(now) < self.ends_at

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class OverrideStore:
    """The overrides of one service, in the state database."""

    def __init__(self, engine: Engine, scope: str) -> None:
        create_tables(engine, metadata)
        add_missing_columns(engine, metadata)
        self.engine = engine
        self.scope = scope

    def add(
        self,
        target: str,
        value: Mapping[str, Any],
        *,
        owner: str,
        reason: str,
        ends_at: datetime,
        now: datetime,
        ticket: str = "",
        plan: str = "",
        plan_due: str | None = None,
        replaces: str | None = None,
        alone: bool = False,
        clash: Callable[[Sequence[Override]], None] | None = None,
        most: tuple[str, int] | None = None,
    ) -> Override:
        """Durable when it returns; raises `ValueError` for an end that is past, or too far away to be remembered.

        Args:
            replaces: the id of one that ends in the same moment; `LookupError` if it is not in force.
            alone: whether all others in force with this target end in the same moment.
            clash: is shown the others in force with this target, and raises `Clash` if they can't be true together.
            most: how a target begins, and how many of such targets can be in force: `TooMany` if they are already.
        """
        end = stored_end(ends_at, now)
        made = Override(secrets.token_hex(8), target, dict(value), owner, reason, iso(now), end, ticket, plan, plan_due)
        with self.engine.begin() as connection:
            self._change(connection)  # first: whoever writes next waits here, and sees what is written now
            why = f"{REPLACED}{made.id}"
            if replaces is not None and not self._end(connection, overrides.c.id == replaces, now, why):
                raise not_in_force(replaces)
            if alone:
                self._end(connection, overrides.c.target == target, now, why)
            if clash is not None:
                clash(self._read(connection, self._in_force(now), overrides.c.target == target))
                if self._count(connection, now) >= MOST_IN_FORCE:
                    raise TooMany(f"{MOST_IN_FORCE} overrides are in force: withdraw some, or teach the model")
            if most is not None:
                begins = func.substr(overrides.c.target, 1, len(most[0])) == most[0]  # SQLite's LIKE takes A for a
                if self._count(connection, now, begins) >= most[1]:
                    raise TooMany(f"{most[1]} are in force here: withdraw some")
            row = {**made.as_json(), "scope": self.scope, "value": json.dumps(made.value)}
            connection.execute(insert(overrides), row)
        return made

    def withdraw(self, override_id: str, *, now: datetime, why: str = "") -> bool:
        """Ends an override early; False, and nothing is changed, if none of that id is in force. It stays on record."""
        with self.engine.connect() as connection, connection.begin() as transaction:
            self._change(connection)
            if not self._end(connection, overrides.c.id == override_id, now, why):
                transaction.rollback()
                return False
        return True

    def active(self, *, now: datetime) -> dict[str, Override]:
        """The overrides in force by target; the latest wins where two have the same."""
        return {override.target: override for override in self.in_force(now=now)}

    def in_force(self, *, now: datetime, known: Mapping[str, Override] = MappingProxyType({})) -> list[Override]:
        """All of them, the oldest first; of those that are `known` by their ids nothing but that is read."""
        conditions = self._in_force(now)
        with self.engine.connect() as connection:
            if not known:
                return self._read(connection, conditions)
            query = select(overrides.c.id).where(*conditions).order_by(overrides.c.created_at, overrides.c.id)
            ids = connection.execute(query).scalars().all()
            new = [override_id for override_id in ids if override_id not in known]
            if len(new) > MOST_NAMED:
                return self._read(connection, conditions)
            read = {one.id: one for one in self._read(connection, conditions, overrides.c.id.in_(new))} if new else {}
            found = (known.get(override_id) or read.get(override_id) for override_id in ids)
            return [one for one in found if one is not None]

    def named(self, ids: Sequence[str]) -> list[Override]:
        """These, in force or not, the oldest first; those that were forgotten are missing."""
        with self.engine.connect() as connection:
            return self._read(connection, (overrides.c.scope == self.scope, overrides.c.id.in_(ids)))

    def in_force_at(self, moment: datetime) -> list[Override]:
        """Those that were in force then, the oldest first; those that were forgotten are missing."""
        column, then = overrides.c, iso(moment)
        lasting = column.withdrawn_at.is_(None) | (column.withdrawn_at > then)
        with self.engine.connect() as connection:
            return self._read(
                connection, (column.scope == self.scope, column.created_at <= then, column.ends_at > then, lasting)
            )

    def past(self, *, now: datetime, limit: int = MOST_PAST, targets: Collection[str] | None = None) -> list[Override]:
        """Those that ended or were withdrawn, the newest first; of these targets, or of all."""
        over = overrides.c.withdrawn_at.is_not(None) | (overrides.c.ends_at <= iso(now))
        query = select(overrides).where(overrides.c.scope == self.scope, over)
        if targets is not None:
            query = query.where(overrides.c.target.in_(targets))
        with self.engine.connect() as connection:
            rows = connection.execute(query.order_by(overrides.c.created_at.desc()).limit(limit)).mappings()
            return [override_of(row) for row in rows]

    def forget(self, *, now: datetime) -> None:
        """Deletes those that ended long ago, of this service and of what it has of its own: `SCOPE.events`."""
        long_ago, inner = iso(now - timedelta(days=KEPT_DAYS)), f"{self.scope}."
        mine = (overrides.c.scope == self.scope) | (func.substr(overrides.c.scope, 1, len(inner)) == inner)
        with self.engine.begin() as connection:
            connection.execute(delete(overrides).where(mine, overrides.c.ends_at < long_ago))

    def revision(self) -> int:
        """A number that differs after every change: cheap, where reading all of them is not."""
        query = select(revisions.c.revision).where(revisions.c.scope == self.scope)
        with self.engine.connect() as connection:
            return connection.execute(query).scalar_one_or_none() or 0

    def _change(self, connection: Connection) -> None:
        first = upsert(self.engine, revisions).values(scope=self.scope, revision=1)
        more = {"revision": revisions.c.revision + 1}
        connection.execute(first.on_conflict_do_update(index_elements=["scope"], set_=more))

    def _count(self, connection: Connection, now: datetime, *more: Any) -> int:
        counted = select(func.count()).select_from(overrides).where(*self._in_force(now), *more)
        return connection.execute(counted).scalar_one()

    def _end(self, connection: Connection, which: ColumnElement[bool], now: datetime, why: str) -> bool:
        told = {"withdrawn_at": iso(now), "withdrawn_why": why, "withdrawn_by": actor_name()}
        return connection.execute(update(overrides).where(which, *self._in_force(now)).values(told)).rowcount > 0

    def _in_force(self, now: datetime) -> tuple[Any, ...]:
        mine = overrides.c.scope == self.scope
        return mine, overrides.c.withdrawn_at.is_(None), overrides.c.ends_at > iso(now)

    @staticmethod
    def _read(connection: Connection, conditions: tuple[Any, ...], *more: Any) -> list[Override]:
        query = select(overrides).where(*conditions, *more).order_by(overrides.c.created_at, overrides.c.id)
        return [override_of(row) for row in connection.execute(query).mappings()]


def override_of(row: Mapping[Any, Any]) -> Override:
    """As a row of `overrides` tells it."""
    names = ("id", "target", "owner", "reason", "created_at", "ends_at", "plan_due", "withdrawn_at")
    fields = {name: row[name] for name in names}
    texts = {name: row[name] or "" for name in ("ticket", "plan", "withdrawn_why")}
    return Override(**fields, **texts, value=json.loads(row["value"]))


def stored_end(ends_at: datetime, now: datetime) -> str:
    """As it is stored; `ValueError` for an end that is past, or too far away to be remembered."""
    if ends_at.tzinfo is None:
        raise ValueError("ends_at needs a time zone, for example 2026-12-24T18:00:00Z")
    if not now < ends_at <= now + timedelta(days=MAX_DAYS):
        raise ValueError(f"ends_at must lie between now and {MAX_DAYS} days from now")
    return iso(ends_at)


def not_in_force(replaces: str) -> LookupError:
    """What is raised where nothing of this id can be replaced."""
    return LookupError(f"replaces: no override {replaces[:64]!r} is in force")


def iso(moment: datetime) -> str:
    """As moments are stored: of two, the earlier one is also the smaller text."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
