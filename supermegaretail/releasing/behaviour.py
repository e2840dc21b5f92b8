"""Gates on how a candidate behaves: what changes nothing, and in which direction what changes something goes.

Asked on a few stores only: that bounds the time, and a wrong model is wrong there, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import polars as pl

from common.releases.gate import Finding
from supermegaretail.features import Floats
from supermegaretail.history import SalesHistory
from supermegaretail.panel import Key
from supermegaretail.releasing.limits import GateLimits
from supermegaretail.releasing.pair import Pair

STORES = 3
DAYS = 430  # a year of features, and some weeks
HORIZON_DAYS = 7
ALONE = 12  # items that are asked one by one
MOST_ITEMS = 200
RECENT_DAYS = 28
MORE_SALES, HIGHER_PRICE = 1.3, 1.2
LEAST_CHANGED = 10  # items: fewer are no average
Change = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Sample:
    """Some stores' newest rows, and the items that are asked about."""

    table: pl.DataFrame
    as_of: date

    @classmethod
    def of(cls, table: pl.DataFrame, as_of: date) -> Sample:
        """The stores with most rows; sorted by store, sku and date as the table is."""
        newest = table.filter(pl.col("date") > as_of - timedelta(DAYS))
        largest = newest.group_by("store").len().sort("len", "store", descending=[True, False]).head(STORES)["store"]
        return cls(newest.filter(pl.col("store").is_in(largest.implode())), as_of)

    @cached_property
    def history(self) -> SalesHistory:
        return SalesHistory.build(self.table)

    @cached_property
    def items(self) -> list[Key]:
        """Items with sales in the last weeks, which start from nobody else's."""
        recent = self.table.filter(pl.col("date") > self.as_of - timedelta(RECENT_DAYS), pl.col("sales") > 0)
        items = [(store, sku) for store, sku in recent.select("store", "sku").unique().sort("store", "sku").iter_rows()]
        inputs = self.history.inputs(items, as_of=self.as_of, horizon_days=1)
        return [item for item, starts in zip(items, inputs.cold, strict=True) if not starts][:MOST_ITEMS]

    @cached_property
    def scattered(self) -> list[Key]:
        """One item of each category in each store: what is done to it hardly moves its neighbours."""
        places, groups = self.history.panel.places, self.history.panel.category_of
        return list({int(groups[places[item]]): item for item in reversed(self.items)}.values())

    def asked(
        self, pair: Pair, items: Sequence[Key], history: SalesHistory | None = None, *, days_ago: int = 0
    ) -> Floats:
        """Units [n, horizon] as of the last day of sales, or of a day before."""
        as_of = self.as_of - timedelta(days_ago)
        return pair.demand(history or self.history, items, as_of=as_of, horizon_days=HORIZON_DAYS)


def invariance(pair: Pair, sample: Sample, limits: GateLimits) -> Finding:
    """Forecasts stay as they are when something changes that they have nothing to do with."""
    if not sample.items:
        return Finding("invariance", None, "no item sold anything in the last weeks")
    figures = {name: _farthest(*answers) for name, answers in _asked_otherwise(pair, sample)}
    broken = [f"{name} ({figure:.1%})" for name, figure in figures.items() if figure > limits.same]
    told = f"forecasts change with {', '.join(broken)}" if broken else f"unmoved by {', '.join(figures)}"
    return Finding("invariance", not broken, told, figures)


def direction(pair: Pair, champion: Pair | None, sample: Sample, limits: GateLimits) -> Finding:
    """More sales, not less demand; a promotion, not less; a higher price, not more: on average over many items."""
    figures, wrong, shared = dict[str, float](), list[str](), list[str]()
    for name, sense, changed in _changes(sample):
        mean, sure = _moved(pair, sample, changed, sense)
        figures[name] = sense * mean
        if mean < -limits.wrong_way and sure:
            before = (0.0, False) if champion is None else _moved(champion, sample, changed, sense)
            (shared if before[1] and before[0] < -limits.wrong_way else wrong).append(f"{name} {sense * mean:+.1%}")
    if wrong or shared:
        told = f"the wrong way on average: {', '.join([*wrong, *shared])}"
        return Finding("direction", False if wrong else None, told + ("" if wrong else ", as the champion"), figures)
    told = ", ".join(f"{name} {mean:+.1%}" for name, mean in figures.items())
    return Finding("direction", True, told or "too few items to tell a direction", figures)


