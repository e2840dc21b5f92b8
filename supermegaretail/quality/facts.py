"""What all checks look at: the table's span, and one line per day and per series, each made in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from supermegaretail.quality.limits import Limits

SERIES = ("store", "sku")
CLOCKS_APART = timedelta(days=1)  # a store may be a day ahead of us


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """A table with at least one day of sales, and what is known about it.

    `days`: as in `main_part`.
    `series`: per store and sku the `first` and `last` day reported, `reports` in all; of the last `live_days` before
    `last_day`: `selling` days, `last_sale`, `reports_till_sale`; of all days `whole` (share of reports in whole units)
    and `fractions`.
    """

    table: pl.DataFrame
    limits: Limits
    first_day: date
    last_day: date
    days: pl.DataFrame
    series: pl.DataFrame
    astray: tuple[date, ...]  # days of sales far from all others: wrong dates, left out of `last_day`

    @property
    def sold(self) -> pl.LazyFrame:
        """The rows with sales."""
        return self.table.lazy().filter(pl.col("sales").is_not_null())

    def last(self, days: int, *, before: int = 0) -> pl.Expr:
        """Whether a row's date is one of so many days that end `before` days before the last day of sales."""
        end = self.last_day - timedelta(before)
        return pl.col("date").is_between(end - timedelta(days - 1), end)

    @property
    def month(self) -> pl.Expr:
        return self.last(self.limits.month_days)

    @property
    def month_before(self) -> pl.Expr:
        return self.last(self.limits.month_days, before=self.limits.month_days)


def facts_of(table: pl.DataFrame, limits: Limits, *, today: date) -> Facts | None:
    """None where there is not one day of sales."""
    sold = table.lazy().filter(pl.col("sales").is_not_null())
    main, astray = main_part(sold, limits, today=today)
    if main.is_empty():
        return None
    first_day, last_day = main["date"][0], main["date"][-1]
    return Facts(table, limits, first_day, last_day, main, _by_series(sold, last_day, limits), astray)


def main_part(sold: pl.LazyFrame, limits: Limits, *, today: date) -> tuple[pl.DataFrame, tuple[date, ...]]:
    """Per `date` with sales, ascending, `reports` and `mean` units per report; and the days that are left out of it.

    These are the few rows that lie beyond a gap of weeks. A store that is open again is no few rows, if it was open
    among the others and no clock is before its day. Where no part has more than a few rows, all are the chain.
    """
    reports, day, units = pl.col("reports"), pl.col("date"), pl.col("units")
    of_stores = sold.group_by("store", "date").agg(reports=pl.len(), units=pl.col("sales").cast(pl.Float64).sum())
    gap = (day.diff().dt.total_days() > limits.gap_days).fill_null(False)
    parts = (
        of_stores.sort("date")
        .with_columns(part=gap.cum_sum())
        .with_columns(share=reports.sum().over("part") / reports.sum(), begins=day.min().over("part"))
    )
    large = (pl.col("share") >= limits.astray) | (pl.col("share").max() < limits.astray)
    usual = reports.filter(pl.col("large")).median().over("store")
    reopened = (reports >= limits.open_reports) & (reports >= limits.open_share * pl.col("usual"))
    reopened &= pl.col("begins") <= today + CLOCKS_APART
    days = (
        parts.with_columns(large=large)
        .with_columns(usual=usual)
        .with_columns(main=pl.col("large") | reopened.any().over("part"))
        .group_by("date")
        .agg(reports.sum(), mean=units.sum() / reports.sum(), main=pl.col("main").any())
        .sort("date")
        .collect()
    )
    return days.filter("main").drop("main"), tuple(days.filter(~pl.col("main"))["date"])


def _by_series(sold: pl.LazyFrame, last_day: date, limits: Limits) -> pl.DataFrame:
    sales, day = pl.col("sales"), pl.col("date")
    live = sold.filter(day <= last_day)
    recent, is_whole = day > last_day - timedelta(limits.live_days), sales == sales.round(0)
    last_sale = pl.when(recent & (sales > 0)).then(day).max()
    by_series = live.group_by(SERIES).agg(
        first=day.min(),
        last=day.max(),
        reports=pl.len(),
        whole=is_whole.mean(),
        fractions=(~is_whole).sum(),
        last_sale=last_sale,
        selling=(recent & (sales > 0)).sum(),
        reports_till_sale=(recent & (day <= last_sale)).sum(),
    )
    return by_series.sort(SERIES).collect()
