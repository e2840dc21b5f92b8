"""The sales history in memory: an immutable snapshot for readers, replaced whenever sales, plans or a table arrive."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import polars as pl
from sqlalchemy.exc import SQLAlchemyError

from supermegaretail.columns import KEY
from supermegaretail.contract import Plan, Sale
from supermegaretail.history import SalesHistory
from supermegaretail.kept_tables import KeptTables
from supermegaretail.ledger import Arrived, Ledger, Position
from supermegaretail.monitoring.scoring import DayKey
from supermegaretail.table import load_table, merge


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
        self._folds = -1
        self._applied: int | None = None  # number of the last write in `history`; None: the ledger was never read
        self._writer = threading.Lock()

    @property
    def history(self) -> SalesHistory:
        return self.known.history

    def refresh(self) -> News:
        """Takes in what arrived through other replicas, and reads everything anew after an import or a fold.

        Blocks for as long as that takes, so not on the event loop. While the state database can't be read, `trouble`
        says so: what is known stays in force, and at the start the table file is served without what arrived since.
        """
        with self._writer:
            stamp = _stamp(self._table_path)
            try:
                news = self._refresh(stamp)
            except SQLAlchemyError as error:
                self.trouble = f"sales and plans that arrived can't be read: {type(error).__name__}"
                if self._applied is not None or stamp == self._table_stamp:
                    return News()
                self._build(stamp, pl.DataFrame(), Position())
                return News(reloaded=True)
            self.trouble = None
            return news

    def record_sales(self, rows: Sequence[Sale]) -> None:
        """Durable and visible to the next forecast when it returns; to those of other replicas a second later."""
        with self._writer:
            self._apply(self._ledger.record_sales(rows))

    def record_plans(self, rows: Sequence[Plan]) -> None:
        """Likewise."""
        with self._writer:
            self._apply(self._ledger.record_plans(rows))

    def _refresh(self, stamp: tuple[int, ...] | None) -> News:
        counts = self._ledger.counts()  # before the rows: what comes in between is found the next time
        known = self._applied is not None and (stamp, counts.folds) == (self._table_stamp, self._folds)
        if self._applied is None or not known or counts.arrivals < self._applied:  # fewer: it is another database
            arrived = self._ledger.read()
            self._applied, self._folds = max(counts.arrivals, arrived.number), counts.folds
            self._build(stamp, arrived.rows, Position(self._folds, self._applied))
            return News(reloaded=True)
        if counts.arrivals == self._applied:
            return News()
        arrived = self._ledger.read(after=self._applied)
        self._applied = max(counts.arrivals, arrived.number)
        self._update(arrived.rows, Position(self._folds, self._applied))
        return News(sold=_sold(arrived.rows))

    def _build(self, stamp: tuple[int, ...] | None, arrived: pl.DataFrame, position: Position) -> None:
        table = self._kept.keep(self._table_path) if self._kept is not None else None
        kept = None if self._kept is None or table is None else self._kept.find(table)
        self.known = Known(SalesHistory.build(_joined(kept or self._table_path, arrived)), table, position)
        self._table_stamp = stamp

    def _update(self, rows: pl.DataFrame, position: Position) -> None:
        history, table, _ = self.known
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
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size
