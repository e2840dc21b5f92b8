"""The features of the models, in two groups: computed by the same formulas for training and for serving.

STABLE    calendar and sales history alone: what the core model sees. Always there, drifts slowly.
EXTENDED  prices, promotions, events and what the rest of the shelf does: what the correction model sees besides.

All are anchored at `as_of`, the last day whose sales are known: `price_0` is the price of that day. Sales of a later
day never get into a window, so they cannot get into a feature. Ratios are relative to `level`, the recent demand per
day, so that slow and fast products look alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from supermegaretail.formulas import (
    Days,
    Lent,
    background_columns,
    category_means,
    extended_columns,
    product_columns,
    stable_columns,
    store_profiles,
    store_trends,
)
from supermegaretail.formulas import Floats as Floats
from supermegaretail.series import CHANNELS, X_SLOTS, Floats32, Ints

FEATURES_VERSION = "2"
MAX_HORIZON_DAYS = 28
DECIMALS = 4  # short numbers between the processes, and no noise of float32 in them

# Known for each of the next seven days; a target day has its own one.
BY_STEP = ("weekday", "last_week", "product_weekday", "four_weeks")

STABLE = (
    "level",
    *("recent_1", "recent_3", "recent_7", "recent_14", "recent_28", "recent_56", "trend"),
    *("product_trend", "product_trend_3", "store_trend"),  # of the product in all stores, of the store's products
    *("sold_7", "sold_28", "stockout_hours_7", "stockout_hours_28"),
    *("zero_share_14", "zero_share_56", "variation_28", "peak_28", "days_known_28"),
    *("days_since_sale", "days_since_first_sale", "days_since_report"),
    *(f"{name}_{step}" for name in BY_STEP for step in range(1, 8)),  # 1 is the day after as_of, and a week later again
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

WITHOUT_STEP = [STABLE.index(name) for name in CORE_DESIGN if name in STABLE]
FIRST_OF_STEPS = [STABLE.index(f"{name}_1") for name in BY_STEP]
PLACE_OF_STATE = {name: place for place, name in enumerate(STATE)}
PLACE_OF_CHANNEL = {name: place for place, name in enumerate(CHANNELS)}
OF_CONTEXT = [CORE_DESIGN.index(name) for name in CONTEXT]


@np.errstate(all="ignore")  # 0 ÷ 0 is unknown, and so is what no float holds: `_matrix` says so
def state_features(
    own: Floats32,
    *,
    demand: Floats32,
    store: Floats32,
    store_of: Ints,
    category: Floats32,
    category_of: Ints,
    product: Floats32,
    product_of: Ints,
    lent: Lent,
    days_since: Mapping[str, Ints],
) -> Floats:
    """STATE as of the last day of the windows: float64 [n, len(STATE)].

    `own` is [n, channels, WINDOW_DAYS], its `demand` [n, WINDOW_DAYS] without days that a stock-out censored, `store`,
    `category` and `product` are [groups, averaged channels, WINDOW_DAYS], all with the newest day last; `store_of`,
    `category_of` and `product_of` [n] say which group is whose, `lent` what few sales are filled up with. `days_since`
    [n] a sale, the first sale, a report.
    """
    days = Days(demand)
    columns = {
        **{f"days_since_{what}": past.astype(np.float64) for what, past in days_since.items()},
        "store_trend": store_trends(store[:, 0])[store_of],
        **{name: values[product_of] for name, values in product_columns(product[:, 0]).items()},
        **stable_columns(own, days, store_profiles(store[:, 0])[:, store_of], lent),
        **background_columns(own, days, category_means(category)[:, category_of]),
    }
    return _matrix(columns, STATE)


@np.errstate(all="ignore")
def extended_features(state: Floats, plans: Floats32, category: Floats32) -> Floats:
    """EXTENDED of items and target days: float64 [..., len(EXTENDED)].

    `state` [..., STATE] is the item's, `plans` [..., channels, 3] what is planned for the day before the target day,
    for it, and for the day after, `category` [..., averaged channels] what is planned in the category on that day.
    The first axes are the same, or broadcast: [n, 1, STATE] with [n, days, channels, 3].
    """
    columns = extended_columns(
        past=lambda name: state[..., PLACE_OF_STATE[name]],
        plan=lambda name, offset=0: plans[..., PLACE_OF_CHANNEL[name], 1 + offset],
        category=lambda name: category[..., PLACE_OF_CHANNEL[name]],
    )
    return _matrix(columns, EXTENDED)


def core_design(stable: Floats, days: Sequence[date] | npt.NDArray[np.datetime64], horizon: Ints) -> Floats:
    """What the core model is shown, one row per target day: float64 [rows, len(CORE_DESIGN)].

    `stable` [rows, len(STABLE)] is the item's, `days` are the target days and `horizon` their distance from `as_of`.
    """
    day = np.asarray(days, dtype="datetime64[D]")
    design = np.empty((len(stable), len(CORE_DESIGN)))
    design[:, 0] = horizon
    design[:, 1] = (day.astype(np.int64) + 3) % 7 + 1  # Monday is 1; 1970-01-01 was a Thursday
    design[:, 2] = (day - day.astype("datetime64[M]")).astype(np.int64) + 1
    design[:, 3] = (day - day.astype("datetime64[Y]")).astype(np.int64) + 1
    design[:, len(CALENDAR) : -len(BY_STEP)] = stable[:, WITHOUT_STEP]
    step = (horizon - 1) % 7
    for place, first in enumerate(FIRST_OF_STEPS, start=len(CORE_DESIGN) - len(BY_STEP)):
        design[:, place] = stable[np.arange(len(stable)), first + step]
    return design


def moving_average_of(design: Floats) -> Floats:
    """Recent level × weekday profile [rows], from columns of CORE_DESIGN: where the core model starts, never 0."""
    return np.asarray(design[:, CORE_DESIGN.index("level")] * design[:, CORE_DESIGN.index("weekday")])


def correction_design(core: Floats, extended: Floats) -> Floats:
    """What the correction model is shown, from rows of CORE_DESIGN and of EXTENDED."""
    return np.concatenate([core[:, OF_CONTEXT], extended], axis=1)


def target_days(as_of: date, horizon_days: int) -> list[date]:
    """The days that are forecast."""
    return [as_of + timedelta(days=step) for step in range(1, horizon_days + 1)]


def per_target_day(
    stable: Floats, *, as_of: date, horizon_days: int
) -> tuple[Floats, npt.NDArray[np.datetime64], Ints]:
    """`stable` [n, ...], the days and the horizons repeated for every target day: n × horizon rows, item by item."""
    steps = np.tile(np.arange(1, horizon_days + 1), len(stable))
    return np.repeat(stable, horizon_days, axis=0), np.datetime64(as_of, "D") + steps, steps


def _matrix(columns: Mapping[str, Floats | Floats32], names: tuple[str, ...]) -> Floats:
    """Columns as float64 [..., columns], NaN where a value is unknown or no number (a ratio to a price of 0)."""
    values = np.empty((*np.broadcast_shapes(*{columns[name].shape for name in names}), len(names)))
    for place, name in enumerate(names):
        values[..., place] = columns[name]
    values[~np.isfinite(values)] = np.nan
    return np.round(values, DECIMALS, out=values)
