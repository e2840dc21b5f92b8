"""Forgetting a person: an audit line that proves it was done and does not say to whom.

A person is kept as a keyed hash, so that the same events, sent again by a queue or from a backup, are recognised and
dropped. The key lies in the same database: whoever has a copy of it and a list of ids can tell who was erased.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, String, Table, Text, select, update

from common.state.database import create_tables, upsert

SHOWN = 1_000  # audit lines that are listed at most
AT_A_TIME = 500  # hashes in one question to the database

metadata = MetaData()
keys = Table(
    "erasure_keys",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(64), nullable=False),
)
erasures = Table(
    "erasures",
    metadata,
    Column("scope", String(64), primary_key=True),  # whose data: "photostock"
    Column("person", String(64), primary_key=True),  # keyed hash
    Column("erased_at", String(40), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("owner", String(200), nullable=False),
    Column("reason", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Erasure:
    """One person forgotten: `rows` went in all; what happened until `erased_at` (UTC) is dropped if it returns."""

    person: str
    erased_at: str
    rows: int
    owner: str
    reason: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class ErasureStore:
    """The erasures of one service. Methods that take a connection belong into the caller's transaction."""

    def __init__(self, engine: Engine, scope: str) -> None:
        create_tables(engine, metadata)
        self._engine = engine
        self._scope = scope
        with engine.begin() as connection:
            connection.execute(upsert(engine, keys).values(id=1, key=secrets.token_hex(32)).on_conflict_do_nothing())
        with engine.connect() as connection:
            self._key = bytes.fromhex(connection.execute(select(keys.c.key)).scalar_one())

    def lock(self, connection: Connection) -> None:
        """To be called first by whoever erases, and by whoever stores what could be erased: they follow each other."""
        connection.execute(update(keys).values(key=keys.c.key))

    def person(self, user_id: str) -> str:
        """The hash that stands for a person."""
        return hmac.new(self._key, f"{self._scope}\n{user_id}".encode(), hashlib.sha256).hexdigest()

    def erased_until(self, connection: Connection, user_ids: Iterable[str]) -> dict[str, str]:
        """Of these people those who were erased, and until when (UTC, ISO 8601)."""
        by_hash = {self.person(user_id): user_id for user_id in user_ids}
        hashes, found = list(by_hash), dict[str, str]()
        for start in range(0, len(hashes), AT_A_TIME):
            query = select(erasures.c.person, erasures.c.erased_at).where(
                erasures.c.scope == self._scope, erasures.c.person.in_(hashes[start : start + AT_A_TIME])
            )
            found.update({by_hash[person]: at for person, at in connection.execute(query)})
        return found

    def note(
        self, connection: Connection, user_id: str, *, rows: int, owner: str, reason: str, now: datetime
    ) -> Erasure:
        """Writes the audit line; a repeated erasure moves its time forward and adds to its rows.

        Raises `ValueError` where the reason names the person.
        """
        if names(reason, user_id):
            raise ValueError("the reason must not name the person: it is kept")
        at = now.astimezone(UTC).isoformat(timespec="milliseconds")
        line = {"scope": self._scope, "person": self.person(user_id), "erased_at": at, "rows": rows}
        statement = upsert(self._engine, erasures).values(line | {"owner": owner, "reason": reason})
        new = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=["scope", "person"],
            set_={"erased_at": at, "rows": erasures.c.rows + rows, "owner": new.owner, "reason": new.reason},
        )
        connection.execute(statement)
        known = select(erasures).where(erasures.c.scope == self._scope, erasures.c.person == line["person"])
        return _erasure(connection.execute(known).mappings().one())

    def all(self) -> list[Erasure]:
        """The audit lines, newest first."""
        query = select(erasures).where(erasures.c.scope == self._scope)
        query = query.order_by(erasures.c.erased_at.desc(), erasures.c.person).limit(SHOWN)
        with self._engine.connect() as connection:
            return [_erasure(row) for row in connection.execute(query).mappings()]


def names(text: str, user_id: str) -> bool:
    """Whether a text contains an id as a word of its own."""
    return re.search(rf"(?<!\w){re.escape(user_id)}(?!\w)", text, re.IGNORECASE) is not None


def _erasure(row: Any) -> Erasure:
    return Erasure(**{name: row[name] for name in ("person", "erased_at", "rows", "owner", "reason")})
