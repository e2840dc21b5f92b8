"""The polars expressions behind the features.

A frame has one row per series and day of forecast, and one column per day of a window: `demand_0` is the demand of the
last known day, `demand_1` of the day before. There is no column for a later day, so that none can leak.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import polars as pl

WINDOW_DAYS = 84
PLANS_DAYS = 28  # how far back prices and promotions are compared
PROFILE_DAYS = 56  # eight of every weekday
LOWEST_LEVEL = 0.02  # units per day: keeps the logarithm and the ratios of products that hardly sell finite
STORE_UNITS = 20  # a weekday profile of its own needs more units than that; below, the store's profile prevails
BY_STEP = ("weekday", "last_week")  # known for each of the next seven days; a target day has its own one


@cache
def state_expressions() -> tuple[list[pl.Expr], ...]:
    """In stages, each of which may use the one before."""
    means = [
        *(_mean("demand", days).alias(f"mean_{days}") for days in (7, 14, 28, 56, 84)),
        *(_mean("sales", days).alias(f"sales_mean_{days}") for days in (7, 28, 84)),
        _mean("store_sales", PROFILE_DAYS).alias("store_mean"),
        *(_mean(name, PLANS_DAYS).alias(f"{name}_28") for name in ("price", "discount", "promotion")),
        *(_mean(name, 7).alias(f"{name}_7") for name in ("discount", "promotion")),
    ]
    # Where all of a time is unknown a longer one stands in, in the end with censored days: a stable feature is never
    # missing, because a model that never met a missing value takes it for 0.
    longest = pl.coalesce("mean_84", "sales_mean_84")
    filled = [
        *(pl.coalesce(f"mean_{days}", *_longer(days), longest).alias(f"demand_{days}d") for days in (7, 14, 28, 56)),
        *(pl.coalesce(f"sales_mean_{days}", "sales_mean_84").alias(f"sales_mean_{days}") for days in (7, 28)),
    ]
    recent = pl.mean_horizontal("demand_7d", "demand_14d", "demand_28d") + LOWEST_LEVEL
    return means, filled, [recent.alias("level")], _ratio_expressions()


def _ratio_expressions() -> list[pl.Expr]:
    level = pl.col("level")
    return [
        *((pl.col(f"demand_{days}d") / level).alias(f"recent_{days}") for days in (7, 14, 28, 56)),
        *((pl.col(f"sales_mean_{days}") / level).alias(f"sold_{days}") for days in (7, 28)),
        ((pl.col("demand_7d") + LOWEST_LEVEL) / (pl.col("demand_56d") + LOWEST_LEVEL)).alias("trend"),
        *(_mean("stockout_hours", days).fill_null(0).alias(f"stockout_hours_{days}") for days in (7, 28)),
        *(_zero_share(days).alias(f"zero_share_{days}") for days in (14, 56)),
        (_variance("demand", 28).sqrt() / level).fill_null(1).alias("variation_28"),
        (pl.max_horizontal(_lags("demand", 28)) / level).fill_null(1).alias("peak_28"),
        pl.sum_horizontal([lag.is_not_null() for lag in _lags("demand", 28)]).alias("days_known_28"),
        *(_weekday_profile(step).alias(f"weekday_{step}") for step in range(1, 8)),
        *(
            (pl.coalesce(f"demand_{7 - step}", pl.col("demand_7d") * _weekday_profile(step)) / level).alias(
                f"last_week_{step}"
            )
            for step in range(1, 8)
        ),
        *_background_expressions(),
    ]


def _background_expressions() -> list[pl.Expr]:
    on_offer = {
        "demand_promoted": [flag == 1 for flag in _lags("promotion", PLANS_DAYS)],
        "demand_unpromoted": [flag == 0 for flag in _lags("promotion", PLANS_DAYS)],
        "demand_discounted": [rate < pl.col("discount_28") - 0.02 for rate in _lags("discount", PLANS_DAYS)],
        "demand_undiscounted": [rate >= pl.col("discount_28") - 0.02 for rate in _lags("discount", PLANS_DAYS)],
    }
    return [
        *(_mean_where("demand", days).alias(name) for name, days in on_offer.items()),
        _mean("category_discount", PLANS_DAYS).alias("category_discount_28"),
        _mean("category_promotion", PLANS_DAYS).alias("category_promotion_28"),
    ]


@cache
def extended_expressions() -> list[pl.Expr]:
    def col(name: str) -> pl.Expr:
        return pl.col(name)

    return [
        (col("price") / col("price_28")).alias("price_ratio_28"),
        (col("price") / col("price_0")).alias("price_change"),
        (col("discount") - col("discount_0")).alias("discount_change"),
        (col("discount") - col("discount_7")).alias("discount_change_7"),
        (col("discount") - col("discount_28")).alias("discount_change_28"),
        (col("promotion") - col("promotion_7")).alias("promotion_change_7"),
        (col("promotion") - col("promotion_28")).alias("promotion_change_28"),
        (pl.when(col("promotion") == 1).then("demand_promoted").otherwise("demand_unpromoted") / col("level")).alias(
            "promotion_lift"
        ),
        (
            pl.when(col("discount") < col("discount_28") - 0.02)
            .then("demand_discounted")
            .otherwise("demand_undiscounted")
            / col("level")
        ).alias("discount_lift"),
        (col("category_discount") - col("category_discount_28")).alias("category_discount_change"),
        (col("category_promotion") - col("category_promotion_28")).alias("category_promotion_change"),
    ]


@cache
def calendar_expressions() -> list[pl.Expr]:
    day, step = pl.col("day").dt, (pl.col("horizon") - 1) % 7 + 1
    return [
        day.weekday().alias("day_of_week"),
        day.day().alias("day_of_month"),
        day.ordinal_day().alias("day_of_year"),
        *(
            pl.coalesce(pl.when(step == number).then(pl.col(f"{name}_{number}")) for number in range(1, 8)).alias(name)
            for name in BY_STEP
        ),
    ]


def _lags(name: str, days: int) -> list[pl.Expr]:
    return [pl.col(f"{name}_{lag}") for lag in range(days)]


def _mean(name: str, days: int) -> pl.Expr:
    """Mean of the days that are known."""
    return pl.mean_horizontal(_lags(name, days))


def _mean_where(name: str, days: Sequence[pl.Expr]) -> pl.Expr:
    return pl.mean_horizontal([pl.when(day).then(pl.col(f"{name}_{lag}")) for lag, day in enumerate(days)])


def _longer(days: int) -> list[str]:
    return [f"mean_{longer}" for longer in (14, 28, 56) if longer > days]


def _zero_share(days: int) -> pl.Expr:
    """Share of the known days without a sale; where none is known, of no day."""
    return pl.mean_horizontal([(lag == 0).cast(pl.Float32) for lag in _lags("demand", days)]).fill_null(0)


def _variance(name: str, days: int) -> pl.Expr:
    squares = pl.mean_horizontal([lag**2 for lag in _lags(name, days)])
    return (squares - _mean(name, days) ** 2).clip(0)


def _weekday_profile(step: int) -> pl.Expr:
    """How much the weekday of `as_of` + `step` sells relative to the average day, by eight weeks and the store's."""
    weeks = range(7 - step, PROFILE_DAYS, 7)
    own = pl.mean_horizontal([pl.col(f"demand_{lag}") for lag in weeks])
    store = pl.mean_horizontal([pl.col(f"store_sales_{lag}") for lag in weeks])
    shop = pl.when(pl.col("store_mean") > 0).then(store / pl.col("store_mean")).fill_null(1).clip(0.05)
    average = pl.col("mean_56").fill_null(0)
    return (8 * own.fill_null(average) + STORE_UNITS * shop) / (8 * average + STORE_UNITS)
