"""Values that cannot be, or can hardly be: each a rule over the rows with sales, told with its first rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import polars as pl
import polars.selectors as cs

from supermegaretail.quality.facts import SERIES, Facts
from supermegaretail.quality.findings import EXAMPLES, Finding, examples, grade, percent, share
from supermegaretail.quality.limits import Graded, Limits

HOURS_OF_A_DAY = 24


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows for which `breaks` holds, counted among the rows that have the value of `column`."""

    check: str
    column: str
    breaks: pl.Expr
    text: str
    limits: Graded


def rules(limits: Limits) -> tuple[Rule, ...]:
    """The rules that one row can break by itself."""
    sales, price, discount, hours = (pl.col(name) for name in ("sales", "price", "discount", "stockout_hours"))
    return (
        Rule(
            "impossible.sales",
            "sales",
            (sales < 0) | sales.is_nan(),
            "sales below 0 or not a number",
            limits.impossible,
        ),
        Rule(
            "impossible.stockout",
            "stockout_hours",
            (hours >= HOURS_OF_A_DAY) & (sales > 0),
            "sales on a day with 24 hours out of stock",
            limits.impossible,
        ),
        Rule("impossible.price", "price", price < 0, "a price below 0", limits.impossible),
        Rule("impossible.free", "price", price == 0, "a price of 0", limits.free),
        Rule("impossible.free", "discount", discount == 0, "a discount of 0, which is: given away", limits.free),
        Rule(
            "impossible.discount", "discount", discount > 1, "a discount above 1: dearer than listed", limits.above_list
        ),
    )


def not_numbers(table: pl.DataFrame, limits: Limits) -> Iterator[Finding]:
    """Columns with values that are neither a number nor missing (NaN); all other checks take these for missing."""
    counts = table.select(cs.float().is_nan().sum())
    for name in counts.columns:
        if count := counts[name].item():
            part = share(count, table[name].count())
            text = f"{count:,} rows ({percent(part)}) have a {name} that is not a number"
            where = examples(table.lazy().filter(pl.col(name).is_nan()).head(EXAMPLES).collect())
            yield Finding(grade(part, limits.impossible), "impossible.number", text, where)


def broken_rules(facts: Facts) -> Iterator[Finding]:
    """One finding per rule that any row breaks; all rules are counted in one pass."""
    known = [rule for rule in rules(facts.limits) if rule.column in facts.table.columns]
    counts = facts.sold.select(
        *(rule.breaks.sum().alias(f"broken {place}") for place, rule in enumerate(known)),
        *(pl.col(rule.column).count().alias(f"of {place}") for place, rule in enumerate(known)),
    )
    counted = counts.collect()
    for place, rule in enumerate(known):
        broken, of = counted[f"broken {place}"].item(), counted[f"of {place}"].item()
        if broken:
            part = share(broken, of)
            text = f"{broken:,} rows ({percent(part)}) have {rule.text}"
            where = facts.sold.filter(rule.breaks).head(EXAMPLES).collect()
            yield Finding(grade(part, rule.limits), rule.check, text, examples(where, rule.column))


def huge_sales(facts: Facts) -> Iterator[Finding]:
    """Days far above everything else that their series sold, by the share of all units that they hold."""
    limits = facts.limits
    high = facts.sold.filter(pl.col("sales") > limits.huge_units).select(*SERIES, "date", "sales").collect()
    if high.is_empty():
        return
    of_these = facts.sold.filter(pl.col("sales") > 0).join(high.lazy(), on=SERIES, how="semi").group_by(SERIES)
    others = pl.col("sales").sort().head(pl.len() - 1)
    usual = of_these.agg(best=others.quantile(limits.good_day, interpolation="higher")).collect()
    huge = high.join(usual, on=SERIES).filter(pl.col("sales") > limits.huge_times * pl.col("best"))
    if huge.height:
        units = facts.sold.select(pl.col("sales").cast(pl.Float64).sum()).collect().item()
        part = share(float(huge["sales"].cast(pl.Float64).sum()), units)
        text = (
            f"{huge.height:,} days sold over {limits.huge_times:g} times what their series sells on its good days: "
            f"{percent(part)} of all units"
        )
        level = grade(part, limits.huge)
        yield Finding(level, "impossible.huge", text, examples(huge.sort("sales", descending=True), "sales"))


def fractions(facts: Facts) -> Iterator[Finding]:
    """Fractions of a unit in series that sell whole units otherwise."""
    odd = facts.series.filter(
        pl.col("whole") >= facts.limits.whole, pl.col("fractions") > 0, pl.col("reports") >= facts.limits.month_days
    )
    if odd.height:
        rows = int(odd["fractions"].sum())
        text = (
            f"{rows:,} days in {odd.height:,} series have a fraction of a unit, though these sell whole units otherwise"
        )
        days = facts.sold.join(odd.lazy(), on=SERIES, how="semi").filter(pl.col("sales") != pl.col("sales").round(0))
        level = grade(share(rows, int(odd["reports"].sum())), facts.limits.impossible, may_stop=False)
        yield Finding(level, "impossible.fraction", text, examples(days.head(EXAMPLES).collect(), "sales"))


def sold_out(facts: Facts, *, censored_from_hours: int) -> Iterator[Finding]:
    """Days of the last month that were out of stock for so long that their sales say little about demand."""
    if "stockout_hours" not in facts.table.columns:
        return
    gone = pl.col("stockout_hours") >= censored_from_hours
    part = facts.sold.filter(facts.month).select(gone.mean()).collect().item() or 0.0
    text = f"{percent(part)} of the last {facts.limits.month_days} days' rows were out of stock for "
    if part:
        first = facts.sold.filter(facts.month, gone).head(EXAMPLES).collect()
        yield Finding(
            grade(part, facts.limits.sold_out),
            "stockouts",
            text + f"{censored_from_hours} hours or more",
            examples(first, "stockout_hours"),
        )


def odd_days(facts: Facts, *, today: date) -> Iterator[Finding]:
    """Sales dated in the future, and the few that lie weeks away from all others."""
    if facts.last_day > today:
        days = (facts.last_day - today).days
        text = f"the last day of sales, {facts.last_day}, is {days:,} days after today: is the clock right?"
        yield Finding("warn", "dates.future", text)
    if facts.astray:
        rows = facts.sold.filter(pl.col("date").is_in(facts.astray)).select(*SERIES, "date").collect()
        text = (
            f"{rows.height:,} rows with sales lie more than {facts.limits.gap_days} days away from all others, "
            f"which run from {facts.first_day} to {facts.last_day}"
        )
        # After all others they would be the day from which everything is forecast.
        yield Finding("stop" if facts.astray[-1] > facts.last_day else "warn", "dates.apart", text, examples(rows))
    behind = (today - facts.last_day).days
    if behind > facts.limits.quiet_days:
        yield Finding("note", "late.table", f"the last day of sales, {facts.last_day}, is {behind:,} days ago")
