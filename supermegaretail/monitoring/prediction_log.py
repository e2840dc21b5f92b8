"""The prediction log: every answered forecast, in parquet, written behind the back of whoever answers.

Logging an answer takes microseconds and never fails it. A disk that is slow, full or gone costs rows of the log, which
are counted, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial

import polars as pl
import structlog
from prometheus_client import CollectorRegistry, Counter

from common.write_behind import WriteBehind
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
        self._waiting = WriteBehind[Answered](
            "prediction-log",
            size_of=lambda answered: answered.rows,
            write=self._write,
            tidy=self._join,
            dropped=lambda answered: self._dropped.inc(answered.rows),
            most_waiting=most_waiting_rows,
            flush_size=FLUSH_ROWS,
            flush_every_s=flush_every_s,
            tidy_every_s=tidy_every_s,
        )
        self.start, self.close = self._waiting.start, self._waiting.close
        self.put, self.flush = self._waiting.put, self._waiting.flush

    def find(self, request_id: str, *, flush_s: float = 1.0) -> pl.DataFrame:
        """The rows of the last request of this id, by item and day; empty if unknown. Blocks; may raise `OSError`."""
        self.flush(flush_s)
        rows = self.partitions.read(lambda all_rows: each_once(all_rows.filter(pl.col("request_id") == request_id)))
        newest = rows.filter(pl.col("made_at") == pl.col("made_at").max())
        return newest.sort("position", "horizon_days")

    def _write(self, taken: Sequence[Answered]) -> None:
        by_day: dict[date, list[Answered]] = {}
        for answered in taken:
            by_day.setdefault(answered.made_at.date(), []).append(answered)
        for day, group in by_day.items():
            if not self._guarded(partial(self._append, group, day)):
                self._dropped.inc(sum(one.rows for one in group))
        self._guarded(self.partitions.tidy)

    def _join(self) -> None:
        self._guarded(self.partitions.join)
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
