"""The features of the models, in two groups: computed by the same expressions for training and for serving.

STABLE    calendar and sales history alone: what the core model sees. Always there, drifts slowly.
EXTENDED  prices, promotions, events and what the rest of the shelf does: what the correction model sees besides.

All are anchored at `as_of`, the last day whose sales are known: `sales_0` are the sales of that day, `sales_1` of the
day before. Sales of a later day never get into a window, so they cannot get into a feature. Ratios are relative to
`level`, the recent demand per day, so that slow and fast products look alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from supermegaretail.expressions import (
    BY_STEP,
    PLANS_DAYS,
    PROFILE_DAYS,
    WINDOW_DAYS,
    calendar_expressions,
    extended_expressions,
    state_expressions,
)
from supermegaretail.series import CHANNELS, X_SLOTS, Floats32

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

FEATURES_VERSION = "1"
MAX_HORIZON_DAYS = 28
LOOK_BACK_DAYS = {"sales": 84, "stockout_hours": 28, "price": 28, "discount": 28, "promotion": 28}
DECIMALS = 4  # short numbers between the processes, and no noise of float32 in them

STABLE = (
    "level",
    *("recent_7", "recent_14", "recent_28", "recent_56", "trend"),
    *("sold_7", "sold_28", "stockout_hours_7", "stockout_hours_28"),
    *("zero_share_14", "zero_share_56", "variation_28", "peak_28", "days_known_28"),
    *("days_since_sale", "days_since_first_sale", "days_since_report"),
    *(f"weekday_{step}" for step in range(1, 8)),  # of the 1st, 2nd, … day after as_of, and a week later again
    *(f"last_week_{step}" for step in range(1, 8)),
)
# What extended features compare the target day with; known to the history, never sent to a model.
BACKGROUND = (
    *("price_0", "price_28", "discount_0", "discount_7", "discount_28", "promotion_7", "promotion_28"),
    *("demand_promoted", "demand_unpromoted", "demand_discounted", "demand_undiscounted"),
    *("category_discount_28", "category_promotion_28"),
)
STATE = (*STABLE, *BACKGROUND)
# Absolute prices and the category's recent trend were tried: they tell the date more than the demand, and did harm.
EXTENDED = (
    *("price_ratio_28", "price_change"),
    *("discount", "discount_change", "discount_change_7", "discount_change_28"),
    *("promotion", "promotion_change_7", "promotion_change_28"),
    *("promotion_lift", "discount_lift"),
    *("holiday", "holiday_before", "holiday_after", "event", "event_before", "event_after"),
    *("category_discount", "category_discount_change", "category_promotion", "category_promotion_change"),
    *(f"x_{slot}" for slot in range(1, X_SLOTS + 1)),
)
CALENDAR = ("horizon", "day_of_week", "day_of_month", "day_of_year")
CORE_DESIGN = (*CALENDAR, *(name for name in STABLE if not name.startswith(BY_STEP)), *BY_STEP)
# Few stable ones, and not the core's own answer: with these the correction learnt the core's luck by heart.
CONTEXT = ("horizon", "day_of_week", "level", "recent_7", "recent_28", "zero_share_56", "variation_28", "weekday")
CORRECTION_DESIGN = (*CONTEXT, *EXTENDED)
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
    for name in ("discount", "promotion"):
        plans = category[:, CHANNELS.index(name)]
        columns |= {f"category_{name}_{lag}": plans[:, -1 - lag] for lag in range(PLANS_DAYS)}
    columns |= {f"store_sales_{lag}": store[:, 0, -1 - lag] for lag in range(PROFILE_DAYS)}
    frame = pl.DataFrame(columns, nan_to_null=True)
    for expressions in state_expressions():
        frame = frame.with_columns(expressions)
    return _matrix(frame, STATE)


def extended_features(background: Floats, plans: Floats32, category: Floats32) -> Floats:
    """EXTENDED, one row per item and target day: float64 [rows, len(EXTENDED)].

    `background` is the item's STATE, `plans` [rows, channels, 3] what is planned for the day before the target day, for
    it, and for the day after, `category` [rows, averaged channels] what is planned in the category on the target day.
    """
    wanted = ("level", *BACKGROUND)
    columns: dict[str, Floats | Floats32] = {
        name: background[:, place] for place, name in enumerate(STATE) if name in wanted
    }
    columns |= {name: plans[:, place, 1] for place, name in enumerate(CHANNELS)}
    for name in ("holiday", "event"):
        columns |= {
            f"{name}_before": plans[:, CHANNELS.index(name), 0],
            f"{name}_after": plans[:, CHANNELS.index(name), 2],
        }
    for name in ("discount", "promotion"):
        columns[f"category_{name}"] = category[:, CHANNELS.index(name)]
    frame = pl.DataFrame(columns, nan_to_null=True)
    return _matrix(frame.with_columns(extended_expressions()), EXTENDED)


def core_design(stable: Floats, days: Sequence[date] | npt.NDArray[np.datetime64], horizon: Ints) -> Floats:
    """What the core model is shown, one row per target day: float64 [rows, len(CORE_DESIGN)].

    `stable` [rows, len(STABLE)] is the item's, `days` are the target days and `horizon` their distance from `as_of`.
    """
    frame = pl.DataFrame(stable, schema=list(STABLE), nan_to_null=True).with_columns(
        day=pl.Series(days, dtype=pl.Date), horizon=pl.Series(horizon)
    )
    return _matrix(frame.with_columns(calendar_expressions()), CORE_DESIGN)


def moving_average_of(design: Floats) -> Floats:
    """Recent level × weekday profile [rows], from columns of CORE_DESIGN: where the core model starts, never 0."""
    return np.asarray(design[:, CORE_DESIGN.index("level")] * design[:, CORE_DESIGN.index("weekday")])


def correction_design(core: Floats, extended: Floats) -> Floats:
    """What the correction model is shown, from rows of CORE_DESIGN and of EXTENDED."""
    return np.column_stack([core[:, [CORE_DESIGN.index(name) for name in CONTEXT]], extended])


def target_days(as_of: date, horizon_days: int) -> list[date]:
    """The days that are forecast."""
    return [as_of + timedelta(days=step) for step in range(1, horizon_days + 1)]


def per_target_day(stable: Floats, *, as_of: date, horizon_days: int) -> tuple[Floats, list[date], Ints]:
    """`stable` [n, ...], the days and the horizons repeated for every target day: n × horizon rows, item by item."""
    steps = np.tile(np.arange(1, horizon_days + 1), len(stable))
    return np.repeat(stable, horizon_days, axis=0), target_days(as_of, horizon_days) * len(stable), steps


def _matrix(frame: pl.DataFrame, names: tuple[str, ...]) -> Floats:
    """Columns as float64 [rows, columns], NaN where a value is unknown or no number (a ratio to a price of 0)."""
    values = frame.select(pl.col(names).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
    known: Floats = np.where(np.isfinite(values), values, np.nan)
    return np.round(known, DECIMALS)