def _asked_otherwise(pair: Pair, sample: Sample) -> Iterator[tuple[str, tuple[Floats, Floats]]]:
    items, as_of = sample.items, sample.as_of
    usual = sample.asked(pair, items)
    yield "the order of the items", (usual, sample.asked(pair, items[::-1])[::-1])
    few = items[:: max(len(items) // ALONE, 1)][:ALONE]
    alone = np.concatenate([sample.asked(pair, [item]) for item in few])
    yield "being asked alone", (sample.asked(pair, few), alone)
    store = items[0][0]
    renamed = SalesHistory.build(
        sample.table.with_columns(pl.col("store").replace(store, f"{store} renamed")).sort("store", "sku", "date")
    )
    new_names = [(f"{store} renamed" if item[0] == store else item[0], item[1]) for item in items]
    yield "a store's name", (usual, sample.asked(pair, new_names, renamed))
    other = next((item for item in reversed(items) if item[0] != store), None)
    if other is not None:
        its_own = (pl.col("store") == other[0]) & (pl.col("sku") == other[1]) & (pl.col("date") <= as_of)
        tripled = sample.history.updated(sample.table.filter(its_own).with_columns(3 * pl.col("sales") + 1))
        mine = [item for item in items if item[0] != other[0] and item[1] != other[1]]
        yield "another product's sales in another store", (sample.asked(pair, mine), sample.asked(pair, mine, tripled))
    yield "the days to come", _without_the_future(pair, sample)


def _without_the_future(pair: Pair, sample: Sample) -> tuple[Floats, Floats]:
    """As of an earlier day, with the sales that came after it known, and not."""
    earlier = sample.as_of - timedelta(HORIZON_DAYS)
    hidden = pl.when(pl.col("date") <= earlier)
    names = [name for name in ("sales", "stockout_hours") if name in sample.table.columns]
    unknown = SalesHistory.build(sample.table.with_columns(hidden.then(pl.col(name)).alias(name) for name in names))
    known, hidden_too = (
        sample.asked(pair, sample.items, history, days_ago=HORIZON_DAYS) for history in (sample.history, unknown)
    )
    return known, hidden_too


def _changes(sample: Sample) -> Iterator[tuple[str, int, tuple[SalesHistory, SalesHistory]]]:
    """What changes, the sense in which demand should go, and the histories before and after it."""
    if len(sample.scattered) < LEAST_CHANGED:
        return
    chosen = pl.DataFrame(sample.scattered, schema=["store", "sku"], orient="row")
    rows = sample.table.join(chosen, on=["store", "sku"], how="semi")
    recent = rows.filter(pl.col("date").is_between(sample.as_of - timedelta(RECENT_DAYS - 1), sample.as_of))
    raised = sample.history.updated(recent.with_columns(pl.col("sales") * MORE_SALES))
    yield "higher recent sales", 1, (sample.history, raised)
    days = pl.DataFrame({"date": [sample.as_of + timedelta(ahead) for ahead in range(1, HORIZON_DAYS + 1)]})
    last_price = recent.group_by("store", "sku").agg(pl.col("price").drop_nulls().last()) if "price" in rows else None
    plans = chosen.join(days, how="cross").sort("store", "sku", "date")
    plans = plans.with_columns(sales=pl.lit(None, pl.Float32))
    if "promotion" in rows.columns:
        yield "a promotion", 1, _both(sample, plans, "promotion", 0, 1, pl.Int8)
    if last_price is not None:
        priced = plans.join(last_price, on=["store", "sku"]).filter(pl.col("price").is_not_null())
        if priced.height:
            dearer = priced.with_columns(pl.col("price") * HIGHER_PRICE)
            yield "a higher price", -1, (sample.history.updated(priced), sample.history.updated(dearer))


def _both(
    sample: Sample, plans: pl.DataFrame, column: str, before: int, after: int, kind: type[pl.Int8]
) -> tuple[SalesHistory, SalesHistory]:
    told = (plans.with_columns(pl.lit(value, kind).alias(column)) for value in (before, after))
    first, second = (sample.history.updated(rows) for rows in told)
    return first, second


def _moved(pair: Pair, sample: Sample, histories: tuple[SalesHistory, SalesHistory], sense: int) -> tuple[float, bool]:
    """Mean logarithm of after ÷ before in the sense it should have, and whether its sign is sure."""
    before, after = (sample.asked(pair, sample.scattered, history).sum(1) for history in histories)
    known = np.isfinite(before) & np.isfinite(after) & (before > 0) & (after > 0)
    changes = sense * np.log(after[known] / before[known])
    if len(changes) < LEAST_CHANGED:
        return 0.0, False
    error = float(changes.std(ddof=1) / np.sqrt(len(changes)))
    return float(changes.mean()), abs(float(changes.mean())) > 2.5 * error


def _farthest(first: Floats, second: Floats) -> float:
    """The largest difference relative to the larger answer or one unit; of no number and a number, all of it."""
    apart = np.abs(first - second) / np.maximum(np.maximum(np.abs(first), np.abs(second)), 1)
    apart = np.where(np.isnan(first) & np.isnan(second), 0, np.where(np.isnan(apart), 1, apart))
    return float(apart.max(initial=0))
