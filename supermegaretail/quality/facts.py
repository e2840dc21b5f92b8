"""What all checks look at: the table's span, and one line per day and per series, each made in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from supermegaretail.quality.limits import Limits

SERIES = ("store", "sku")


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """A table with at least one day of sales, and what is known about it.

    `days`: as in `by_day`, without those that are astray.
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


def facts_of(table: pl.DataFrame, limits: Limits) -> Facts | None:
    """None where there is not one day of sales."""
    sold = table.lazy().filter(pl.col("sales").is_not_null())
    days = by_day(sold, limits)
    if days.is_empty():
        return None
    main, astray = main_part(days, limits)
    first_day, last_day = main["date"][0], main["date"][-1]
    return Facts(table, limits, first_day, last_day, main, _by_series(sold, last_day, limits), astray)


def by_day(sold: pl.LazyFrame, limits: Limits) -> pl.DataFrame:
    """Per `date` with sales, ascending, `reports`, `mean` units per report, and whether any store is plainly `open`."""
    of_stores = sold.group_by("store", "date").agg(reports=pl.len(), units=pl.col("sales").cast(pl.Float64).sum())
    reports = pl.col("reports")
    is_open = (reports >= limits.open_reports) & (reports >= limits.open_share * reports.median().over("store"))
    days = of_stores.with_columns(open=is_open).group_by("date")
    return (
        days.agg(reports.sum(), mean=pl.col("units").sum() / reports.sum(), open=pl.col("open").any())
        .sort("date")
        .collect()
    )


def main_part(days: pl.DataFrame, limits: Limits) -> tuple[pl.DataFrame, tuple[date, ...]]:
    """The days (as in `by_day`) without the few rows that lie beyond a gap of weeks, and the days of those.

    A store that is open again is no few rows. Where no part has more than a few rows, all are the chain.
    """
    gap = (pl.col("date").diff().dt.total_days() > limits.gap_days).fill_null(False)
    parts = days.with_columns(part=gap.cum_sum())
    rows = pl.col("reports").sum().over("part") / pl.col("reports").sum()
    reopened = pl.col("open").any().over("part")
    main = parts.filter((rows >= limits.astray) | reopened | (rows.max() < limits.astray)).drop("part")
    return main, tuple(parts.join(main, on="date", how="anti")["date"].sort())


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
