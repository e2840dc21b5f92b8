"""What operators did: an append-only log in the state database, each entry sealed with the hash of the one before.

Whoever changes, removes or slips in an entry breaks the chain, and `verify` says where. Who can write to the database
could seal everything anew; so each number and hash is also logged (`audit.recorded`), where they can be compared.
Of very many entries the oldest go; the chain goes on from the hash of the last one that went, which is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import structlog
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from common.context import bound_request_id
from common.state.database import add_missing_columns, create_tables, upsert
from common.state.preparing import prepare

BEGINNING = "0" * 64
MOST_LISTED = 100
MOST_READINGS = 5  # of all entries, where something seems wrong while others write, shorten it or seal it anew
RESEALED_AT_A_TIME = 500
SHORTENED_BY, SHORTENED = 1_000, "audit.shortened"  # entries at a time; the action of the entry that tells
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
    Column("gone", Integer),  # the number of the last entry that is not kept any more, and its hash; null: all are
    Column("gone_digest", String(64)),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`entries` after number `gone` are sound; `broken_at` is the first that does not fit, None if all do."""

    entries: int
    digest: str
    gone: int = 0
    broken_at: int | None = None
    problem: str | None = None


class AuditLog:
    """The log as one service writes it; all services of a database share one chain. Its methods block.

    Args:
        most_entries: of more the oldest go, a thousand at a time; None: it shortens nothing.
    """

    def __init__(
        self,
        engine: Engine,
        service: str,
        *,
        most_entries: int | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        create_tables(engine, metadata)
        add_missing_columns(engine, metadata)
        self._most_entries = most_entries
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
        """Reads everything, from the first entry on that is kept; again if somebody wrote to it meanwhile."""
        for _ in range(MOST_READINGS):
            head = self._head()
            verdict = self._verified(head)
            if verdict.broken_at is None or self._head() == head:
                break
        return verdict

    def _head(self) -> dict[str, Any]:
        with self._engine.connect() as connection:
            return dict(connection.execute(select(heads)).mappings().one())

    def _verified(self, head: Mapping[str, Any]) -> Verdict:
        with self._engine.connect() as connection:
            gone, digest = _start(head)
            number, within = gone, entries.c.number.between(gone + 1, head["number"])
            telling = select(entries.c.number).where(entries.c.action == SHORTENED, entries.c.target == str(gone))
            if gone and connection.execute(telling).first() is None:
                return Verdict(0, digest, gone, gone, "those up to here are gone, and no entry tells why")
            query = select(entries).where(within).order_by(entries.c.number)
            for row in connection.execution_options(yield_per=500).execute(query).mappings():
                if row["number"] != number + 1:
                    return Verdict(number - gone, digest, gone, number + 1, "it is missing")
                number += 1
                digest = _seal(digest, row)
                if digest != row["digest"]:
                    return Verdict(number - 1 - gone, digest, gone, number, "it, or one before it, was changed")
        if (number, digest) != (head["number"], head["digest"]):
            return Verdict(number - gone, digest, gone, number + 1, "the end is missing")
        return Verdict(number - gone, digest, gone)

    def exported(self, *, after: int = 0) -> Iterator[dict[str, Any]]:
        """Every entry with a higher number, oldest first and as it was sealed: to be kept elsewhere."""
        query = select(entries).where(entries.c.number > after).order_by(entries.c.number)
        with self._engine.connect() as connection:
            for row in connection.execution_options(yield_per=500).execute(query).mappings():
                yield dict(row)

    def contains(self, digest: str) -> bool:
        """Whether an entry that is kept has this hash, or the last one that is not kept any more."""
        known = select(entries.c.digest).union_all(select(heads.c.gone_digest)).subquery()
        with self._engine.connect() as connection:
            return connection.execute(select(known).where(known.c.digest == digest)).first() is not None

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
        made = [row]
        with self._engine.begin() as connection:
            self._insert(connection, row)
            if self._most_entries is not None and row["number"] % SHORTENED_BY == 0:
                made += self._shortened(connection, row["number"] - self._most_entries, like=row)
        for one in made:
            told = {name: one[name] for name in ("number", "digest", "kind", "action")}
            log.info("audit.recorded", **told)
        return int(row["number"])

    def _insert(self, connection: Connection, row: dict[str, Any]) -> None:
        connection.execute(update(heads).values(number=heads.c.number + 1))  # first: writers follow each other
        head = connection.execute(select(heads)).mappings().one()
        row |= {"number": head["number"], "at": self._clock().isoformat(timespec="milliseconds")}
        row["digest"] = _seal(head["digest"], row)
        connection.execute(insert(entries), row)
        connection.execute(update(heads).values(digest=row["digest"]))

    def _shortened(self, connection: Connection, up_to: int, *, like: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The entry that tells what went; none where there are not so many."""
        last = connection.execute(select(entries.c.digest).where(entries.c.number == up_to)).scalar()
        if last is None:
            return []
        connection.execute(delete(entries).where(entries.c.number <= up_to))
        connection.execute(update(heads).values(gone=up_to, gone_digest=last))
        told = {"actor": "service", "action": SHORTENED, "target": str(up_to), "reason": "", "kind": "done", "of": None}
        row = {**like, **told, "details": json.dumps({"digest": last})}
        self._insert(connection, row)
        return [row]


def sealed_anew(connection: Connection) -> None:
    """The whole chain again, after entries were made to name somebody no more; within the caller's transaction.

    Hashes that were logged before are not in the log any more: whoever does this tells so in an entry of its own.
    """
    connection.execute(update(heads).values(number=heads.c.number))  # first: writers follow each other
    number, digest = _start(connection.execute(select(heads)).mappings().one())
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


def _start(head: Mapping[Any, Any]) -> tuple[int, str]:
    """Where the chain begins: the number and the hash before its first entry."""
    return head["gone"] or 0, head["gone_digest"] or BEGINNING


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
