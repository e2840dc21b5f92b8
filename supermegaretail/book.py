"""The sales history in memory: an immutable snapshot for readers, replaced whenever sales, plans or a table arrive."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from sqlalchemy.exc import SQLAlchemyError

from supermegaretail.contract import Plan, Sale
from supermegaretail.history import SalesHistory
from supermegaretail.ledger import Ledger
from supermegaretail.table import load_table, merge


class SalesBook:
    """Imported table plus ledger. `history` may be read at any time and from any thread."""

    def __init__(self, table_path: Path, ledger: Ledger) -> None:
        self.history = SalesHistory.build(pl.DataFrame())
        self.trouble: str | None = "not read yet"
        self._table_path = table_path
        self._ledger = ledger
        self._table_stamp: tuple[int, ...] | None = ()  # like no file
        self._writer = threading.Lock()

    def reload_if_changed(self) -> None:
        """Reads the imported table when it is new; blocks for as long as that takes, so not on the event loop.

        Without the state database what was imported is served all the same, and `trouble` says what is missing.
        """
        stamp = _stamp(self._table_path)
        if stamp == self._table_stamp and self.trouble is None:
            return
        with self._writer:
            arrived = self._arrived()
            if arrived is None and stamp == self._table_stamp:
                return  # nothing better is to be had yet
            self.history = SalesHistory.build(_joined(self._table_path, arrived))
            self._table_stamp = stamp

    def _arrived(self) -> pl.DataFrame | None:
        try:
            arrived = self._ledger.rows()
        except SQLAlchemyError as error:
            self.trouble = f"sales and plans that arrived can't be read: {type(error).__name__}"
            return None
        self.trouble = None
        return arrived

    def record_sales(self, rows: Sequence[Sale]) -> None:
        """Durable and visible to the next forecast when it returns."""
        with self._writer:
            self.history = self.history.updated(self._ledger.record_sales(rows))

    def record_plans(self, rows: Sequence[Plan]) -> None:
        """Likewise."""
        with self._writer:
            self.history = self.history.updated(self._ledger.record_plans(rows))


def whole_table(table_path: Path, ledger: Ledger) -> pl.DataFrame:
    """What was imported and what arrived since, as one canonical table; empty when nothing is there."""
    return _joined(table_path, ledger.rows())


def _joined(table_path: Path, arrived: pl.DataFrame | None) -> pl.DataFrame:
    imported = load_table(table_path) if table_path.exists() else None
    if arrived is None or arrived.is_empty():
        return pl.DataFrame() if imported is None else imported
    return merge(imported, arrived)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size
