"""Releases in the state database: how each one stands, and who did what, when and why.

A change of state is a comparison and an exchange in one statement: of two operators, or two processes, one wins.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
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

from common.state.database import create_tables, upsert

MOST_LISTED = 200
MOST_REPORT_BYTES = 256 * 1024  # what is larger belongs in a file beside the database


class State(StrEnum):
    """How a release stands; `promoting` and `rolling_back` last for the moment in which the alias is moved."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    CANARY = "canary"
    PROMOTING = "promoting"
    PROMOTED = "promoted"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"


OPEN = (State.PROPOSED, State.APPROVED, State.CANARY, State.PROMOTING, State.ROLLING_BACK)
UNDER_WAY = (State.CANARY, State.PROMOTING, State.ROLLING_BACK)

metadata = MetaData()
releases = Table(
    "releases",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("component", String(64), nullable=False, index=True),
    Column("from_version", String(64)),
    Column("to_version", String(64), nullable=False),
    Column("state", String(20), nullable=False, index=True),
    Column("share", Float, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("report", Text, nullable=False),  # JSON
    Column("created_at", String(40), nullable=False, index=True),
)
events = Table(
    "release_events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("release_id", String(32), nullable=False, index=True),
    Column("at", String(40), nullable=False),
    Column("who", String(200), nullable=False),
    Column("what", String(40), nullable=False),
    Column("why", Text, nullable=False),
)
freezes = Table(
    "release_freezes",
    metadata,
    Column("component", String(64), primary_key=True),
    Column("since", String(40), nullable=False),
    Column("why", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """One release. `share` is the challenger's part of the traffic, from 0 to 1."""

    id: str
    component: str
    from_version: str | None  # the champion when it was proposed, None for the first
    to_version: str
    state: State
    share: float
    paused: bool
    report: Mapping[str, Any]
    created_at: str

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class ReleaseEvent:
    """What somebody, or the service itself, did to a release."""

    release_id: str
    at: str
    who: str
    what: str
    why: str

    def as_json(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in self.__slots__}


class Conflict(Exception):
    """The release is not in a state in which this can be done."""


class ReleaseStore:
    """The releases of all components that share a state database; what a method wrote is durable when it returns."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, metadata)
        self._engine = engine

    def add(
        self,
        component: str,
        *,
        from_version: str | None,
        to_version: str,
        report: Mapping[str, Any],
        who: str,
        why: str,
    ) -> ReleaseRecord:
        """A new release, proposed; `ValueError` for a report of more than `MOST_REPORT_BYTES`."""
        document = json.dumps(report, allow_nan=False)
        if len(document) > MOST_REPORT_BYTES:
            raise ValueError(f"a report of {len(document):,} bytes; at most {MOST_REPORT_BYTES:,} are kept")
        record = ReleaseRecord(
            secrets.token_hex(8), component, from_version, to_version, State.PROPOSED, 0.0, False, dict(report), _now()
        )
        with self._engine.begin() as connection:
            connection.execute(insert(releases), {**record.as_json(), "report": document})
            _write_down(connection, record.id, who, State.PROPOSED, why)
        return record

    def change(
        self,
        release: ReleaseRecord,
        state: State,
        *,
        who: str,
        why: str,
        what: str | None = None,
        share: float | None = None,
        paused: bool = False,
    ) -> ReleaseRecord:
        """The release in its new state; `Conflict` if somebody else changed it since it was read."""
        changed = replace(release, state=state, share=release.share if share is None else share, paused=paused)
        unchanged = (
            releases.c.id == release.id,
            releases.c.state == release.state,
            releases.c.share == release.share,
            releases.c.paused == release.paused,
        )
        values = {"state": changed.state, "share": changed.share, "paused": changed.paused}
        with self._engine.begin() as connection:
            if connection.execute(update(releases).where(*unchanged).values(values)).rowcount == 0:
                raise Conflict(f"release {release.id} was changed by somebody else at this moment")
            _write_down(connection, release.id, who, what or state, why)
        return changed

    def find(self, release_id: str) -> ReleaseRecord | None:
        with self._engine.connect() as connection:
            row = connection.execute(select(releases).where(releases.c.id == release_id)).mappings().one_or_none()
        return None if row is None else _record(row)

    def listed(self, component: str | None = None, *, states: Sequence[State] | None = None) -> list[ReleaseRecord]:
        """The newest first, at most `MOST_LISTED`, without their reports."""
        columns = [column for column in releases.c if column is not releases.c.report]
        query = select(*columns).order_by(releases.c.created_at.desc(), releases.c.id).limit(MOST_LISTED)
        if component is not None:
            query = query.where(releases.c.component == component)
        if states is not None:
            query = query.where(releases.c.state.in_(states))
        with self._engine.connect() as connection:
            return [_record({**row, "report": "{}"}) for row in connection.execute(query).mappings()]

    def events(self, release_id: str) -> list[ReleaseEvent]:
        """In the order in which they happened."""
        query = select(events).where(events.c.release_id == release_id).order_by(events.c.number)
        with self._engine.connect() as connection:
            return [
                ReleaseEvent(row["release_id"], row["at"], row["who"], row["what"], row["why"])
                for row in connection.execute(query).mappings()
            ]

    def freeze(self, component: str, why: str) -> None:
        """No release of this component begins until a person thaws it."""
        statement = upsert(self._engine, freezes).values(component=component, since=_now(), why=why)
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_nothing())

    def thaw(self, component: str) -> bool:
        """False if it was not frozen."""
        with self._engine.begin() as connection:
            return connection.execute(delete(freezes).where(freezes.c.component == component)).rowcount > 0

    def frozen(self, component: str) -> str | None:
        """Why, None if it is not."""
        with self._engine.connect() as connection:
            return connection.execute(
                select(freezes.c.why).where(freezes.c.component == component)
            ).scalar_one_or_none()


def _write_down(connection: Connection, release_id: str, who: str, what: str, why: str) -> None:
    connection.execute(insert(events).values(release_id=release_id, at=_now(), who=who, what=str(what), why=why))


def _record(row: Mapping[Any, Any]) -> ReleaseRecord:
    return ReleaseRecord(**{**row, "state": State(row["state"]), "report": json.loads(row["report"])})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
