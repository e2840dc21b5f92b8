"""Hints: a small knowledge base that anyone can edit and that helps the models by changing their *input*.

A hint says "when a query contains these words, look for those, too". It is live at once; retraining takes weeks.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property

from sqlalchemy import Column, Engine, MetaData, String, Table, Text, delete, insert, select

from common.state.database import create_tables

MAX_HINTS = 10_000
MAX_QUERY_CHARS = 600  # of a query with its hints

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
)


@dataclass(frozen=True, slots=True)
class Hint:
    id: str
    when: str
    then: str
    owner: str
    reason: str
    created_at: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Hints:
    """All hints, ready to be applied."""

    hints: tuple[Hint, ...] = ()

    @cached_property
    def version(self) -> str:
        """Changes when a hint does: the knowledge base shapes answers, so it has a version like everything else."""
        words = "\n".join(f"{hint.when}\t{hint.then}" for hint in self.hints)
        return hashlib.sha256(words.encode()).hexdigest()[:12] if words else "none"

    def apply(self, query: str) -> tuple[str, list[Hint]]:
        """The query with the words of every hint that fits it, and those hints; whole words, in any case."""
        if not self.hints:
            return query, []
        words = f" {_plain(query)} "
        fitting = [hint for hint in self.hints if f" {_plain(hint.when)} " in words]
        return " ".join([query, *(hint.then for hint in fitting)])[:MAX_QUERY_CHARS], fitting


class HintStore:
    """The hints in the state database."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, metadata)
        self._engine = engine

    def add(self, when: str, then: str, *, owner: str, reason: str) -> Hint:
        """Durable when it returns; `ValueError` when there are too many hints already."""
        hint = Hint(
            secrets.token_hex(8), when, then, owner, reason, datetime.now(UTC).isoformat(timespec="milliseconds")
        )
        if len(self.all().hints) >= MAX_HINTS:
            raise ValueError(f"there are {MAX_HINTS} hints already")
        with self._engine.begin() as connection:
            connection.execute(insert(table), hint.as_json())
        return hint

    def remove(self, hint_id: str) -> bool:
        with self._engine.begin() as connection:
            return connection.execute(delete(table).where(table.c.id == hint_id)).rowcount > 0

    def all(self) -> Hints:
        """In the order in which they were added."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(table).order_by(table.c.created_at, table.c.id)).mappings().all()
        return Hints(tuple(Hint(**{str(name): str(value) for name, value in row.items()}) for row in rows))


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def shown(hints: Sequence[Hint]) -> list[dict[str, str]]:
    """Hints as an explanation names them."""
    return [{"id": hint.id, "when": hint.when, "then": hint.then} for hint in hints]
