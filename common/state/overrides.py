"""Overrides: what a person decided over the models' heads, for a while and with a reason.

An override that nobody remembers is worse than the mistake that it hid. So each has an owner, a reason and an end, and
none lasts longer than `MAX_DAYS`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, Engine, MetaData, String, Table, Text, insert, select, update

from common.state.database import create_tables

MAX_DAYS = 366

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
)


@dataclass(frozen=True, slots=True)
class Override:
    """One decision. Times are UTC, ISO 8601."""

    id: str
    target: str
    value: Mapping[str, Any]
    owner: str
    reason: str
    created_at: str
    ends_at: str

    def active(self, now: datetime) -> bool:
        return now < datetime.fromisoformat(self.ends_at)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class OverrideStore:
    """The overrides of one service, in the state database."""

    def __init__(self, engine: Engine, scope: str) -> None:
        create_tables(engine, metadata)
        self._engine = engine
        self._scope = scope

    def add(
        self, target: str, value: Mapping[str, Any], *, owner: str, reason: str, ends_at: datetime, now: datetime
    ) -> Override:
        """Durable when it returns; raises `ValueError` for an end that is past, or too far away to be remembered."""
        if ends_at.tzinfo is None:
            raise ValueError("ends_at needs a time zone, for example 2026-12-24T18:00:00Z")
        if not now < ends_at <= now + timedelta(days=MAX_DAYS):
            raise ValueError(f"ends_at must lie between now and {MAX_DAYS} days from now")
        override = Override(
            secrets.token_hex(8), target, dict(value), owner, reason, _iso(now), _iso(ends_at.astimezone(UTC))
        )
        row = {**override.as_json(), "scope": self._scope, "value": json.dumps(override.value)}
        with self._engine.begin() as connection:
            connection.execute(insert(overrides), row)
        return override

    def withdraw(self, override_id: str, *, now: datetime) -> bool:
        """Ends an override early; False if none of that id is in force. It stays on record."""
        condition = (
            overrides.c.id == override_id,
            overrides.c.scope == self._scope,
            overrides.c.withdrawn_at.is_(None),
        )
        with self._engine.begin() as connection:
            return connection.execute(update(overrides).where(*condition).values(withdrawn_at=_iso(now))).rowcount > 0

    def active(self, *, now: datetime) -> dict[str, Override]:
        """The overrides in force by target; the latest wins where two have the same."""
        query = (
            select(overrides)
            .where(
                overrides.c.scope == self._scope, overrides.c.withdrawn_at.is_(None), overrides.c.ends_at > _iso(now)
            )
            .order_by(overrides.c.created_at, overrides.c.id)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return {row["target"]: _override(dict(row)) for row in rows}


def _override(row: Mapping[str, Any]) -> Override:
    fields = {name: row[name] for name in ("id", "target", "owner", "reason", "created_at", "ends_at")}
    return Override(**fields, value=json.loads(row["value"]))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
