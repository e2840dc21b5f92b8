"""Answers on their way into the replay store: noted in microseconds, worked out and written on a thread of its own.

A disk that is slow, full or gone costs records, which are counted, and never an answer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter

from common.replay.store import Record, ReplayStore, Shared, digest_of
from common.write_behind import WriteBehind

MOST_WAITING_BYTES = 32 * 2**20  # of answers
EACH_BYTES = 4_096  # that a noted answer holds beside its bytes, about
FLUSH_BYTES = 4 * 2**20
FLUSH_EVERY_S = 2.0
TIDY_EVERY_S = 60.0
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Telling:
    """Collects what records share while they are told."""

    shared: dict[bytes, Shared] = field(default_factory=dict)
    _digests: dict[Hashable, str] = field(default_factory=dict)

    def put_once(self, key: Hashable, document: Callable[[], Any], *, subject: str = "") -> str:
        """The same for what many records name: made once for all that have this key."""
        digest = self._digests.get(key)
        if digest is None:
            digest = self._digests[key] = self.put(document(), subject=subject)
        return digest

    def put(self, document: Any, *, subject: str = "") -> str:
        """Keeps it once; its digest in hexadecimal."""
        one = Shared.of(document, subject=subject)
        self.shared[one.digest] = one
        return one.digest.hex()


@dataclass(frozen=True, slots=True)
class Noted:
    """One answer. `tell` says later, on another thread, how it was made: it may hold nothing that changes."""

    request_id: str
    at: datetime
    caller: str
    endpoint: str
    answer: bytes
    tell: Callable[[Telling], dict[str, Any]]


class ReplayLog:
    """One thread writes; `put` and `forget` may be called on the event loop. To be started and closed once.

    Args:
        also_tidy: is called whenever what is too old goes; runs on the thread.
        gone: of these subjects, those of which nothing may be kept any more; likewise.
    """

    def __init__(
        self,
        store: ReplayStore,
        registry: CollectorRegistry,
        *,
        also_tidy: Callable[[], None] = lambda: None,
        gone: Callable[[Sequence[str]], Sequence[str]] = lambda _subjects: (),
    ) -> None:
        self.store = store
        self.trouble: str | None = None  # why the latest answers can't be made again
        self._also_tidy, self._gone = also_tidy, gone
        self._dropped = Counter("replay_dropped_total", "Answers that can't be made again.", registry=registry)
        self._queue = WriteBehind[Noted | str](  # a text is a subject to be forgotten: it takes no room, so it has some
            "replay-log",
            size_of=lambda one: 0 if isinstance(one, str) else len(one.answer) + EACH_BYTES,
            write=self._write,
            tidy=self.tidy,
            dropped=lambda _one: self._dropped.inc(),
            most_waiting=MOST_WAITING_BYTES,
            flush_size=FLUSH_BYTES,
            flush_every_s=FLUSH_EVERY_S,
            tidy_every_s=TIDY_EVERY_S,
        )
        self.start, self.put, self.flush, self.close = (
            self._queue.start,
            self._queue.put,
            self._queue.flush,
            self._queue.close,
        )

    def find(self, request_id: str, *, flush_s: float = 1.0) -> Record | None:
        """The record of the last answer under this id. Blocks; may raise `sqlite3.Error` or `OSError`."""
        self.flush(flush_s)
        return self.store.find(request_id) if self.store.path.exists() else None

    def forget(self, subject: str) -> None:
        """Nothing about it is on the disk soon; what can't be deleted now is tried again with all that is `gone`."""
        self.put(subject)

    def _write(self, taken: Sequence[Noted | str]) -> None:
        noted = [one for one in taken if not isinstance(one, str)]
        if noted:
            self._put_down(noted)
        if subjects := [one for one in taken if isinstance(one, str)]:
            self._forget(subjects)

    def _forget(self, subjects: Sequence[str]) -> None:
        if subjects and self.store.path.exists():
            self._guarded(lambda: self.store.forget(subjects))

    def _forget_gone(self) -> None:
        self._forget(self._gone(self.store.subjects()))

    def _put_down(self, noted: Sequence[Noted]) -> None:
        telling, records = Telling(), list[Record]()
        for one in noted:
            try:
                told = one.tell(telling)
            except Exception:
                log.exception("replay.bug")
                self._dropped.inc()
                continue
            at = one.at.astimezone(UTC).isoformat(timespec="milliseconds")
            digest = digest_of(one.answer)
            records.append(Record(one.request_id, at, one.caller, one.endpoint, digest, len(one.answer), told))
        if not self._guarded(lambda: self.store.write(records, list(telling.shared.values()))):
            self._dropped.inc(len(records))

    def tidy(self) -> None:
        """Gives up what is too old, too much, or about what is gone; called every minute on the log's own thread."""
        self._guarded(self._also_tidy)
        if self.store.path.exists():
            self._guarded(self._forget_gone)
            self._guarded(self.store.tidy)

    def _guarded(self, work: Callable[[], object]) -> bool:
        """Whether it could be done; if not, `trouble` says why, and the log says so once."""
        try:
            work()
        except (OSError, sqlite3.Error) as error:
            if self.trouble is None:
                log.warning("replay.not_written", error=f"{type(error).__name__}: {error}")
            self.trouble = f"can't be written: {type(error).__name__}"
        except Exception:
            log.exception("replay.bug")
            self.trouble = "can't be written: a bug"
        else:
            self.trouble = None
            return True
        return False
