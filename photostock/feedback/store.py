"""The events: impressions, clicks, downloads. Idempotent: the same event twice is one event."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import (
    Column,
    Delete,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    func,
    select,
    text,
    tuple_,
)
from sqlalchemy.exc import SQLAlchemyError

from common.chain.switches import Clock, utc_now
from common.state.database import add_missing_columns, create_tables, upsert
from common.state.erasures import Erasure, ErasureStore
from photostock.contract import Event
from photostock.moments import moment

log = structlog.get_logger(__name__)

KEEP_DAYS, KEEP_ROWS = 180, 1_000_000
TIDY_EVERY_S = 3_600
MOST_AHEAD = timedelta(days=1)  # of the clock; later ones would outlast all that really happened
TIDY_SHARE = 0.05  # of the rows kept: so many new ones are enough reason to tidy up, too

metadata = MetaData()
events = Table(
    "photostock_events",
    metadata,
    Column("user_id", String(200), primary_key=True),
    Column("at", String(40), primary_key=True),  # UTC, milliseconds
    Column("kind", String(20), primary_key=True),
    Column("photo_id", String(128), primary_key=True),
    Column("query", String(300), primary_key=True),
    Column("position", Integer),  # from 1
    Column("served_by", String(20)),
    Column("request_id", String(128)),
    Index("photostock_events_at", "at"),
)


class FeedbackStore:
    """The events in the state database, bounded in age and number. Changes follow each other one at a time.

    Args:
        keep_days: events that happened earlier are dropped, also when they arrive.
        keep_rows: of more events than this the oldest are dropped; between two rounds of tidying up there can be
            a twentieth more.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        keep_days: int = KEEP_DAYS,
        keep_rows: int = KEEP_ROWS,
        now: Clock = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        create_tables(engine, metadata)
        add_missing_columns(engine, metadata)
        self.engine = engine
        self.erasures = ErasureStore(engine, "photostock")
        self._keep_days, self._keep_rows = keep_days, keep_rows
        self._now, self._clock = now, clock
        self._tidied_s = -float(TIDY_EVERY_S)
        self._since_tidied = 0

    def record(self, new: Sequence[Event]) -> None:
        """Durable when it returns; what a person did before they were erased is dropped."""
        rows = [_row(event) for event in new]
        oldest = self._oldest()
        with self.engine.begin() as connection:
            self.erasures.lock(connection)
            erased = self.erasures.erased_until(connection, {row["user_id"] for row in rows})
            kept = [row for row in rows if row["at"] > erased.get(row["user_id"], "") and row["at"] >= oldest]
            if kept:
                connection.execute(upsert(self.engine, events).on_conflict_do_nothing(), kept)
        self._since_tidied += len(kept)
        due = self._clock() - self._tidied_s >= TIDY_EVERY_S
        if due or self._since_tidied > TIDY_SHARE * self._keep_rows:
            try:
                self.tidy()
            except SQLAlchemyError as error:  # the events are stored, and that is what was asked
                log.warning("feedback.not_tidied", error=type(error).__name__)

    def erase(self, user_id: str, *, owner: str, reason: str) -> tuple[Erasure, int]:
        """Forgets a person, durably: the audit line, and how many events went this time.

        Raises `ValueError` where the reason names the person.
        """
        in_file = self.engine.dialect.name == "sqlite"
        with self.engine.begin() as connection:
            if in_file:  # else the bytes stay in the file until something is written over them
                connection.execute(text("PRAGMA secure_delete=ON"))
            self.erasures.lock(connection)
            gone = connection.execute(delete(events).where(events.c.user_id == user_id)).rowcount
            line = self.erasures.note(connection, user_id, rows=gone, owner=owner, reason=reason, now=self._now())
        if in_file:
            with self.engine.connect() as connection:  # the write-ahead log holds the old pages until then
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        return line, gone

    def tidy(self) -> int:
        """Drops what is too old or too much; how many events that were."""
        self._tidied_s, self._since_tidied = self._clock(), 0
        with self.engine.begin() as connection:
            gone = connection.execute(delete(events).where(events.c.at < self._oldest())).rowcount
            limit = select(events.c.at).order_by(events.c.at.desc()).offset(self._keep_rows).limit(1)
            if (newest_to_go := connection.execute(limit).scalar_one_or_none()) is not None:
                gone += connection.execute(delete(events).where(events.c.at < newest_to_go)).rowcount
                newer = select(func.count()).select_from(events).where(events.c.at > newest_to_go)
                room = max(0, self._keep_rows - connection.execute(newer).scalar_one())  # more may have come meanwhile
                gone += connection.execute(_without_surplus(newest_to_go, room=room)).rowcount
        return gone

    def too_far_ahead(self, new: Sequence[Event]) -> int | None:
        """The place of the first that lies more than a day ahead of the clock, if one does."""
        latest = moment(self._now() + MOST_AHEAD)
        return next((place for place, event in enumerate(new) if moment(event.at) > latest), None)

    def count(self) -> int:
        """How many events there are."""
        with self.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(events)).scalar_one()

    def _oldest(self) -> str:
        return moment(self._now() - timedelta(days=self._keep_days))


def _without_surplus(at: str, *, room: int) -> Delete:
    """So many events of this moment stay."""
    key = list(events.primary_key.columns)
    surplus = select(*key).where(events.c.at == at).order_by(*key).offset(room)
    return delete(events).where(tuple_(*key).in_(surplus))


def _row(event: Event) -> dict[str, Any]:
    return {**event.model_dump(), "at": moment(event.at)}
