"""How often each override shaped answers, and how far from the model it was: counted in memory, stored in a thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event, Lock, Thread
from typing import Any

import structlog
from sqlalchemy import BigInteger, Column, Float, MetaData, String, Table, delete, select
from sqlalchemy.exc import SQLAlchemyError

from common.chain.switches import Clock, utc_now
from common.state.database import create_tables, upsert, widen_integers
from common.state.overrides import OverrideStore, iso, overrides

FLUSH_EVERY_S = 5.0
CLOSE_WITHIN_S = 5.0
ALL_EVERY_S = 600.0  # in between only what was used of late is read
CLOCKS_APART_S = 60.0  # at most, of replicas
MAX_COUNTED = 20_000  # different overrides between two flushes: as many as can be in force

metadata = MetaData()
uses = Table(
    "override_uses",
    metadata,
    Column("override_id", String(32), primary_key=True),
    Column("scope", String(64), nullable=False, index=True),
    Column("used", BigInteger, nullable=False),
    Column("last_used_at", String(40), nullable=False),
    Column("compared", BigInteger, nullable=False),  # uses of which the model's own word is known
    Column("difference", Float, nullable=False),  # Σ told − model
    Column("distance", Float, nullable=False),  # Σ |told − model|
)
ADDED = ("used", "compared", "difference", "distance")
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Count:
    """Of one override: uses, and of those that could be compared, how far from the model, summed up."""

    used: int = 0
    compared: int = 0
    difference: float = 0.0
    distance: float = 0.0

    def add(self, other: Count) -> None:
        self.used += other.used
        self.compared += other.compared
        self.difference += other.difference
        self.distance += other.distance


class OverrideUses:
    """Never makes a request wait: `note` adds to numbers in memory. A crash loses those of the last seconds."""

    def __init__(self, store: OverrideStore, *, clock: Clock = utc_now, every_s: float = FLUSH_EVERY_S) -> None:
        create_tables(store.engine, metadata)
        widen_integers(store.engine, metadata)
        self.trouble: str | None = None  # why the counts may be old
        self.flushed: Callable[[], object] = int  # is called in the thread after each try to store them
        self.stored: dict[str, dict[str, Any]] = {}  # by override, as of the last flush, all replicas together
        self._store = store
        self._clock = clock
        self._every_s = every_s
        self._counts: dict[str, Count] = {}
        self._lock = Lock()
        self._ended = Event()
        self._tidied = ""  # the day of the last time
        self._read_at: datetime | None = None
        self._all_read_at: datetime | None = None
        self._thread: Thread | None = None

    def note(self, override_id: str, count: Count) -> None:
        """It shaped `count.used` more answers."""
        with self._lock:
            self._add(override_id, count)

    def start(self) -> None:
        """Begins to store counts."""
        self._thread = Thread(target=self._run, name="override-uses", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stores what is left, if that works within some seconds. It blocks: call it in a thread."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(CLOSE_WITHIN_S)

    def read(self) -> None:
        """Reads the counts of all replicas, changes nothing; raises `SQLAlchemyError`."""
        now = self._clock()
        whole = self._all_read_at is None or (now - self._all_read_at).total_seconds() > ALL_EVERY_S
        since = None if whole or self._read_at is None else iso(self._read_at - timedelta(seconds=CLOCKS_APART_S))
        found = self._used(since)
        self.stored = found if since is None else {**self.stored, **found} if found else self.stored
        self._read_at = now
        if since is None:
            self._all_read_at = now

    def flush(self) -> None:
        """Stores the counts now and reads those of all replicas; what can't be stored is kept for the next time."""
        with self._lock:
            counts, self._counts = self._counts, {}
        failed: SQLAlchemyError | None = None
        try:
            if counts:
                self._write(counts)
        except SQLAlchemyError as error:
            failed = error
            with self._lock:
                for override_id, count in counts.items():
                    self._add(override_id, count)
        try:  # what others stored is told all the same
            self._tidy()
            self.read()
        except SQLAlchemyError as error:
            failed = error
        if failed is not None and self.trouble is None:
            log.warning("overrides.not_counted", error=type(failed).__name__)
        self.trouble = None if failed is None else f"can't be stored: {type(failed).__name__}"

    def _add(self, override_id: str, count: Count) -> None:
        known = self._counts.get(override_id)
        if known is not None:
            known.add(count)
        elif len(self._counts) < MAX_COUNTED:
            self._counts[override_id] = Count(count.used, count.compared, count.difference, count.distance)

    def _write(self, counts: dict[str, Count]) -> None:
        now = iso(self._clock())
        statement = upsert(self._store.engine, uses)
        more = {name: uses.c[name] + statement.excluded[name] for name in ADDED}
        adding = statement.on_conflict_do_update(
            index_elements=["override_id"], set_={**more, "last_used_at": statement.excluded.last_used_at}
        )
        rows = [
            {
                "override_id": override_id,
                "scope": self._store.scope,
                "last_used_at": now,
                **{name: getattr(count, name) for name in ADDED},
            }
            for override_id, count in sorted(counts.items())  # one order for all replicas: no two wait for each other
        ]
        with self._store.engine.begin() as connection:
            connection.execute(adding, rows)

    def _used(self, since: str | None) -> dict[str, dict[str, Any]]:
        query = select(uses).where(uses.c.scope == self._store.scope)
        if since is not None:
            query = query.where(uses.c.last_used_at >= since)
        with self._store.engine.connect() as connection:
            rows = connection.execute(query).mappings()
            return {row["override_id"]: dict(row) for row in rows}

    def _tidy(self) -> None:
        now: datetime = self._clock()
        if self._tidied == (day := now.date().isoformat()):
            return
        self._store.forget(now=now)
        with self._store.engine.begin() as connection:
            known = select(overrides.c.id)
            connection.execute(delete(uses).where(uses.c.scope == self._store.scope, uses.c.override_id.not_in(known)))
        self._tidied = day

    def _run(self) -> None:
        self._flush_safely()
        while not self._ended.wait(self._every_s):
            self._flush_safely()
        self._flush_safely()

    def _flush_safely(self) -> None:
        try:
            self.flush()
            self.flushed()
        except Exception:
            log.exception("overrides.bug")
