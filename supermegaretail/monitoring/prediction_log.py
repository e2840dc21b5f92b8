"""The prediction log: every answered forecast, in parquet, written behind the back of whoever answers.

Logging an answer takes microseconds and never fails it. A disk that is slow, full or gone costs rows of the log, which
are counted, and nothing else.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import date
from functools import partial

import polars as pl
import structlog
from prometheus_client import CollectorRegistry, Counter

from supermegaretail.monitoring.partitions import Partitions, each_once
from supermegaretail.monitoring.records import Answered, table_of

MOST_WAITING_ROWS = 300_000  # items × days: a few seconds of the largest requests
FLUSH_ROWS = 50_000
FLUSH_EVERY_S = 3.0
TIDY_EVERY_S = 60.0
log = structlog.get_logger(__name__)


class PredictionLog:
    """One thread writes; `put` may be called from any, the event loop included. To be started and closed once."""

    def __init__(
        self,
        partitions: Partitions,
        registry: CollectorRegistry,
        *,
        most_waiting_rows: int = MOST_WAITING_ROWS,
        flush_every_s: float = FLUSH_EVERY_S,
        tidy_every_s: float = TIDY_EVERY_S,
    ) -> None:
        self.partitions = partitions
        self.trouble: str | None = None  # why the latest rows are not on the disk
        self._dropped = Counter(
            "prediction_log_dropped_total", "Logged items × days that were not written.", registry=registry
        )
        registry.register(partitions.damaged)
        self._most_waiting_rows = most_waiting_rows
        self._flush_every_s = flush_every_s
        self._tidy_every_s = tidy_every_s
        self._waiting: deque[Answered] = deque()
        self._waiting_rows = 0
        self._changed = threading.Condition()
        self._taken = self._written = 0  # rounds of the writer that were begun, and that were ended
        self._hurry = self._closing = False
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, answered: Answered) -> None:
        """Returns at once; a full queue drops the answer and counts its rows."""
        rows = answered.rows
        with self._changed:
            if self._closing or self._waiting_rows + rows > self._most_waiting_rows:
                self._dropped.inc(rows)
                return
            self._waiting.append(answered)
            self._waiting_rows += rows
            if len(self._waiting) == 1 or self._waiting_rows >= FLUSH_ROWS:
                self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Has everything written that was put before; False if that takes longer. Not for the event loop."""
        with self._changed:
            if not self._waiting and self._written == self._taken:
                return True
            wanted = self._taken + (1 if self._waiting else 0)
            self._hurry = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._written >= wanted, timeout_s)

    def close(self, timeout_s: float = 2.0) -> None:
        """Writes what is waiting, for at most `timeout_s`."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def find(self, request_id: str, *, flush_s: float = 1.0) -> pl.DataFrame:
        """The rows of the last request of this id, by item and day; empty if unknown. Blocks; may raise `OSError`."""
        self.flush(flush_s)
        rows = self.partitions.read(lambda all_rows: each_once(all_rows.filter(pl.col("request_id") == request_id)))
        newest = rows.filter(pl.col("made_at") == pl.col("made_at").max())
        return newest.sort("position", "horizon_days")

    def _run(self) -> None:
        tidy_at_s = time.monotonic() + self._tidy_every_s
        while True:
            taken, closing = self._take(tidy_at_s)
            if taken:
                self._write(taken)
            with self._changed:
                self._written = self._taken
                self._changed.notify_all()
            if closing:
                return
            if time.monotonic() >= tidy_at_s:  # also when nothing is written: what is too old has to go
                self._guarded(self.partitions.join)
                self._guarded(self.partitions.tidy)
                tidy_at_s = time.monotonic() + self._tidy_every_s

    def _take(self, until_s: float) -> tuple[list[Answered], bool]:
        """Waits for something to write, at most until then, and after that for more to come with it."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing, max(until_s - time.monotonic(), 0.0))
            if self._waiting:
                self._changed.wait_for(
                    lambda: self._hurry or self._closing or self._waiting_rows >= FLUSH_ROWS, self._flush_every_s
                )
            taken, self._waiting = list(self._waiting), deque()
            self._waiting_rows = 0
            self._hurry = False
            self._taken += 1
            return taken, self._closing

    def _write(self, taken: list[Answered]) -> None:
        by_day: dict[date, list[Answered]] = {}
        for answered in taken:
            by_day.setdefault(answered.made_at.date(), []).append(answered)
        for day, group in by_day.items():
            if not self._guarded(partial(self._append, group, day)):
                self._dropped.inc(sum(one.rows for one in group))
        self._guarded(self.partitions.tidy)

    def _append(self, group: list[Answered], day: date) -> None:
        self.partitions.write(table_of(*group), day)
        self.trouble = None

    def _guarded(self, work: Callable[[], None]) -> bool:
        """Whether it could be done; if not, `trouble` says why, and the log says so once."""
        try:
            work()
        except (OSError, pl.exceptions.PolarsError) as error:
            if self.trouble is None:
                log.warning("prediction_log.not_written", error=f"{type(error).__name__}: {error}")
            self.trouble = f"can't be written: {type(error).__name__}"
        except Exception:
            log.exception("prediction_log.bug")
            self.trouble = "can't be written: a bug"
        else:
            return True
        return False
