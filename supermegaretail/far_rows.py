"""Rows of the sales table years away from all others: not kept in memory, for a series has all days between."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import structlog

from supermegaretail.series import MOST_DAYS, Ints

UNIX_EPOCH = date(1970, 1, 1).toordinal()
log = structlog.get_logger(__name__)


def ordinals(rows: pl.DataFrame) -> Ints:
    """The days of the rows."""
    return rows["date"].to_physical().to_numpy().astype(np.int64) + UNIX_EPOCH


def middle_of(rows: pl.DataFrame, before: int = 0) -> int:
    """A day amidst all rows, whatever a few wrong dates are; it follows what comes later than those `before`."""
    first, last = _ends(rows)
    middle = (first + last) // 2 if last - first <= MOST_DAYS else int(np.median(ordinals(rows)))
    if not before:
        return middle
    return max(before, middle - MOST_DAYS // 2) if middle - before <= MOST_DAYS else before


def near(rows: pl.DataFrame, middle: int) -> pl.DataFrame:
    """Those within `MOST_DAYS` of the day `middle`; how many others there are is logged."""
    first, last = _ends(rows)
    if middle - MOST_DAYS <= first and last <= middle + MOST_DAYS:
        return rows
    here = np.abs(ordinals(rows) - middle) <= MOST_DAYS
    log.warning("sales.rows_left_out", rows=int((~here).sum()), years_from=date.fromordinal(middle).isoformat())
    return rows.filter(here)


def _ends(rows: pl.DataFrame) -> tuple[int, int]:
    first, last = rows.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
    return first.toordinal(), last.toordinal()
