"""The formulas behind the features, on whole arrays: one column per series, one row per day of a window.

A window is read backwards: row 0 is the last known day, row 1 the day before. There is no row for a later day, so that
none can leak. NaN is unknown: a mean is over the days that are known, and unknown where none is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from supermegaretail.series import CHANNELS, SALES, STOCKOUT, Floats32, Ints

Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]

WINDOW_DAYS = 84
PLANS_DAYS = 28  # how far back prices, promotions and stock-outs are compared
PROFILE_DAYS = 56  # eight of every weekday
LOWEST_LEVEL = 0.02  # units per day: keeps the logarithm and the ratios of products that hardly sell finite
STORE_UNITS = 20  # a weekday profile of its own needs more units than that; below, the store's profile prevails
LOWEST_PROFILE = 0.05  # of a weekday on which the store is closed
PRODUCT_UNITS = 0.05  # per day, added before a product's demand is compared with itself
SPECIAL = 0.02  # a discount so far below the usual one is a special offer
DISCOUNT, PROMOTION, PRICE = (CHANNELS.index(name) for name in ("discount", "promotion", "price"))


class Days:
    """Values [n, days], the newest last, kept as [days, n], the newest first: sums over days run along whole rows."""

    def __init__(self, values: Floats32) -> None:
        self.values: Floats32 = np.ascontiguousarray(values[:, ::-1].T)
        self.known: Flags = ~np.isnan(self.values)
        self.filled: Floats = np.where(self.known, self.values, np.float64(0))  # 0 where nothing is known

    def count(self, days: int) -> Floats:
        """How many of the last `days` are known [n]."""
        return np.asarray(self.known[:days].sum(0, dtype=np.float64))

    def mean(self, days: int) -> Floats:
        """Mean of the last `days` [n]."""
        return np.asarray(self.filled[:days].sum(0) / self.count(days))

    def mean_where(self, chosen: Flags) -> Floats:
        """Mean [n] of the days that are `chosen` [days or fewer, n]."""
        counted = chosen & self.known[: len(chosen)]
        return np.asarray(self.filled[: len(chosen)].sum(0, where=counted) / counted.sum(0))

    def variance(self, days: int) -> Floats:
        """Mean squared distance from the mean of the last `days` [n]."""
        squares = (self.filled[:days] ** 2).sum(0) / self.count(days)
        return np.asarray(np.maximum(squares - self.mean(days) ** 2, 0))

    def zero_share(self, days: int) -> Floats:
        """Share of the last `days` on which the value is 0 [n]."""
        zero = self.values[:days] == 0
        return np.asarray(zero.sum(0) / self.count(days))

    def mean_by_weekday(self, days: int = PROFILE_DAYS) -> Floats:
        """Mean over the last `days` of the weekday of each of the next seven days [7, n], tomorrow's first."""
        weeks = (days // 7, 7, -1)
        totals, counts = (each[:days].reshape(weeks).sum(0) for each in (self.filled, self.known))
        return np.asarray((totals / counts)[::-1])


def store_profiles(demand: Floats32) -> Floats:
    """How much each of the next seven weekdays sells in a store relative to its average day [7, n].

    `demand` [n, WINDOW_DAYS] is the mean over the store's products, the newest day last. 1 where nothing is known.
    """
    days = Days(demand)
    average = days.mean(PROFILE_DAYS)
    relative = np.where(average > 0, days.mean_by_weekday() / average, np.nan)
    return np.maximum(known_or(relative, 1), LOWEST_PROFILE)


def store_trends(demand: Floats32) -> Floats:
    """A store's last 7 days relative to its last 28 [n], from `demand` [n, WINDOW_DAYS]; 1 where nothing is known."""
    days = Days(demand)
    return known_or(days.mean(7) / days.mean(28), 1)


def product_columns(demand: Floats32) -> dict[str, Floats]:
    """What a product does in all stores, from the mean of its `demand` there [n, WINDOW_DAYS]; 1 where unknown."""
    days = Days(demand)
    month, usual = days.mean(28) + PRODUCT_UNITS, days.mean(PROFILE_DAYS) + PRODUCT_UNITS
    return {
        "product_trend": known_or((days.mean(7) + PRODUCT_UNITS) / month, 1),
        "product_trend_3": known_or((days.mean(3) + PRODUCT_UNITS) / month, 1),
        **_by_step("product_weekday", known_or((days.mean_by_weekday() + PRODUCT_UNITS) / usual, 1)),
    }


def category_means(category: Floats32) -> Floats:
    """Mean discount and promotion of categories [2, n] over PLANS_DAYS, from [n, averaged channels, WINDOW_DAYS]."""
    return np.stack([_plans(category, channel).mean(PLANS_DAYS) for channel in (DISCOUNT, PROMOTION)])


@dataclass(frozen=True, slots=True)
class Lent:
    """What the means of some series are drawn towards: the demand of their groups."""

    rows: Ints  # [m]
    weight: Floats  # [m]
    demand: Floats32  # [m, WINDOW_DAYS]


def stable_columns(own: Floats32, demand: Days, store_profile: Floats, lent: Lent) -> dict[str, Floats]:
    """What follows from the sales of a series and of its store.

    `own` is [n, channels, WINDOW_DAYS], `demand` are its sales without days that a stock-out censored.
    """
    sold, stockout_hours = Days(own[:, SALES]), _plans(own, STOCKOUT)
    usual = _usual(demand, sold)
    if len(lent.rows):
        group = Days(lent.demand)
        for days, towards in _usual(group, group).items():
            usual[days][lent.rows] += lent.weight * (towards - usual[days][lent.rows])
    level = (usual[7] + usual[14] + usual[28]) / 3 + LOWEST_LEVEL
    profile = _weekday_profile(demand, store_profile)
    last_week = known_or(demand.values[6::-1].astype(np.float64), usual[7] * profile)
    four_weeks = known_or(demand.mean_by_weekday(28), usual[7] * profile)
    return {
        "level": level,
        **{f"recent_{days}": usual[days] / level for days in (1, 3, 7, 14, 28, 56)},
        "trend": (usual[7] + LOWEST_LEVEL) / (usual[56] + LOWEST_LEVEL),
        **{f"sold_{days}": known_or(sold.mean(days), sold.mean(84)) / level for days in (7, 28)},
        **{f"stockout_hours_{days}": known_or(stockout_hours.mean(days), 0) for days in (7, 28)},
        **{f"zero_share_{days}": known_or(demand.zero_share(days), 0) for days in (14, 56)},
        "variation_28": known_or(np.sqrt(demand.variance(28)) / level, 1),
        "peak_28": np.where(demand.count(28) > 0, demand.filled[:28].max(0) / level, 1),
        "days_known_28": demand.count(28),
        **_by_step("weekday", profile),
        **_by_step("last_week", last_week / level),
        **_by_step("four_weeks", four_weeks / level),
    }


def background_columns(own: Floats32, demand: Days, category: Floats) -> dict[str, Floats | Floats32]:
    """What extended features are compared with; `category` as made by `category_means`, one column per series."""
    price, discount, promotion = (_plans(own, channel) for channel in (PRICE, DISCOUNT, PROMOTION))
    special = discount.mean(PLANS_DAYS) - SPECIAL
    return {
        "price_0": price.values[0],
        "price_28": price.mean(PLANS_DAYS),
        "discount_0": discount.values[0],
        "discount_7": discount.mean(7),
        "discount_28": discount.mean(PLANS_DAYS),
        "promotion_7": promotion.mean(7),
        "promotion_28": promotion.mean(PLANS_DAYS),
        "demand_promoted": demand.mean_where(promotion.values == 1),
        "demand_unpromoted": demand.mean_where(promotion.values == 0),
        "demand_discounted": demand.mean_where(discount.values < special),
        "demand_undiscounted": demand.mean_where(discount.values >= special),
        "category_discount_28": category[0],
        "category_promotion_28": category[1],
    }


def extended_columns(
    past: Callable[[str], Floats], plan: Callable[..., Floats32], category: Callable[[str], Floats32]
) -> dict[str, Floats | Floats32]:
    """What is planned for a target day, and how it differs from what was.

    `past(name)` is a column of the state, `plan(name, offset)` a channel on the target day or so many days after it,
    `category(name)` a channel of the category; their shapes broadcast.
    """
    price, discount, promotion = plan("price"), plan("discount"), plan("promotion")
    promoted = np.where(promotion == 1, past("demand_promoted"), past("demand_unpromoted"))
    special = discount < past("discount_28") - SPECIAL
    discounted = np.where(special, past("demand_discounted"), past("demand_undiscounted"))
    return {
        "price_ratio_28": price / past("price_28"),
        "price_change": price / past("price_0"),
        "discount": discount,
        "discount_change": discount - past("discount_0"),
        "discount_change_7": discount - past("discount_7"),
        "discount_change_28": discount - past("discount_28"),
        "promotion": promotion,
        "promotion_change_7": promotion - past("promotion_7"),
        "promotion_change_28": promotion - past("promotion_28"),
        "promotion_lift": np.where(np.isnan(promotion), np.nan, promoted / past("level")),
        "discount_lift": np.where(np.isnan(discount), np.nan, discounted / past("level")),
        **{
            f"{name}{suffix}": plan(name, offset)
            for name in ("holiday", "event")
            for suffix, offset in (("", 0), ("_before", -1), ("_after", 1))
        },
        "category_discount": category("discount"),
        "category_discount_change": category("discount") - past("category_discount_28"),
        "category_promotion": category("promotion"),
        "category_promotion_change": category("promotion") - past("category_promotion_28"),
        **{name: plan(name) for name in CHANNELS if name.startswith("x_")},
    }


def known_or(values: Floats, other: Floats | float) -> Floats:
    """`values`, and `other` where they are unknown."""
    return np.where(np.isnan(values), other, values)


def _usual(demand: Days, sold: Days) -> dict[int, Floats]:
    """Mean demand [n] of the last 1, 3, 7, … 84 days.

    Where all of a time is unknown a longer one stands in, in the end with censored days: a stable feature is never
    missing, because a model that never met a missing value takes it for 0.
    """
    usual = {84: known_or(demand.mean(84), sold.mean(84))}
    for days, longer in ((56, 84), (28, 56), (14, 28), (7, 14), (3, 7), (1, 3)):
        usual[days] = known_or(demand.mean(days), usual[longer])
    return usual


def _plans(own: Floats32, channel: int) -> Days:
    return Days(own[:, channel, -PLANS_DAYS:])


def _weekday_profile(demand: Days, store_profile: Floats) -> Floats:
    """How much each of the next seven weekdays sells relative to the average day [7, n], its own and the store's."""
    average = known_or(demand.mean(PROFILE_DAYS), 0)
    by_weekday = known_or(demand.mean_by_weekday(), average)
    return (8 * by_weekday + STORE_UNITS * store_profile) / (8 * average + STORE_UNITS)


def _by_step(name: str, values: Floats) -> dict[str, Floats]:
    return {f"{name}_{step}": values[step - 1] for step in range(1, 8)}
