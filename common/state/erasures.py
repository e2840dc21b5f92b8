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
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, String, Table, Text, func, select, update

from common.erasing.person import Person
from common.state.database import add_missing_columns, create_tables, upsert
from common.state.preparing import prepare

SHOWN = 1_000  # audit lines that are listed at most
AT_A_TIME = 500  # hashes in one question to the database
ERASED_BEFORE = ("erased before", "this database is a copy from before the erasure")  # owner and reason

metadata = MetaData()
keys = Table(
    "erasure_keys",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(64), nullable=False),
    Column("changes", Integer),  # grows with every erasure, for clocks of several machines do not
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
things = Table(  # what may not come back although it is no event: photos
    "erased_things",
    metadata,
    Column("scope", String(64), primary_key=True),
    Column("thing", String(64), primary_key=True),  # keyed hash of its id
    Column("person", String(64), nullable=False),
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
        add_missing_columns(engine, metadata)
        self._engine = engine
        self._scope = scope
        self._key = b""  # until the database could be read
        prepare(engine, self._read_key)

    def lock(self, connection: Connection) -> None:
        """To be called first by whoever erases, and by whoever stores what could be erased: they follow each other."""
        connection.execute(update(keys).values(key=keys.c.key))

    def person(self, user_id: str) -> str:
        """The hash that stands for a person; ask within a transaction, else the key may not be known yet."""
        if not self._key:
            self._engine.connect().close()  # raises what keeps it from being read
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

    def thing(self, thing_id: str) -> str:
        """The hash that stands for a thing of a person; as with `person`."""
        return self.person(f"thing\n{thing_id}")

    def note_things(self, connection: Connection, person: str, hashes: Iterable[str]) -> None:
        """These may not come back."""
        rows = [{"scope": self._scope, "thing": one, "person": person} for one in hashes]
        if rows:
            connection.execute(upsert(self._engine, things).on_conflict_do_nothing(), rows)

    def erased_things(self, connection: Connection, thing_ids: Iterable[str]) -> set[str]:
        """Those of these that may not come back."""
        by_hash = {self.thing(thing_id): thing_id for thing_id in thing_ids}
        hashes, found = list(by_hash), set[str]()
        for start in range(0, len(hashes), AT_A_TIME):
            page = hashes[start : start + AT_A_TIME]
            query = select(things.c.thing).where(things.c.scope == self._scope, things.c.thing.in_(page))
            found.update(by_hash[one] for one in connection.execute(query).scalars())
        return found

    def _read_key(self, connection: Connection) -> None:
        if (key := connection.execute(select(keys.c.key)).scalar()) is None:  # a write would wait for other writers
            new = upsert(self._engine, keys).values(id=1, key=secrets.token_hex(32))
            connection.execute(new.on_conflict_do_nothing())
            key = connection.execute(select(keys.c.key)).scalar_one()
        self._key = bytes.fromhex(key)

    def note(
        self, connection: Connection, user_id: str, *, rows: int, owner: str, reason: str, now: datetime
    ) -> Erasure:
        """Writes the audit line; a repeated erasure moves its time forward and adds to its rows.

        Raises `ValueError` where the reason names the person.
        """
        if names(reason, user_id):
            raise ValueError("the reason must not name the person: it is kept")
        line = {"scope": self._scope, "person": self.person(user_id), "rows": rows}
        known = select(erasures).where(erasures.c.scope == self._scope, erasures.c.person == line["person"])
        before = connection.execute(known).mappings().one_or_none()
        if before is not None:
            now = max(now, datetime.fromisoformat(before["erased_at"]) + timedelta(milliseconds=1))
        line["erased_at"] = at = now.astimezone(UTC).isoformat(timespec="milliseconds")
        statement = upsert(self._engine, erasures).values(line | {"owner": owner, "reason": reason})
        new = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=["scope", "person"],
            set_={"erased_at": at, "rows": erasures.c.rows + rows, "owner": new.owner, "reason": new.reason},
        )
        connection.execute(statement)
        self.count_change(connection)
        return _erasure(connection.execute(known).mappings().one())

    def known(self, connection: Connection) -> dict[str, str]:
        """Everybody who was erased, as hashes, and until when."""
        query = select(erasures.c.person, erasures.c.erased_at).where(erasures.c.scope == self._scope)
        return {row.person: row.erased_at for row in connection.execute(query)}

    def note_again(self, connection: Connection, person: str, erased_at: str) -> None:
        """A line that this database lost; whose wish it was is in the copy that knew."""
        line = {"scope": self._scope, "person": person, "erased_at": erased_at, "rows": 0}
        told = dict(zip(("owner", "reason"), ERASED_BEFORE, strict=True))
        statement = upsert(self._engine, erasures).values(line | told)
        connection.execute(
            statement.on_conflict_do_update(index_elements=["scope", "person"], set_={"erased_at": erased_at})
        )
        self.count_change(connection)

    def changes(self) -> int:
        """Grows with every erasure, by whichever process, of whichever service."""
        with self._engine.connect() as connection:
            return connection.execute(select(keys.c.changes)).scalar() or 0

    def count_change(self, connection: Connection) -> None:
        """Every process forgets once more what it remembers."""
        connection.execute(update(keys).values(changes=func.coalesce(keys.c.changes, 0) + 1))

    def all(self) -> list[Erasure]:
        """The audit lines, newest first."""
        query = select(erasures).where(erasures.c.scope == self._scope)
        query = query.order_by(erasures.c.erased_at.desc(), erasures.c.person).limit(SHOWN)
        with self._engine.connect() as connection:
            return [_erasure(row) for row in connection.execute(query).mappings()]


def names(text: str, user_id: str) -> bool:
    """Whether a text contains an id as a word of its own, also as an ordinary one, or as an erasure would find it."""
    as_a_word = re.search(rf"(?<!\w){re.escape(user_id)}(?!\w)", text, re.IGNORECASE)
    return as_a_word is not None or Person(user_id, "").named_in(text)


def _erasure(row: Any) -> Erasure:
    return Erasure(**{name: row[name] for name in ("person", "erased_at", "rows", "owner", "reason")})
