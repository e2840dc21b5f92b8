"""Folding: what arrived over HTTP, and then what is imported, becomes the table file, and the ledger is short again.

The order is begin, read, save, forget, and a crash between any two of them loses nothing that was accepted. After one
between save and forget the ledger still has rows that the file has, too: until the next fold they win over that import.
What is told from the beginning on, also once more, stays in the ledger.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path

import polars as pl

from supermegaretail.ledger import Ledger
from supermegaretail.table import load_table, merge, save_table


def fold(
    table_path: Path, ledger: Ledger, imported: pl.DataFrame | None = None, *, replace: bool = False
) -> pl.DataFrame:
    """The table as it is now in the file. Of two values for the same store, product and day the later one won.

    Blocks, also while another process folds. Raises `ImportProblem` for a damaged file, SQLAlchemy's errors, `OSError`.

    Args:
        imported: canonical rows, later than everything in the ledger.
        replace: forgets the file, but not what arrived over HTTP.
    """
    table_path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(table_path):
        begun = ledger.begin_fold()
        arrived = ledger.read()
        before = load_table(table_path) if table_path.exists() and not replace else pl.DataFrame()
        newer = [rows for rows in (arrived.rows, imported) if rows is not None and not rows.is_empty()]
        if not newer:
            return before
        table = reduce(merge, newer, before)
        save_table(table, table_path)
        if not arrived.rows.is_empty():
            ledger.forget(until=begun)
        return table


@contextmanager
def _alone(table_path: Path) -> Iterator[None]:
    """Else the slower of two would save a table without what the quicker one has put there and forgotten."""
    with table_path.with_name(f".{table_path.name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed, also by a crash
        yield
