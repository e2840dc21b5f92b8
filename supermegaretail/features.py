"""Features as polars expressions, the same for training and for serving, in two groups.

STABLE    calendar and sales history alone: what the core model sees. Always there, drifts slowly.
EXTENDED  prices, promotions, events and what the rest of the shelf does: what the correction model sees besides.

All are anchored at `as_of`, the last day whose sales are known: `sales_0` are the sales of that day, `sales_1` of the
day before. Sales of a later day never get into a window, so they cannot get into a feature. Ratios are relative to
`level`, the recent demand per day, so that slow and fast products look alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from supermegaretail.series import CHANNELS, X_SLOTS, Floats32

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

FEATURES_VERSION = "1"
MAX_HORIZON_DAYS = 28
WINDOW_DAYS = 84
PLANS_DAYS = 28  # how far back prices and promotions are compared
LOOK_BACK_DAYS = {"sales": 84, "stockout_hours": 28, "price": 28, "discount": 28, "promotion": 28}
LOWEST_LEVEL = 0.02  # units per day: keeps the logarithm and the ratios of products that hardly sell finite
STORE_UNITS = 20  # a weekday profile of its own needs more units than that; below, the store's profile prevails
DECIMALS = 4  # short numbers between the processes, and no noise of float32 in them

STABLE = (
    "level",
    *("recent_7", "recent_14", "recent_28", "recent_56", "recent_84", "trend"),
    *("sold_7", "sold_28", "stockout_hours_7", "stockout_hours_28"),
    *("zero_share_14", "zero_share_56", "variation_28", "peak_28", "days_known_56"),
    *("days_since_sale", "days_since_first_sale", "days_since_report"),
    *(f"weekday_{step}" for step in range(1, 8)),  # of the 1st, 2nd, ... day after as_of, and a week later again
    *(f"last_week_{step}" for step in range(1, 8)),
)
# What extended features compare the target day with; known to the history, never sent to a model.
BACKGROUND = (
    *("price_0", "price_28", "discount_0", "discount_7", "discount_28", "promotion_7", "promotion_28"),
    *("demand_promoted", "demand_unpromoted", "demand_discounted", "demand_undiscounted"),
    *("category_trend", "category_discount_28", "category_promotion_28", "store_trend"),
)
STATE = (*STABLE, *BACKGROUND)
EXTENDED = (
    *("price", "price_ratio_28", "price_change"),
    *("discount", "discount_change", "discount_change_7", "discount_change_28"),
    *("promotion", "promotion_change_7", "promotion_change_28"),
    *("promotion_lift", "discount_lift"),
    *("holiday", "holiday_before", "holiday_after", "event", "event_before", "event_after"),
    *("category_discount", "category_discount_change", "category_promotion", "category_promotion_change"),
    *("category_trend", "store_trend"),
    *(f"x_{slot}" for slot in range(1, X_SLOTS + 1)),
)
BY_STEP = ("weekday", "last_week")  # in STABLE one per day of the week; a design has the target day's
CALENDAR = ("horizon", "day_of_week", "day_of_month", "day_of_year")
CORE_DESIGN = (*CALENDAR, *(name for name in STABLE if not name.startswith(BY_STEP)), *BY_STEP)
CORRECTION_DESIGN = (*CORE_DESIGN, *EXTENDED, "core_ratio")
CATEGORICAL = ("event", "event_before", "event_after")


def state_features(
    own: Floats32,
    *,
    store: Floats32,
    category: Floats32,
    demand: Floats32,
    days_since_sale: Ints,
    days_since_report: Ints,
    days_since_first_sale: Ints,
) -> Floats:
    """STATE as of the last day of the windows: float64 [n, len(STATE)].

    `own` is [n, channels, WINDOW_DAYS], its `demand` [n, WINDOW_DAYS] without days that a stock-out censored, `store`
    and `category` are [n, averaged channels, WINDOW_DAYS]; all with the newest day last.
    """
    columns: dict[str, Floats32 | Ints] = {
        "days_since_sale": days_since_sale,
        "days_since_report": days_since_report,
        "days_since_first_sale": days_since_first_sale,
    }
    for name, days in LOOK_BACK_DAYS.items():
        columns |= {f"{name}_{lag}": own[:, CHANNELS.index(name), -1 - lag] for lag in range(days)}
    columns |= {f"demand_{lag}": demand[:, -1 - lag] for lag in range(WINDOW_DAYS)}
    for name in ("sales", "discount", "promotion"):
        days = category[:, CHANNELS.index(name)]
        columns |= {f"category_{name}_{lag}": days[:, -1 - lag] for lag in range(PLANS_DAYS)}
    columns |= {f"store_sales_{lag}": store[:, 0, -1 - lag] for lag in range(56)}
    frame = pl.DataFrame(columns, nan_to_null=True)
    for expressions in _state_expressions():
        frame = frame.with_columns(expressions)
    return _matrix(frame, STATE)


def extended_features(background: Floats, plans: Floats32, category: Floats32) -> Floats:
    """EXTENDED, one row per item and target day: float64 [rows, len(EXTENDED)].

    `background` is the item's STATE, `plans` [rows, channels, 3] what is planned for the day before the target day, for
    it, and for the day after, `category` [rows, averaged channels] what is planned in the category on the target day.
    """
    wanted = ("level", *BACKGROUND)
    columns = {name: background[:, place] for place, name in enumerate(STATE) if name in wanted}
    for place, name in enumerate(CHANNELS):
        columns |= {name: plans[:, place, 1], f"{name}_before": plans[:, place, 0], f"{name}_after": plans[:, place, 2]}
    for name in ("discount", "promotion"):
        columns[f"category_{name}"] = category[:, CHANNELS.index(name)]
    frame = pl.DataFrame(columns, nan_to_null=True)
    return _matrix(frame.with_columns(_extended_expressions()), EXTENDED)


def core_design(stable: Floats, days: Sequence[date] | npt.NDArray[np.datetime64], horizon: Ints) -> Floats:
    """What the core model is shown, one row per target day: float64 [rows, len(CORE_DESIGN)].

    `stable` [rows, len(STABLE)] is the item's, `days` are the target days and `horizon` their distance from `as_of`.
    """
    frame = pl.DataFrame(stable, schema=list(STABLE), nan_to_null=True).with_columns(
        day=pl.Series(days, dtype=pl.Date), horizon=pl.Series(horizon)
    )
    return _matrix(frame.with_columns(_calendar_expressions()), CORE_DESIGN)


def correction_design(core: Floats, extended_rows: Floats, core_demand: Floats) -> Floats:
    """What the correction model is shown: the core's design, EXTENDED, and the core's answer relative to the level."""
    level = core[:, CORE_DESIGN.index("level")]
    return np.column_stack([core, extended_rows, core_demand / level])


def target_days(as_of: date, horizon_days: int) -> list[date]:
    """The days that are forecast."""
    return [as_of + timedelta(days=step) for step in range(1, horizon_days + 1)]


def per_target_day(stable: Floats, *, as_of: date, horizon_days: int) -> tuple[Floats, list[date], Ints]:
    """`stable` [n, ...], the days and the horizons repeated for every target day: n × horizon rows, item by item."""
    steps = np.tile(np.arange(1, horizon_days + 1), len(stable))
    return np.repeat(stable, horizon_days, axis=0), target_days(as_of, horizon_days) * len(stable), steps


@cache
def _state_expressions() -> tuple[list[pl.Expr], ...]:
    level = pl.col("level")
    means = [
        *(_mean("demand", days).alias(f"demand_mean_{days}") for days in (7, 14, 28, 56, 84)),
        *(_mean("sales", days).alias(f"sales_mean_{days}") for days in (7, 28, 84)),
        _fading_mean("demand", days=28, half_life_days=5).alias("fast"),
        _fading_mean("demand", days=84, half_life_days=20).alias("slow"),
        _mean("store_sales", 56).alias("store_mean_56"),
        *(_mean(name, PLANS_DAYS).alias(f"{name}_28") for name in ("price", "discount", "promotion")),
        *(_mean(name, 7).alias(f"{name}_7") for name in ("discount", "promotion")),
    ]
    any_mean = pl.coalesce("slow", "sales_mean_28", "sales_mean_84")
    recent = (pl.coalesce("fast", any_mean) + any_mean) / 2 + LOWEST_LEVEL
    ratios = [
        *((pl.col(f"demand_mean_{days}") / level).alias(f"recent_{days}") for days in (7, 14, 28, 56, 84)),
        *((pl.col(f"sales_mean_{days}") / level).alias(f"sold_{days}") for days in (7, 28)),
        *(_mean("stockout_hours", days).alias(f"stockout_hours_{days}") for days in (7, 28)),
        *(_share([lag == 0 for lag in _lags("demand", days)]).alias(f"zero_share_{days}") for days in (14, 56)),
        (pl.col("fast") / pl.col("slow")).alias("trend"),
        (_variance("demand", 28).sqrt() / level).alias("variation_28"),
        (pl.max_horizontal(_lags("demand", 28)) / level).alias("peak_28"),
        pl.sum_horizontal([lag.is_not_null() for lag in _lags("demand", 56)]).alias("days_known_56"),
        *(_weekday_profile(step).alias(f"weekday_{step}") for step in range(1, 8)),
        *((pl.col(f"demand_{7 - step}") / level).alias(f"last_week_{step}") for step in range(1, 8)),
        *_background_expressions(),
    ]
    return means, [recent.alias("level")], ratios


def _background_expressions() -> list[pl.Expr]:
    on_offer = {
        "demand_promoted": [flag == 1 for flag in _lags("promotion", PLANS_DAYS)],
        "demand_unpromoted": [flag == 0 for flag in _lags("promotion", PLANS_DAYS)],
        "demand_discounted": [rate < pl.col("discount_28") - 0.02 for rate in _lags("discount", PLANS_DAYS)],
        "demand_undiscounted": [rate >= pl.col("discount_28") - 0.02 for rate in _lags("discount", PLANS_DAYS)],
    }
    return [
        *(_mean_where("demand", days).alias(name) for name, days in on_offer.items()),
        (_mean("category_sales", 7) / _mean("category_sales", 28)).alias("category_trend"),
        (_mean("store_sales", 7) / _mean("store_sales", 28)).alias("store_trend"),
        _mean("category_discount", PLANS_DAYS).alias("category_discount_28"),
        _mean("category_promotion", PLANS_DAYS).alias("category_promotion_28"),
    ]


@cache
def _extended_expressions() -> list[pl.Expr]:
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
def _calendar_expressions() -> list[pl.Expr]:
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


def _share(conditions: Sequence[pl.Expr]) -> pl.Expr:
    return pl.mean_horizontal([condition.cast(pl.Float32) for condition in conditions])


def _variance(name: str, days: int) -> pl.Expr:
    squares = pl.mean_horizontal([lag**2 for lag in _lags(name, days)])
    return (squares - _mean(name, days) ** 2).clip(0)


def _fading_mean(name: str, *, days: int, half_life_days: float) -> pl.Expr:
    """Mean in which a day weighs half as much as one `half_life_days` later; null when no day is known."""
    weights = [0.5 ** (lag / half_life_days) for lag in range(days)]
    lags = list(zip(_lags(name, days), weights, strict=True))
    known = pl.sum_horizontal([lag.is_not_null() * weight for lag, weight in lags])
    return pl.when(known > 0).then(pl.sum_horizontal([lag * weight for lag, weight in lags]) / known)


def _weekday_profile(step: int) -> pl.Expr:
    """How much the weekday of `as_of` + `step` sells relative to the average day, by eight weeks and the store's."""
    own = pl.mean_horizontal([pl.col(f"demand_{lag}") for lag in range(7 - step, 56, 7)])
    store = pl.mean_horizontal([pl.col(f"store_sales_{lag}") for lag in range(7 - step, 56, 7)])
    shop = pl.when(pl.col("store_mean_56") > 0).then(store / pl.col("store_mean_56")).fill_null(1)
    average = pl.col("demand_mean_56").fill_null(0)
    return (8 * own.fill_null(average) + STORE_UNITS * shop) / (8 * average + STORE_UNITS)


def _matrix(frame: pl.DataFrame, names: Sequence[str]) -> Floats:
    """Columns as float64 [rows, columns] with NaN for null."""
    values = frame.select(pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in names).to_numpy()
    return np.round(values, DECIMALS)
