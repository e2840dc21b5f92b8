"""The parts of the outcome in which a forecast may be good or bad: days [n, horizon] by name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from supermegaretail.evaluation.outcome import PRICE, Outcome
from supermegaretail.features import MAX_HORIZON_DAYS
from supermegaretail.panel import Key
from supermegaretail.series import CENSORED_FROM_HOURS, CHANNELS, SALES, STOCKOUT
from supermegaretail.states import Flags

BUCKETS_DAYS = ((1, 7), (8, 14), (15, 28))
WHOLE = "all days"
SHORT = f"short history (< {2 * MAX_HORIZON_DAYS} days)"
SLOW = "slow (zero on more than half of the days)"
AFTER_STOCKOUT = "within 7 days of a stock-out"
PROMOTED, REPRICED = "promotion", "price not as at the origin"
SOLD_OUT = "sold out"  # its sales are not demand: told, but no tier is blamed for them
LEAST_DAYS = 100  # in a part per origin: with fewer its figures say little, and are marked
SLOW_FROM = 0.5  # share of days without a sale
MOST_CATEGORIES = 12  # of a level that has more, a coarser one is taken
DISCOUNT, PROMOTION = CHANNELS.index("discount"), CHANNELS.index("promotion")


def buckets(horizon_days: int) -> dict[str, slice]:
    """The horizon buckets within `horizon_days`, as columns of the outcome."""
    within = [(low, min(high, horizon_days)) for low, high in BUCKETS_DAYS if low <= horizon_days]
    return {f"days {low}–{high}": slice(low - 1, high) for low, high in within}


def slices(outcome: Outcome, categories: Mapping[Key, str]) -> dict[str, Flags]:
    """The slices that have a part, but not all, of the known days; series and days alike are told by [n, horizon]."""
    wanted = {**_of_series(outcome), **_of_days(outcome), **_of_categories(outcome, categories)}
    known = np.isfinite(outcome.sold)
    shaped = {name: np.broadcast_to(flags, known.shape) for name, flags in wanted.items()}
    counts = {name: int((flags & known).sum()) for name, flags in shaped.items()}
    return {name: flags for name, flags in shaped.items() if 0 < counts[name] < known.sum()}


def categories_of(table: pl.DataFrame) -> dict[Key, str]:
    """Each item's category, on the finest level that has few enough to be told apart; empty where no level fits."""
    levels = sorted(
        (name for name in table.columns if name.startswith("category_")), key=lambda name: (len(name), name)
    )
    fitting = [name for name in levels if 1 < table[name].drop_nulls().n_unique() <= MOST_CATEGORIES]
    if not fitting:
        return {}
    named = table.select("store", "sku", pl.col(fitting[-1]).cast(pl.String).alias("category")).drop_nulls()
    return {(store, sku): category for store, sku, category in named.unique(("store", "sku"), keep="last").iter_rows()}


def _of_series(outcome: Outcome) -> dict[str, Flags]:
    sales = outcome.before[:, SALES]
    days_known = np.isfinite(sales).sum(1)
    zero_share = (sales == 0).sum(1) / np.maximum(days_known, 1)
    stockout = (outcome.before[:, STOCKOUT, -7:] >= CENSORED_FROM_HOURS).any(1)
    rows = {
        SHORT: days_known < 2 * MAX_HORIZON_DAYS,
        SLOW: zero_share > SLOW_FROM,
        "fast": zero_share <= SLOW_FROM,
        AFTER_STOCKOUT: stockout,
        **_price_terciles(outcome),
    }
    return {name: flags[:, None] for name, flags in rows.items()}


def _price_terciles(outcome: Outcome) -> dict[str, Flags]:
    usual = outcome.price[:, 0]
    if not np.isfinite(usual).any():
        return {}
    low, high = np.nanquantile(usual, (1 / 3, 2 / 3))
    return {
        "price: lowest third": usual <= low,
        "price: middle third": (usual > low) & (usual <= high),
        "price: highest third": usual > high,
    }


def _of_days(outcome: Outcome) -> dict[str, Flags]:
    during = outcome.during
    weekday = (outcome.as_of.weekday() + 1 + np.arange(during.shape[2])) % 7
    return {
        PROMOTED: during[:, PROMOTION] > 0,
        "no promotion": during[:, PROMOTION] == 0,
        "discounted": during[:, DISCOUNT] < 1,
        "not discounted": during[:, DISCOUNT] >= 1,
        REPRICED: _repriced(outcome),
        "weekend": (weekday >= 5)[None, :],
        "in stock": during[:, STOCKOUT] < CENSORED_FROM_HOURS,
        SOLD_OUT: during[:, STOCKOUT] >= CENSORED_FROM_HOURS,
    }


def _repriced(outcome: Outcome) -> Flags:
    last, asked = outcome.before[:, PRICE, -1:], outcome.during[:, PRICE]
    repriced: Flags = np.isfinite(last) & np.isfinite(asked) & (np.abs(asked - last) > 0.005 * np.abs(last))
    return repriced


def _of_categories(outcome: Outcome, categories: Mapping[Key, str]) -> dict[str, Flags]:
    mine = np.array([categories.get(item, "") for item in outcome.items])
    return {f"category {name}": (mine == name)[:, None] for name in sorted(set(categories.values()))}
