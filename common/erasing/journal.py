"""Erasures under way and done, by keyed hash: what a crash interrupts is known, and what was done is certified."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, Text, select, update

from common.erasing.person import Person
from common.state.database import create_tables, upsert

SHOWN = 1_000
metadata = MetaData()
work = Table(
    "erasure_work",
    metadata,
    Column("scope", String(64), primary_key=True),
    Column("person", String(64), primary_key=True),  # keyed hash
    Column("begun_at", String(40), nullable=False),
    Column("finished_at", String(40)),  # none while it is under way
    Column("left", Text, nullable=False),  # JSON: digests of pictures whose files may still be there
    Column("certificate", Text, nullable=False),  # JSON
)


@dataclass(slots=True)
class Certificate:
    """What was removed, by store; which versions learnt from it; and what a search for the rest came to."""

    person: str  # keyed hash
    begun_at: str
    owner: str
    reason: str
    finished_at: str | None = None
    removed: dict[str, int] = field(default_factory=dict)
    others_before: dict[str, int] = field(default_factory=dict)  # rows of everybody else, by table
    others_after: dict[str, int] = field(default_factory=dict)
    retrain: list[dict[str, str]] = field(default_factory=list)
    proof: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        if self.finished_at is None:
            return "under_way"
        return "finished" if self.proof and self.proof["clean"] else "something_remains"

    def as_json(self) -> dict[str, Any]:
        return {"state": self.state, **asdict(self)}

    def add(self, removed: dict[str, int]) -> None:
        for name, count in removed.items():
            self.removed[name] = self.removed.get(name, 0) + count

    def without(self, people: Iterable[Person]) -> Certificate:
        """The same without the names of these people: an owner or a reason may have named somebody else."""
        owner, reason = self.owner, self.reason
        for person in people:
            owner, reason = person.without(owner, "owner"), person.without(reason)
        return replace(self, owner=owner, reason=reason)


class Journal:
    """The certificates of one service."""

    def __init__(self, engine: Engine, scope: str) -> None:
        create_tables(engine, metadata)
        self._engine, self._scope = engine, scope

    def begin(self, connection: Connection, certificate: Certificate, left: list[str]) -> None:
        """In the transaction that removes the rows; what an interrupted erasure left is added to."""
        before = self._row(connection, certificate.person)
        if before is not None:
            old = _certificate(before)
            certificate.add(old.removed)
            certificate.retrain = [*old.retrain, *(one for one in certificate.retrain if one not in old.retrain)]
            if old.finished_at is None:
                left.extend(json.loads(before["left"]))
        self._put(connection, certificate, left)

    def finish(self, certificate: Certificate) -> bool:
        """Nothing is left to do; False if it was wished for once more meanwhile, and so is under way again."""
        mine = work.c.scope == self._scope, work.c.person == certificate.person
        same = update(work).where(*mine, work.c.begun_at == certificate.begun_at)
        with self._engine.begin() as connection:
            return connection.execute(same.values(_values(certificate, []))).rowcount == 1

    def left(self, person: str) -> list[str]:
        """Digests of pictures that an erasure under way has to remove."""
        with self._engine.connect() as connection:
            row = self._row(connection, person)
        return [] if row is None else list(json.loads(row["left"]))

    def find(self, person: str) -> Certificate | None:
        with self._engine.connect() as connection:
            row = self._row(connection, person)
        return None if row is None else _certificate(row)

    def all(self, *, pending: bool = False) -> list[Certificate]:
        """Newest first; `pending`: only those that a crash may have interrupted."""
        query = select(work).where(work.c.scope == self._scope).order_by(work.c.begun_at.desc()).limit(SHOWN)
        if pending:
            query = query.where(work.c.finished_at.is_(None))
        with self._engine.connect() as connection:
            return [_certificate(row) for row in connection.execute(query).mappings()]

    def _row(self, connection: Connection, person: str) -> Any:
        query = select(work).where(work.c.scope == self._scope, work.c.person == person)
        return connection.execute(query).mappings().one_or_none()

    def _put(self, connection: Connection, certificate: Certificate, left: list[str]) -> None:
        values = _values(certificate, left)
        row = {"scope": self._scope, "person": certificate.person, **values}
        statement = upsert(self._engine, work).values(row)
        connection.execute(statement.on_conflict_do_update(index_elements=["scope", "person"], set_=values))


def _values(certificate: Certificate, left: list[str]) -> dict[str, str | None]:
    return {
        "begun_at": certificate.begun_at,
        "finished_at": certificate.finished_at,
        "left": json.dumps(left),
        "certificate": json.dumps(asdict(certificate)),
    }


def _certificate(row: Any) -> Certificate:
    return Certificate(**json.loads(row["certificate"]))
