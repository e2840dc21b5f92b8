"""The sales history in memory: an immutable snapshot for readers, replaced whenever sales, plans or a table arrive."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import polars as pl

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
        self._table_stamp: tuple[int, int] | None = None
        self._writer = threading.Lock()

    def reload_if_changed(self) -> None:
        """Reads the imported table when it is new; blocks for as long as that takes, so not on the event loop."""
        stamp = _stamp(self._table_path)
        if stamp == self._table_stamp and self.trouble is None:
            return
        with self._writer:
            try:
                self.history = SalesHistory.build(whole_table(self._table_path, self._ledger))
            except Exception as error:
                self.trouble = f"{type(error).__name__}: {error}"
                raise
            self._table_stamp, self.trouble = stamp, None

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
    imported = load_table(table_path) if table_path.exists() else None
    arrived = ledger.rows()
    if arrived.is_empty():
        return pl.DataFrame() if imported is None else imported
    return merge(imported, arrived)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size
