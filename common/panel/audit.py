"""What operators did: an append-only log in the state database, each entry sealed with the hash of the one before.

Whoever changes, removes or slips in an entry breaks the chain, and `verify` says where. Who can write to the database
could seal everything anew; so each number and hash is also logged (`audit.recorded`), where they can be compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import structlog
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, String, Table, Text, insert, select, update

from common.context import bound_request_id
from common.state.database import create_tables, upsert
from common.state.preparing import prepare

BEGINNING = "0" * 64
MOST_LISTED = 100
RESEALED_AT_A_TIME = 500
MOST_TEXT = {"actor": 200, "action": 200, "target": 512, "reason": 2_000}
SEALED = ("number", "at", "service", "kind", "of", "actor", "action", "target", "reason", "details", "request_id")
Kind = Literal["asked", "result", "done"]  # before it is done; what came of it; both in one
log = structlog.get_logger(__name__)

metadata = MetaData()
entries = Table(
    "audit_log",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("service", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("of", Integer, index=True),  # of a result: the number of what was asked
    Column("actor", String(200), nullable=False),
    Column("action", String(200), nullable=False),
    Column("target", String(512), nullable=False),
    Column("reason", Text, nullable=False),
    Column("details", Text, nullable=False),  # JSON
    Column("request_id", String(128)),
    Column("digest", String(64), nullable=False),
)
heads = Table(  # one row: the last entry, so that a missing end shows
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`broken_at` is the number of the first entry that does not fit, None if all do."""

    entries: int
    digest: str
    broken_at: int | None = None
    problem: str | None = None


class AuditLog:
    """The log as one service writes it; all services of a database share one chain. Its methods block."""

    def __init__(
        self, engine: Engine, service: str, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        create_tables(engine, metadata)
        self._engine = engine
        self._service = service
        self._clock = clock
        prepare(engine, _begin)

    def record(
        self,
        *,
        actor: str,
        action: str,
        target: str = "",
        reason: str = "",
        before: Any = None,
        after: Any = None,
        **details: Any,
    ) -> int:
        """Something that was done; durable when it returns the entry's number."""
        told = {
            name: value for name, value in {"before": before, "after": after, **details}.items() if value is not None
        }
        return self._append("done", actor=actor, action=action, target=target, reason=reason, details=told)

    def asked(self, *, actor: str, action: str, target: str, reason: str, details: Mapping[str, Any]) -> int:
        """Before something is done: should the process die, it is known who began what."""
        return self._append("asked", actor=actor, action=action, target=target, reason=reason, details=details)

    def came_to(self, number: int, *, actor: str, action: str, status: int, details: Mapping[str, Any]) -> int:
        """What came of it, as an HTTP status."""
        told = {"status": status, **details}
        return self._append("result", actor=actor, action=action, target="", reason="", details=told, of=number)

    def listed(self, *, limit: int = MOST_LISTED, before: int | None = None) -> list[dict[str, Any]]:
        """What was asked or done, newest first, with what came of it; `before` pages on from a number."""
        query = select(entries).where(entries.c.kind != "result").order_by(entries.c.number.desc())
        query = query.limit(min(max(limit, 1), MOST_LISTED))
        if before is not None:
            query = query.where(entries.c.number < before)
        with self._engine.connect() as connection:
            found = connection.execute(query).mappings().all()
            numbers = [row["number"] for row in found]
            results = connection.execute(select(entries).where(entries.c.of.in_(numbers))).mappings().all()
        came_to = {row["of"]: json.loads(row["details"]) for row in results}
        return [_as_json(dict(row), came_to.get(row["number"])) for row in found]

    def verify(self) -> Verdict:
        """Reads everything, from the first entry on."""
        number, digest = 0, BEGINNING
        with self._engine.connect() as connection:
            head = connection.execute(select(heads)).mappings().one()
            query = select(entries).where(entries.c.number <= head["number"]).order_by(entries.c.number)
            for row in connection.execution_options(yield_per=500).execute(query).mappings():
                if row["number"] != number + 1:
                    return Verdict(number, digest, number + 1, "it is missing")
                number += 1
                digest = _seal(digest, row)
                if digest != row["digest"]:
                    return Verdict(number - 1, digest, number, "it, or one before it, was changed")
        if (number, digest) != (head["number"], head["digest"]):
            return Verdict(number, digest, number + 1, "the end is missing")
        return Verdict(number, digest)

    def contains(self, digest: str) -> bool:
        """Whether an entry has this hash; what was once printed or logged must be there for ever."""
        with self._engine.connect() as connection:
            return connection.execute(select(entries.c.number).where(entries.c.digest == digest)).first() is not None

    def _append(
        self,
        kind: Kind,
        *,
        actor: str,
        action: str,
        target: str,
        reason: str,
        details: Mapping[str, Any],
        of: int | None = None,
    ) -> int:
        texts = {"actor": actor, "action": action, "target": target, "reason": reason}
        row: dict[str, Any] = {name: printable(text)[: MOST_TEXT[name]] for name, text in texts.items()}
        row |= {"service": self._service, "kind": kind, "of": of, "request_id": bound_request_id()}
        row["details"] = json.dumps(details, default=str)
        with self._engine.begin() as connection:
            connection.execute(update(heads).values(number=heads.c.number + 1))  # first: writers follow each other
            head = connection.execute(select(heads)).mappings().one()
            row |= {"number": head["number"], "at": self._clock().isoformat(timespec="milliseconds")}
            row["digest"] = _seal(head["digest"], row)
            connection.execute(insert(entries), row)
            connection.execute(update(heads).values(digest=row["digest"]))
        log.info("audit.recorded", number=row["number"], digest=row["digest"], kind=kind, action=row["action"])
        return int(row["number"])


def sealed_anew(connection: Connection) -> None:
    """The whole chain again, after entries were made to name somebody no more; within the caller's transaction.

    Hashes that were logged before are not in the log any more: whoever does this tells so in an entry of its own.
    """
    connection.execute(update(heads).values(number=heads.c.number))  # first: writers follow each other
    number, digest = 0, BEGINNING
    while page := connection.execute(_after(number)).mappings().all():
        for row in page:
            number, digest = row["number"], _seal(digest, row)
            if digest != row["digest"]:
                connection.execute(update(entries).where(entries.c.number == number).values(digest=digest))
    connection.execute(update(heads).values(digest=digest))


def _after(number: int) -> Any:
    return select(entries).where(entries.c.number > number).order_by(entries.c.number).limit(RESEALED_AT_A_TIME)


def printable(text: str) -> str:
    """Without line breaks, control characters and halves of characters: nothing that a terminal or a log would obey."""
    return "".join(character if character.isprintable() else " " for character in text)


def _seal(before: str, row: Mapping[Any, Any]) -> str:
    content = json.dumps([before, *(row[name] for name in SEALED)])
    return hashlib.sha256(content.encode()).hexdigest()


def _begin(connection: Connection) -> None:
    if connection.execute(select(heads.c.id)).first() is None:  # a write would wait for other writers
        first = upsert(connection.engine, heads).values(id=1, number=0, digest=BEGINNING)
        connection.execute(first.on_conflict_do_nothing())


def _as_json(row: dict[str, Any], came_to: dict[str, Any] | None) -> dict[str, Any]:
    shown = {name: row[name] for name in SEALED if name not in ("kind", "of")}
    done = {"status": "done"} if row["kind"] == "done" else None
    return {**shown, "details": json.loads(row["details"]), "came_to": came_to or done, "digest": row["digest"]}
