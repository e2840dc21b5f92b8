"""Logged forecasts against what was sold: pure functions, from rows of the prediction log to sums that can be added up.

A forecast that was asked for a thousand times counts once: the last one per item, day, as_of, tier and version. One
that was made when the day's sales were known already is no forecast and does not count, nor does a day on which a
stock-out hid the demand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

import numpy as np
import polars as pl

from supermegaretail.baseline import moving_average
from supermegaretail.contract import MAX_HORIZON_DAYS
from supermegaretail.features import Floats
from supermegaretail.history import SalesHistory
from supermegaretail.series import known_demand

DayKey: TypeAlias = tuple[str, str, date]  # store, sku, target day
Maker: TypeAlias = tuple[str, str]  # tier, version
Group: TypeAlias = tuple[str, str, str]  # tier, version, horizon
Sums: TypeAlias = dict[str, float]  # by figure; what is not there is 0

HORIZONS = {"1-7": 7, "8-14": 14, "15-28": MAX_HORIZON_DAYS}  # the last distance in days of each bucket
ABOVE_EVER = 1.5  # times the most that was ever sold
ABOVE_EVER_UNITS = 1.0  # a product that never sold counts as one that sold so many
LEVELS_PER_ONE = 200  # coverage is kept of levels in steps of 0.005, so that no caller makes the sums endless
SAME = ("store", "sku", "day", "as_of", "tier", "version")
GROUP = ("store", "sku", "day", "tier", "version", "horizon")
COLUMNS = (
    *("request_id", "made_at", "position", "store", "sku", "day", "as_of", "known_until", "horizon_days", "demand"),
    *("quantile_levels", "quantile_values", "served_by", "override_id"),
    *("core_version", "correction_version", "api_version"),
)


@dataclass(frozen=True, slots=True)
class Scored:
    """What the forecasts of one item for one day came to."""

    actual: float
    sums: dict[Group, Sums]


def countable() -> pl.Expr:
    """Rows of the log that were forecasts when they were made, not tales of known days."""
    return pl.col("known_until").is_null() | (pl.col("day") > pl.col("known_until"))


def demand_on(history: SalesHistory, keys: Sequence[DayKey]) -> Floats:
    """Demand in units [n]; NaN where sales are not known, or a stock-out hid what they would have been."""
    demand = np.full(len(keys), np.nan)
    for row, (store, sku, day) in enumerate(keys):
        place = history.panel.places.get((store, sku))
        if place is not None:
            one = history.panel.series[place]
            column = day.toordinal() - one.first_day
            if 0 <= column < one.values.shape[1]:
                demand[row] = known_demand(one.values[:, column : column + 1])[0]
    return demand


def scored(rows: pl.DataFrame, history: SalesHistory) -> dict[DayKey, Scored]:
    """Rows of the log (`COLUMNS`) about days whose sales are known, scored; the others are left out."""
    keys = rows.select("store", "sku", "day").unique(maintain_order=True)
    known = keys.with_columns(actual=pl.Series(demand_on(history, keys.rows()), dtype=pl.Float64)).filter(
        pl.col("actual").is_finite()
    )
    rows = rows.with_columns(_answerable().alias("served_by"))
    last = rows.with_columns(_version().alias("version"), _bucket().alias("horizon")).rename({"served_by": "tier"})
    last = last.sort("made_at").unique(SAME, keep="last", maintain_order=True)
    judged = last.join(known, on=["store", "sku", "day"])
    if judged.is_empty():
        return {}
    judged = judged.join(_compared_with(judged, history), on=["store", "sku", "as_of"], how="left")
    tall = pl.concat([_errors(judged), _coverage(judged)])
    actuals = {(store, sku, day): actual for store, sku, day, actual in known.iter_rows()}
    found: dict[DayKey, Scored] = {}
    for store, sku, day, tier, version, horizon, figure, value in tall.iter_rows():
        key = store, sku, day
        one = found.setdefault(key, Scored(actuals[key], {}))
        one.sums.setdefault((tier, version, horizon), {})[figure] = value
    return found


def _answerable() -> pl.Expr:
    """The tier whose error it is: what people shaped is theirs, whoever served the rest."""
    return pl.when(pl.col("override_id").is_not_null()).then(pl.lit("override")).otherwise("served_by")


def _version() -> pl.Expr:
    """Of what made the number: core, core+correction, or the service itself."""
    both = pl.concat_str("core_version", "correction_version", separator="+")
    return (
        pl.when(pl.col("served_by") == "correction")
        .then(both)
        .when(pl.col("served_by") == "core")
        .then("core_version")
        .otherwise("api_version")
        .fill_null("unknown")
    )


def _bucket() -> pl.Expr:
    nearer = [pl.when(pl.col("horizon_days") <= last).then(pl.lit(name)) for name, last in HORIZONS.items()]
    return pl.coalesce(nearer)


def _compared_with(rows: pl.DataFrame, history: SalesHistory) -> pl.DataFrame:
    """Per item and as_of: `averages`, the moving average of each day ahead, and `highest`, the most sold till then."""
    parts = []
    for (as_of,), items in rows.select("store", "sku", "as_of").unique(maintain_order=True).group_by("as_of"):
        assert isinstance(as_of, date)
        pairs = [(store, sku) for store, sku, _ in items.iter_rows()]
        averages = moving_average(history, pairs, as_of=as_of, horizon_days=MAX_HORIZON_DAYS)
        highest = history.highest_sales(pairs, as_of=as_of)
        parts.append(
            items.with_columns(
                averages=pl.Series(averages.tolist(), dtype=pl.List(pl.Float64)), highest=pl.Series(highest)
            )
        )
    return pl.concat(parts)


def _errors(judged: pl.DataFrame) -> pl.DataFrame:
    error, average = pl.col("demand") - pl.col("actual"), pl.col("average").fill_nan(None)
    apart = error.abs() - (average - pl.col("actual")).abs()  # null where no average is known
    highest = pl.max_horizontal("highest", pl.lit(ABOVE_EVER_UNITS))
    figures = {
        "forecasts": pl.len(),
        "demand": pl.col("demand").sum(),
        "actual": pl.col("actual").sum(),
        "absolute_error": error.abs().sum(),
        "compared": apart.count(),
        "compared_error": error.abs().filter(average.is_not_null()).sum(),
        "average_error": (average - pl.col("actual")).abs().sum(),
        "negative": (pl.col("demand") < 0).sum(),
        "above_ever": (pl.col("demand") > ABOVE_EVER * highest).sum(),
    }
    wide = (
        judged.with_columns(average=pl.col("averages").list.get(pl.col("horizon_days") - 1))
        .group_by(GROUP, maintain_order=True)
        .agg(figure.cast(pl.Float64).alias(name) for name, figure in figures.items())
    )
    return wide.unpivot(index=GROUP, variable_name="figure", value_name="value")


def _coverage(judged: pl.DataFrame) -> pl.DataFrame:
    """Figures `told@0.95`, `below@0.95`, `upto@0.95`: quantiles told, and how often sales were below, and not above."""
    told = judged.select(*GROUP, "actual", "quantile_levels", "quantile_values").explode(
        "quantile_levels", "quantile_values", empty_as_null=False
    )
    steps = pl.col("quantile_levels") * LEVELS_PER_ONE
    told = told.filter((steps - steps.round()).abs() < 1e-6)
    value, actual = pl.col("quantile_values"), pl.col("actual")
    wide = told.group_by(*GROUP, "quantile_levels", maintain_order=True).agg(
        told=pl.len().cast(pl.Float64),
        below=(actual < value).sum().cast(pl.Float64),
        upto=(actual <= value).sum().cast(pl.Float64),
    )
    tall = wide.unpivot(index=[*GROUP, "quantile_levels"], variable_name="figure", value_name="value")
    name = pl.format("{}@{}", pl.col("figure"), pl.col("quantile_levels").round(3))
    return tall.select(*GROUP, name.alias("figure"), "value")
