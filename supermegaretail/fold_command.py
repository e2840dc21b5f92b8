"""`data import`, `data demo` and `data fold` as a person at a terminal sees them."""

from __future__ import annotations

import polars as pl
from sqlalchemy.exc import SQLAlchemyError

from common.command_line import Failed
from common.progress import progress
from common.state.database import open_state
from supermegaretail.folding import fold
from supermegaretail.ledger import Ledger
from supermegaretail.settings import RetailSettings


def keep(settings: RetailSettings, imported: pl.DataFrame | None = None, *, replace: bool = False) -> pl.DataFrame:
    """Folds what arrived, and then `imported`, into the table file; prints and returns it. Raises `Failed`."""
    try:
        with progress("saving"):
            table = fold(settings.table_path, Ledger(open_state(settings)), imported, replace=replace)
    except SQLAlchemyError as error:
        raise Failed(f"the state database can't be used: {type(error).__name__}; doing it again is safe") from error
    if table.is_empty():
        raise Failed("no sales are known yet: there is nothing to fold")
    print(f"{settings.table_path}: {table.height:,} rows, {table.select('store', 'sku').n_unique():,} series")
    return table
