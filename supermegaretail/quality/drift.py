"""What changed: the level of sales from one day to the next and per store, and each column month against month."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from common.drift import Floats, population_stability_index, wasserstein
from supermegaretail.quality.facts import Facts
from supermegaretail.quality.findings import Example, Finding, examples, grade, percent, share
from supermegaretail.quality.limits import Graded, Limits

SAMPLE = 50_000  # values per column and month: more do not move the index
SEED = 1
LEAST_REPORTS = 0.05  # days with fewer reports than this share of the usual say nothing about the chain
STORE_REPORTS = 20  # in each of two months, for a store's level to mean something


def leaps(facts: Facts) -> Iterator[Finding]:
    """Days from which on the whole chain sells several times as much, or as little, as in the month before."""
    limits, mean = facts.limits, pl.col("mean")
    usual = mean.rolling_median(limits.month_days, min_samples=limits.quiet_days).shift(1)
    level = mean.reverse().rolling_median(limits.quiet_days, min_samples=1).reverse()
    days = (
        facts.days.filter(pl.col("reports") >= LEAST_REPORTS * pl.col("reports").median())
        .with_columns(usual=usual, level=level, days_left=pl.len() - pl.int_range(pl.len()))
        .filter(pl.col("usual") > 0)
        .with_columns(own=_either_way("mean", "usual"), lasting=_either_way("level", "usual"))
    )
    fell, settled = pl.col("level") < pl.col("usual"), pl.col("days_left") >= limits.lasting_days
    leapt = days.filter(
        pl.min_horizontal("own", "lasting") >= limits.level.warn,
        (mean < pl.col("usual")) == fell,
        ~fell | settled,
    )
    # The days after a leap leap too, against the same month: only the gravest is told, of late and of before.
    recent = (facts.last_day - pl.col("date")).dt.total_days() < limits.recent_days
    for part, may_stop in ((leapt.filter(recent), True), (leapt.filter(~recent), False)):
        if part.height:
            yield _leap(part, limits.level, may_stop=may_stop)
    yield from _odd_days(days.join(leapt, on="date", how="anti"), limits.level)


def _leap(days: pl.DataFrame, limits: Graded, *, may_stop: bool) -> Finding:
    worst = days.with_columns(gravity=pl.min_horizontal("own", "lasting")).sort("gravity").row(-1, named=True)
    text = (
        f"from about {worst['date']} on the chain's mean sales per product, store and day are {worst['level']:,.3g}, "
        f"after {worst['usual']:,.3g} in the month before"
    )
    level = grade(worst["gravity"], limits, may_stop=may_stop)
    return Finding(level, "drift.level", text, (Example(date=worst["date"], value=worst["mean"]),))


def _odd_days(days: pl.DataFrame, limits: Graded) -> Iterator[Finding]:
    """Single days such as those on which every shop is closed."""
    odd = days.filter(pl.col("own") >= limits.stop).sort("own", descending=True)
    if odd.height:
        text = f"on {odd.height:,} single days the chain sold {limits.stop:g} times as much, or as little, as usual"
        yield Finding("note", "drift.days", text, examples(odd, "mean"))


def store_leaps(facts: Facts) -> Iterator[Finding]:
    """Stores whose mean sales of the last month are far from those of the month before."""
    sales = pl.col("sales").cast(pl.Float64)
    by_store = facts.sold.group_by("store").agg(
        now=sales.filter(facts.month).mean(),
        before=sales.filter(facts.month_before).mean(),
        fewest=pl.min_horizontal(facts.month.sum(), facts.month_before.sum()),
    )
    stores = by_store.filter(pl.col("fewest") >= STORE_REPORTS, pl.col("before") > 0).collect()
    leapt = stores.with_columns(ratio=_either_way("now", "before")).filter(pl.col("ratio") >= facts.limits.level.stop)
    if leapt.height:
        part = share(leapt.height, stores.height)
        text = (
            f"{leapt.height:,} of {stores.height:,} stores ({percent(part)}) sold {facts.limits.level.stop:g} times as "
            f"much, or as little, in the last {facts.limits.month_days} days as in the month before"
        )
        where = leapt.with_columns(times=pl.col("now") / pl.col("before")).sort(
            "ratio", "store", descending=[True, False]
        )
        level = grade(part, facts.limits.stores, may_stop=stores.height >= facts.limits.least_series)
        yield Finding(level, "drift.stores", text, examples(where, "times"))


def _either_way(one: str, other: str) -> pl.Expr:
    """How many times the larger is the smaller; infinite where one of them is 0."""
    ratio = pl.col(one).cast(pl.Float64) / pl.col(other)
    return pl.max_horizontal(ratio, 1 / ratio)


def moved_columns(facts: Facts) -> Iterator[Finding]:
    """Numbers whose distribution, or whose mean, is another in the last month than in the month before."""
    if facts.days.filter(facts.month_before).is_empty():
        return
    numeric = [name for name, dtype in facts.table.schema.items() if dtype.is_numeric()]
    now, before = (facts.sold.filter(window).select(numeric).collect() for window in (facts.month, facts.month_before))
    for name in numeric:
        current, reference = _sample(now[name]), _sample(before[name])
        if not current.size or not reference.size:
            continue
        finding = _moved(facts.limits, name, reference, current)
        if finding is not None:
            yield finding


def _moved(limits: Limits, name: str, reference: Floats, current: Floats) -> Finding | None:
    index, distance = population_stability_index(reference, current), wasserstein(reference, current)
    means = float(np.mean(reference)), float(np.mean(current))
    ratio = max(means[1] / means[0], means[0] / means[1]) if min(means) > 0 else 1.0
    shifted = index >= limits.shifted.warn and distance >= limits.distance
    if not shifted and (name != "sales" or ratio < limits.mean_ratio.warn):
        return None
    text = (
        f"{name} of the last {limits.month_days} days has another spread than in the month before: "
        f"it went {percent(distance)} of its spread (5 % to 95 % quantile; stability index {index:.2f}), "
        f"its mean from {means[0]:,.3g} to {means[1]:,.3g}"
    )
    # Weather and holidays do move with the season, so only what a chain decides or sells is worth a warning.
    grave = (shifted and index >= limits.shifted.stop) or (name == "sales" and ratio >= limits.mean_ratio.stop)
    decided = name in ("sales", "price", "discount", "promotion", "stockout_hours")
    return replace(Finding("note", "drift.column", text), level="warn" if grave and decided else "note")


def _sample(values: pl.Series) -> Floats:
    known = values.drop_nulls().cast(pl.Float64)
    # Drawn by chance: every n-th value of a table sorted by day may be always the same weekday.
    return (known.sample(SAMPLE, seed=SEED) if known.len() > SAMPLE else known).to_numpy()
