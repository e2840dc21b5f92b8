"""The sales history in memory: an immutable snapshot for readers, replaced whenever sales, plans or a table arrive."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import polars as pl
from sqlalchemy.exc import SQLAlchemyError

from supermegaretail.columns import KEY, ImportProblem
from supermegaretail.contract import Plan, Sale
from supermegaretail.history import SalesHistory
from supermegaretail.kept_tables import KeptTables
from supermegaretail.ledger import Arrived, Ledger, Position
from supermegaretail.monitoring.scoring import DayKey
from supermegaretail.table import load_table, merge
from supermegaretail.told_rows import BadRows, NotKnownNow, check_days, check_inputs

AGAIN_S = 5.0  # a table file that can't be read is tried again after so long, and at once when it is another one


@dataclass(frozen=True, slots=True)
class News:
    """What a refresh brought: another table, of which any row may have changed, or single sales."""

    reloaded: bool = False
    sold: Sequence[DayKey] = ()


class Known(NamedTuple):
    """A history, and what it was made of: a kept table file, if there is one, and the writes in the ledger."""

    history: SalesHistory
    table: str | None
    position: Position


class SalesBook:
    """Table file plus ledger. `history` may be read at any time and from any thread; `known` tells what it knows, too.

    Args:
        kept: where table files stay that a history was made from; None: nowhere.
    """

    def __init__(self, table_path: Path, ledger: Ledger, kept: KeptTables | None = None) -> None:
        self.known = Known(SalesHistory.build(pl.DataFrame()), None, Position())
        self.trouble: str | None = "not read yet"
        self._table_path = table_path
        self._ledger = ledger
        self._kept = kept
        self._table_stamp: tuple[int, ...] | None = ()  # like no file
        self._unreadable: str | None = None
        self._unread: tuple[int, ...] | None = ()  # stamp of the file that could not be read,
        self._again_s = 0.0  # and when it is tried again
        self._inputs: Collection[str] = frozenset()  # columns x_… of the table
        self._middle = 0  # of the days when all was read anew
        self._folds = -1
        self._applied: int | None = None  # number of the last write in `history`; None: the ledger was never read
        self._writer = threading.Lock()

    @property
    def history(self) -> SalesHistory:
        return self.known.history

    @property
    def lacks_table(self) -> bool:
        """Whether there is a table file that could never be read: what is known then is not the chain."""
        return self._table_stamp == () and self._unreadable is not None

    def refresh(self) -> News:
        """Takes in what arrived through other replicas, and reads everything anew after an import or a fold.

        Blocks for as long as that takes, so not on the event loop. While the state database or the table file can't be
        read, `trouble` says so: what is known stays in force and what arrives is added to it. At the start the one of
        them that can be read is served.
        """
        with self._writer:
            stamp = _stamp(self._table_path)
            unread = None
            try:
                news = self._refresh(stamp)
            except SQLAlchemyError as error:
                unread = f"sales and plans that arrived can't be read: {type(error).__name__}"
                anew = self._applied is None and stamp != self._table_stamp and not self._waits(stamp)
                news = News(reloaded=anew and self._build(stamp, pl.DataFrame(), Position()))
            self.trouble = "; ".join(part for part in (self._unreadable, unread) if part) or None
            return news

    def record_sales(self, rows: Sequence[Sale]) -> None:
        """Durable and visible to the next forecast when it returns; to those of other replicas a second later.

        Raises `BadRows`, and `NotKnownNow` where it is not known what is bad.
        """
        with self._writer:
            self._check(rows, where="sales")
            self._apply(self._ledger.record_sales(rows))

    def record_plans(self, rows: Sequence[Plan]) -> None:
        """Likewise."""
        with self._writer:
            self._check(rows, where="plans")
            self._apply(self._ledger.record_plans(rows))

    def _check(self, rows: Sequence[Sale] | Sequence[Plan], *, where: str) -> None:
        check_days(rows, self.history.panel, self.history.last_day, middle=self._middle, where=where)
        try:
            check_inputs(rows, self._inputs, where=where)
        except BadRows as error:
            if self.trouble is not None:  # the table may have them
                raise NotKnownNow(str(error)) from error
            raise

    def _refresh(self, stamp: tuple[int, ...] | None) -> News:
        counts = self._ledger.counts()  # before the rows: what comes in between is found the next time
        begins = self._applied is None
        settled = not begins and (stamp, counts.folds) == (self._table_stamp, self._folds)
        if settled:
            self._unreadable = None
        is_other = counts.arrivals < (self._applied or 0)  # another database
        if (not settled or is_other) and not self._waits(stamp):
            arrived = self._ledger.read()
            position = Position(counts.folds, max(counts.arrivals, arrived.number))
            if self._build(stamp, arrived.rows, position):
                self._applied, self._folds = position.applied, position.folds
                return News(reloaded=True)
        if begins:
            self._applied, self._folds = 0, counts.folds
        assert self._applied is not None
        if counts.arrivals <= self._applied:
            return News()
        arrived = self._ledger.read(after=self._applied)
        self._applied = max(counts.arrivals, arrived.number)
        self._update(arrived.rows, Position(self._folds, self._applied))
        return News(reloaded=True) if begins else News(sold=_sold(arrived.rows))

    def _build(self, stamp: tuple[int, ...] | None, arrived: pl.DataFrame, position: Position) -> bool:
        """Whether the table file could be read; else nothing is changed."""
        table = self._kept.keep(self._table_path) if self._kept is not None else None
        kept = None if self._kept is None or table is None else self._kept.find(table)
        try:
            if (stamp or self._table_stamp or self._unreadable) and kept is None and not self._table_path.exists():
                raise ImportProblem(f"{self._table_path}: it is gone")
            joined = _joined(kept or self._table_path, arrived)
        except (ImportProblem, OSError) as error:
            if kept is not None and not isinstance(error.__cause__ or error, OSError):  # its bytes are at fault
                kept.unlink(missing_ok=True)
            self._unreadable = f"the sales table can't be read: {error}"
            self._unread, self._again_s = stamp, time.monotonic() + AGAIN_S
            return False
        self.known = Known(SalesHistory.build(joined), table, position)
        self._inputs = frozenset(name for name in joined.columns if name.startswith("x_"))
        self._middle = self.history.panel.middle
        self._table_stamp, self._unreadable, self._unread = stamp, None, ()
        return True

    def _waits(self, stamp: tuple[int, ...] | None) -> bool:
        """Whether this file could not be read a moment ago."""
        return stamp == self._unread and time.monotonic() < self._again_s

    def _update(self, rows: pl.DataFrame, position: Position) -> None:
        history, table, _ = self.known
        if self._table_stamp == ():  # inputs x_… have their places by the table, which was never read
            rows = rows.select(pl.exclude("^x_.*$"))
        self.known = Known(history if rows.is_empty() else history.updated(rows), table, position)

    def _apply(self, arrived: Arrived) -> None:
        before = self.known.position
        if self._applied is not None and arrived.number == self._applied + 1:
            self._applied = arrived.number  # else other replicas' writes lie between, and the next refresh reads all
            position = replace(before, applied=arrived.number)
        else:
            position = replace(before, beyond=(*before.beyond, arrived.number))
        self._update(arrived.rows, position)


def whole_table(table_path: Path, ledger: Ledger) -> pl.DataFrame:
    """What was imported and what arrived since, as one canonical table; empty when nothing is there."""
    arrived = ledger.read().rows  # before the file: what a fold takes out of the ledger is in the file by then
    return _joined(table_path, arrived)


def history_of(table: Path | None, arrived: pl.DataFrame) -> SalesHistory:
    """What is known from a table file, if there is one, and these later rows."""
    return SalesHistory.build(_joined(table, arrived) if table is not None else arrived)


def _joined(table_path: Path, arrived: pl.DataFrame) -> pl.DataFrame:
    imported = load_table(table_path) if table_path.exists() else None
    if arrived.is_empty():
        return pl.DataFrame() if imported is None else imported
    return merge(imported, arrived)


def _sold(rows: pl.DataFrame) -> list[DayKey]:
    return rows.filter(pl.col("sales").is_not_null()).select(KEY).rows() if rows.height else []


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
