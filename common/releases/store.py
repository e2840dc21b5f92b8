"""Releases in the state database: how each one stands, and who did what, when and why.

A change of state is a comparison and an exchange in one statement: of two operators, or two processes, one wins.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from common.releases.tables import OPEN as OPEN
from common.releases.tables import UNDER_WAY as UNDER_WAY
from common.releases.tables import State as State
from common.releases.tables import events, freeze_events, freezes, metadata, releases
from common.state.database import add_missing_columns, create_tables, upsert

MOST_LISTED = 200
MOST_REPORT_BYTES = 256 * 1024  # what is larger belongs in a file beside the database


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
    insist: str | None = None  # the reason to do it at a bad moment

    def as_json(self) -> dict[str, str | None]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class FreezeEvent:
    """Somebody, or the service itself, froze a component or thawed it."""

    component: str
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
        add_missing_columns(engine, metadata)
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
        """A new release, proposed; `Conflict` while another one of the same version is open.

        Raises `ValueError` for a report of more than `MOST_REPORT_BYTES`.
        """
        document = json.dumps(report, allow_nan=False)
        if len(document) > MOST_REPORT_BYTES:
            raise ValueError(f"a report of {len(document):,} bytes; at most {MOST_REPORT_BYTES:,} are kept")
        record = ReleaseRecord(
            secrets.token_hex(8), component, from_version, to_version, State.PROPOSED, 0.0, False, dict(report), _now()
        )
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(releases), {**record.as_json(), "report": document})
                _write_down(connection, record.id, who, State.PROPOSED, why)
        except IntegrityError as error:
            raise Conflict(f"{component} {to_version} is proposed already") from error
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
        paused: bool | None = None,
        insist: str | None = None,
        freeze: str | None = None,
    ) -> ReleaseRecord:
        """The release in its new state; `share` and `paused` are as they were unless told.

        Raises `Conflict` if somebody else changed it since it was read, or has another rollout of its component under
        way. With `freeze`, a reason, its component is frozen in the same moment.
        """
        changed = replace(
            release,
            state=state,
            share=release.share if share is None else share,
            paused=release.paused if paused is None else paused,
        )
        unchanged = (
            releases.c.id == release.id,
            releases.c.state == release.state,
            releases.c.share == release.share,
            releases.c.paused == release.paused,
        )
        values = {"state": changed.state, "share": changed.share, "paused": changed.paused}
        try:
            with self._engine.begin() as connection:
                if connection.execute(update(releases).where(*unchanged).values(values)).rowcount == 0:
                    raise Conflict(f"release {release.id} was changed by somebody else at this moment")
                _write_down(connection, release.id, who, what or state, why, insist)
                if freeze is not None:
                    self._freeze(connection, release.component, who, freeze)
        except IntegrityError as error:
            raise Conflict(f"another release of {release.component} is under way") from error
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

    def under_way(self) -> dict[str, ReleaseRecord]:
        """The rollout of each component that has one."""
        return {release.component: release for release in self.listed(states=UNDER_WAY)}

    def events(self, release_id: str) -> list[ReleaseEvent]:
        """In the order in which they happened."""
        query = select(events).where(events.c.release_id == release_id).order_by(events.c.number)
        with self._engine.connect() as connection:
            return [
                ReleaseEvent(row["release_id"], row["at"], row["who"], row["what"], row["why"], row["insist"])
                for row in connection.execute(query).mappings()
            ]

    def freeze(self, component: str, *, who: str, why: str) -> None:
        """No release of this component begins until a person thaws it; the first reason stays."""
        with self._engine.begin() as connection:
            self._freeze(connection, component, who, why)

    def thaw(self, component: str, *, who: str, why: str) -> bool:
        """False if it was not frozen."""
        with self._engine.begin() as connection:
            thawed = connection.execute(delete(freezes).where(freezes.c.component == component)).rowcount > 0
            if thawed:
                _tell_freeze(connection, component, who, "thawed", why)
        return thawed

    def freeze_events(self) -> list[FreezeEvent]:
        """Who froze and thawed what, the newest first, at most `MOST_LISTED`."""
        columns = [column for column in freeze_events.c if column is not freeze_events.c.number]
        query = select(*columns).order_by(freeze_events.c.number.desc()).limit(MOST_LISTED)
        with self._engine.connect() as connection:
            return [FreezeEvent(**row) for row in connection.execute(query).mappings()]

    def frozen(self, component: str) -> str | None:
        """Why, None if it is not."""
        with self._engine.connect() as connection:
            return connection.execute(
                select(freezes.c.why).where(freezes.c.component == component)
            ).scalar_one_or_none()

    def _freeze(self, connection: Connection, component: str, who: str, why: str) -> None:
        statement = upsert(self._engine, freezes).values(component=component, since=_now(), why=why)
        frozen_now = statement.on_conflict_do_nothing().returning(freezes.c.component)
        if connection.execute(frozen_now).first() is not None:
            _tell_freeze(connection, component, who, "frozen", why)


def _write_down(
    connection: Connection, release_id: str, who: str, what: str, why: str, insist: str | None = None
) -> None:
    connection.execute(
        insert(events).values(release_id=release_id, at=_now(), who=who, what=str(what), why=why, insist=insist)
    )


def _tell_freeze(connection: Connection, component: str, who: str, what: str, why: str) -> None:
    connection.execute(insert(freeze_events).values(component=component, at=_now(), who=who, what=what, why=why))


def _record(row: Mapping[Any, Any]) -> ReleaseRecord:
    return ReleaseRecord(**{**row, "state": State(row["state"]), "report": json.loads(row["report"])})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
