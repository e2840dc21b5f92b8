"""The features of the models as a planner knows them: some dozen things instead of seventy numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from supermegaretail.features import CORE_DESIGN, CORRECTION_DESIGN, Floats
from supermegaretail.series import X_SLOTS

REST = "everything else"  # what is the same for every forecast, and what is too small to be told
RECENT_SALES, IRREGULAR, AGE, STOCK_OUTS = "recent sales", "irregular sales", "age of the product", "stock-outs"
WEEKDAY, TIME_OF_MONTH, SEASON, DAYS_AHEAD = "weekday", "time of the month", "time of the year", "days ahead"
PRICE, DISCOUNT, PROMOTION = "price", "discount", "promotion"
HOLIDAY, EVENT, OTHER_INPUTS = "holiday", "event", "other inputs"
EVERYWHERE, STORE, SIMILAR = "the product in all stores", "the store as a whole", "similar products"

# What a planner would call it, the group that it belongs to, and the columns of the models that tell of it.
PLANNERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (RECENT_SALES, "recent sales", ("level", "recent_1", "recent_3", "recent_7", "recent_14", "recent_28")),
    (RECENT_SALES, "recent sales", ("recent_56", "trend", "last_week", "four_weeks")),
    (RECENT_SALES, "recent sales", ("sold_7", "sold_28", "peak_28", "days_known_28", "days_since_report")),
    (IRREGULAR, "recent sales", ("zero_share_14", "zero_share_56", "variation_28", "days_since_sale")),
    (AGE, "recent sales", ("days_since_first_sale",)),
    (STOCK_OUTS, "stock-outs", ("stockout_hours_7", "stockout_hours_28")),
    (WEEKDAY, "weekday", ("day_of_week", "weekday", "product_weekday")),
    (TIME_OF_MONTH, "season and calendar", ("day_of_month",)),
    (SEASON, "season and calendar", ("day_of_year",)),
    (DAYS_AHEAD, "season and calendar", ("horizon",)),
    (PRICE, "price and discount", ("price_ratio_28", "price_change")),
    (DISCOUNT, "price and discount", ("discount", "discount_change", "discount_change_7", "discount_change_28")),
    (DISCOUNT, "price and discount", ("discount_lift",)),
    (PROMOTION, "promotions", ("promotion", "promotion_change_7", "promotion_change_28", "promotion_lift")),
    (HOLIDAY, "holidays and events", ("holiday", "holiday_before", "holiday_after")),
    (EVENT, "holidays and events", ("event", "event_before", "event_after")),
    (EVERYWHERE, "other stores and products", ("product_trend", "product_trend_3")),
    (STORE, "other stores and products", ("store_trend",)),
    (SIMILAR, "other stores and products", ("category_discount", "category_discount_change")),
    (SIMILAR, "other stores and products", ("category_promotion", "category_promotion_change")),
    (OTHER_INPUTS, "weather and other inputs", tuple(f"x_{slot}" for slot in range(1, X_SLOTS + 1))),
)
FEATURE_OF = {column: feature for feature, _, columns in PLANNERS for column in columns}
GROUP_OF = {feature: group for feature, group, _ in PLANNERS} | {REST: REST}


def features_of(design: Sequence[str]) -> tuple[str, ...]:
    """What the columns of a design tell of, in a fixed order, and the rest at the end."""
    told = {FEATURE_OF.get(column) for column in design}
    return (*(feature for feature in GROUP_OF if feature in told), REST)


CORE_FEATURES = features_of(CORE_DESIGN)
CORRECTION_FEATURES = features_of(CORRECTION_DESIGN)


def by_feature(contributions: Floats, design: Sequence[str]) -> Floats:
    """Contributions [rows, columns of the design + 1] summed up by feature: [rows, `features_of(design)`]."""
    features = features_of(design)
    summed = np.zeros((len(contributions), len(features)))
    for column, name in enumerate((*design, REST)):
        summed[:, features.index(FEATURE_OF.get(name, REST))] += contributions[:, column]
    return summed
