"""The hints in the state database, and who changed which of them when."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    MetaData,
    Select,
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
from photostock.hints.rules import Hint, Hints, version_of
from photostock.moments import moment

MAX_HINTS = 10_000
MAX_HISTORY = 1_000  # changes that are remembered; the oldest are forgotten
TEXTS = ("id", "when", "then", "owner", "reason")

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
    Column("reason", Text),  # why it was taken back
    Column("version", String(12)),  # of the knowledge base from then on
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
            _add(connection, hint, "added", hint.owner)
        return hint

    def remove(self, hint_id: str, *, who: str = "", reason: str = "") -> bool:
        """Durable when it returns; False if there was none."""
        with self._engine.begin() as connection:
            return _removed(connection, hint_id, who, reason)

    def undo(self, change_id: str, *, who: str = "", reason: str = "") -> bool:
        """Takes a change back, durably: what came goes, and what went is there again, under its own id.

        False for a change that is not remembered; `ValueError` where it can't be taken back, with the reason.
        """
        with self._engine.begin() as connection:
            row = connection.execute(select(history).where(history.c.id == change_id)).mappings().first()
            if row is None:
                return False
            hint = Hint(**json.loads(row["hint"]))
            if row["action"] != "removed":
                if not _removed(connection, hint.id, who, reason):
                    raise ValueError("the hint is gone already")
            elif connection.execute(select(table.c.id).where(table.c.id == hint.id)).first() is not None:
                raise ValueError("the hint is there already")
            elif hint.ends_at is not None and hint.ends_at <= _now():
                raise ValueError("the hint has ended meanwhile")
            else:
                _add(connection, hint, "restored", who, reason)
        return True

    def all(self, known: Hints | None = None) -> Hints:
        """Those that are in force now, in the order in which they were added; `known` itself if it is just these."""
        with self._engine.connect() as connection:
            if known is not None:  # read in a fraction of the time; of a hint only texts change, where a name goes
                stored = connection.execute(_chosen(*(table.c[name] for name in TEXTS)))
                if [tuple(row) for row in stored] == list(map(attrgetter(*TEXTS), known.hints)):
                    return known
            return Hints(_in_force(connection))

    def history(self, *, limit: int = 100) -> list[dict[str, Any]]:
        """The last changes, newest first; `version` is that of the knowledge base from then on, None of old ones."""
        order = (history.c.at.desc(), history.c.id)
        with self._engine.connect() as connection:
            rows = connection.execute(select(history).order_by(*order).limit(limit)).mappings().all()
        return [{**row, "hint": json.loads(row["hint"]), "reason": row["reason"] or ""} for row in rows]


def _now() -> str:
    return moment(datetime.now(UTC))


def _hint(row: Mapping[Any, Any]) -> Hint:
    told = dict(row)
    return Hint(**(told | {"kind": told["kind"] or "synonym", "both_ways": bool(told["both_ways"])}))


def _chosen(*columns: Any) -> Select[Any]:
    in_force = or_(table.c.ends_at.is_(None), table.c.ends_at > _now())
    return select(*columns).where(in_force).order_by(table.c.created_at, table.c.id)


def _in_force(connection: Connection) -> tuple[Hint, ...]:
    return tuple(_hint(row) for row in connection.execute(_chosen(table)).mappings())


def _add(connection: Connection, hint: Hint, action: str, who: str, reason: str = "") -> None:
    connection.execute(delete(table).where(table.c.ends_at <= _now()))
    if (connection.scalar(select(func.count()).select_from(table)) or 0) >= MAX_HINTS:
        raise ValueError(f"there are {MAX_HINTS} hints already")
    connection.execute(insert(table), hint.as_json())
    _remember(connection, action, who, hint, reason)


def _removed(connection: Connection, hint_id: str, who: str, reason: str) -> bool:
    row = connection.execute(select(table).where(table.c.id == hint_id)).mappings().first()
    if row is None:
        return False
    connection.execute(delete(table).where(table.c.id == hint_id))
    _remember(connection, "removed", who, _hint(row), reason)
    return True


def _remember(connection: Connection, action: str, who: str, hint: Hint, reason: str) -> None:
    made = {
        "id": secrets.token_hex(8),
        "at": _now(),
        "action": action,
        "who": who,
        "hint": json.dumps(hint.as_json()),
        "reason": reason,
        "version": version_of(_in_force(connection)),
    }
    connection.execute(insert(history), made)
    kept = select(history.c.at).order_by(history.c.at.desc()).offset(MAX_HISTORY).limit(1).scalar_subquery()
    connection.execute(delete(history).where(history.c.at <= kept))
