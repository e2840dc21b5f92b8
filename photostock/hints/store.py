"""The hints in the state database, and who changed which of them when."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    or_,
    select,
)

from common.state.database import add_missing_columns, create_tables
from photostock.hints.rules import Hint, Hints
from photostock.moments import moment

MAX_HINTS = 10_000
MAX_HISTORY = 1_000  # changes that are remembered; the oldest are forgotten

metadata = MetaData()
table = Table(
    "photostock_hints",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("when", String(100), nullable=False),
    Column("then", String(200), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", String(40), nullable=False),
    Column("kind", String(20)),  # null: a synonym, from before there were others
    Column("both_ways", Boolean),
    Column("ends_at", String(40)),
)
history = Table(
    "photostock_hint_history",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at", String(40), nullable=False, index=True),
    Column("action", String(20), nullable=False),
    Column("who", String(200), nullable=False),
    Column("hint", Text, nullable=False),
)


class HintStore:
    """Every method blocks on the database: for worker threads."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, metadata)
        add_missing_columns(engine, metadata)
        self._engine = engine

    def add(self, hint: Hint) -> Hint:
        """Durable when it returns, with an id and a time of its own; `ValueError` when there are too many already.

        Those that have ended go on this occasion; the history tells of them.
        """
        hint = replace(hint, id=secrets.token_hex(8), created_at=_now())
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.ends_at <= _now()))
            if (connection.scalar(select(func.count()).select_from(table)) or 0) >= MAX_HINTS:
                raise ValueError(f"there are {MAX_HINTS} hints already")
            connection.execute(insert(table), hint.as_json())
            _remember(connection, "added", hint.owner, hint)
        return hint

    def remove(self, hint_id: str, *, who: str = "") -> bool:
        """Durable when it returns; False if there was none."""
        with self._engine.begin() as connection:
            row = connection.execute(select(table).where(table.c.id == hint_id)).mappings().first()
            if row is None:
                return False
            connection.execute(delete(table).where(table.c.id == hint_id))
            _remember(connection, "removed", who, _hint(row))
        return True

    def all(self) -> Hints:
        """Those that are in force now, in the order in which they were added."""
        in_force = or_(table.c.ends_at.is_(None), table.c.ends_at > _now())
        order = (table.c.created_at, table.c.id)
        with self._engine.connect() as connection:
            rows = connection.execute(select(table).where(in_force).order_by(*order)).mappings().all()
        return Hints(tuple(_hint(row) for row in rows))

    def history(self, *, limit: int = 100) -> list[dict[str, Any]]:
        """The last changes, newest first: `at`, `action`, `who`, `hint`."""
        order = (history.c.at.desc(), history.c.id)
        with self._engine.connect() as connection:
            rows = connection.execute(select(history).order_by(*order).limit(limit)).mappings().all()
        return [
            {"at": row["at"], "action": row["action"], "who": row["who"], "hint": json.loads(row["hint"])}
            for row in rows
        ]


def _now() -> str:
    return moment(datetime.now(UTC))


def _hint(row: Mapping[Any, Any]) -> Hint:
    told = dict(row)
    return Hint(**(told | {"kind": told["kind"] or "synonym", "both_ways": bool(told["both_ways"])}))


def _remember(connection: Connection, action: str, who: str, hint: Hint) -> None:
    made = {
        "id": secrets.token_hex(8),
        "at": _now(),
        "action": action,
        "who": who,
        "hint": json.dumps(hint.as_json()),
    }
    connection.execute(insert(history), made)
    kept = select(history.c.at).order_by(history.c.at.desc()).offset(MAX_HISTORY).limit(1).scalar_subquery()
    connection.execute(delete(history).where(history.c.at <= kept))
