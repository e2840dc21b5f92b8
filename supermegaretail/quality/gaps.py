"""What should be there and is not: days, series, stores that stopped, refused rows, inputs that are planned."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import polars as pl

from supermegaretail.quality.facts import SERIES, Facts
from supermegaretail.quality.findings import Finding, examples, grade, percent, share
from supermegaretail.quality.limits import Limits

PLANNED = ("price", "discount", "promotion", "holiday")


def rejected(rejects: pl.DataFrame, rows: int, limits: Limits) -> Iterator[Finding]:
    """What the import refused (column `reason`), beside the `rows` of the table."""
    if rejects.is_empty():
        return
    again = int(rejects["reason"].str.contains("^(?:repeats|contradicts) line").sum())
    contradicting = int(rejects["reason"].str.starts_with("contradicts line").sum())
    part = share(rejects.height, rejects.height + rows)
    text = f"{rejects.height:,} rows ({percent(part)}) were refused at import"
    if again:
        text += f", {again:,} of them as duplicates, {contradicting:,} with other values than the row that was kept"
    yield Finding(grade(part, limits.rejected), "rows.rejected", text)


def nothing_sold(facts: Facts) -> Iterator[Finding]:
    """Reports of zeros alone."""
    if not (facts.days["mean"] > 0).any():
        yield Finding("stop", "missing.all", "not one unit was sold")


def silent_series(facts: Facts) -> Iterator[Finding]:
    """Series without a report for a week that were reported until then."""
    limits, since = facts.limits, (facts.last_day - pl.col("last")).dt.total_days()
    live = facts.series.filter(since < limits.live_days)
    silent = live.filter(since >= limits.quiet_days)
    if silent.height:
        part = share(silent.height, live.height)
        text = (
            f"{silent.height:,} of {live.height:,} series ({percent(part)}) have had no report for {limits.quiet_days} "
            f"days or more before {facts.last_day}, though they had before"
        )
        where = examples(silent.sort("reports", descending=True).rename({"last": "date"}))
        level = grade(part, limits.silent, may_stop=live.height >= limits.least_series)
        yield Finding(level, "missing.series", text, where)


def quiet_series(facts: Facts) -> Iterator[Finding]:
    """Series that sold on most days, are still reported, and have not sold once for a week."""
    limits = facts.limits
    steady = facts.series.filter(
        pl.col("last") > facts.last_day - timedelta(limits.quiet_days),
        pl.col("selling") >= limits.steady * pl.col("reports_till_sale"),
        pl.col("selling") >= limits.quiet_days,
    )
    quiet = steady.filter((facts.last_day - pl.col("last_sale")).dt.total_days() >= limits.quiet_days)
    if quiet.height:
        part = share(quiet.height, steady.height)
        text = (
            f"{quiet.height:,} of {steady.height:,} series that sold nearly every day ({percent(part)}) are reported "
            f"with no sale at all in the {limits.quiet_days} days up to {facts.last_day}"
        )
        where = examples(quiet.sort("selling", descending=True).rename({"last_sale": "date"}))
        level = grade(part, limits.quiet, may_stop=steady.height >= limits.least_series)
        yield Finding(level, "missing.sales", text, where)


def unreported_days(facts: Facts) -> Iterator[Finding]:
    """Days between a series' first and last report on which its store reported others, but not this one."""
    opened = facts.sold.select("store", "date").unique().sort("store", "date")
    numbered = opened.with_columns(number=pl.int_range(pl.len()).over("store")).collect()
    first = numbered.rename({"date": "first", "number": "from"})
    last = numbered.rename({"date": "last", "number": "to"})
    lives = facts.series.join(first, on=["store", "first"]).join(last, on=["store", "last"])
    lives = lives.with_columns(missing=(pl.col("to") - pl.col("from") + 1 - pl.col("reports")).clip(0))
    missing, expected = int(lives["missing"].sum()), int((lives["to"] - lives["from"] + 1).sum())
    if missing:
        part, worst = share(missing, expected), lives.sort("missing", descending=True)
        text = (
            f"{missing:,} days ({percent(part)}) inside {lives.filter(pl.col('missing') > 0).height:,} series' lives "
            "have no report while their store was open"
        )
        if not facts.sold.select((pl.col("sales") == 0).any()).collect().item():
            text += "; no day of zero sales is in the table: were days without sales left out?"
        where = examples(worst.select(*SERIES, "missing"), "missing")
        yield Finding(grade(part, facts.limits.unreported), "missing.days", text, where)


def late_stores(facts: Facts) -> Iterator[Finding]:
    """Stores, and series in stores that are not late, whose last day lies some days behind the chain's."""
    limits = facts.limits
    stores = facts.series.group_by("store").agg(date=pl.col("last").max()).sort("date", "store")
    behind = (facts.last_day - pl.col("date")).dt.total_days()
    late = stores.filter(behind >= limits.late_days, behind < limits.live_days)
    if late.height:
        text = (
            f"{late.height:,} of {stores.height:,} stores last reported {limits.late_days} days or more before the "
            f"chain's last day, {facts.last_day}"
        )
        yield Finding("warn", "late.stores", text, examples(late.reverse()))
    of_punctual = facts.series.join(late, on="store", how="anti").rename({"last": "date"})
    late_series = of_punctual.filter(behind.is_between(limits.late_days, limits.quiet_days - 1))
    if late_series.height:
        days = f"{limits.late_days} to {limits.quiet_days - 1} days"
        text = f"{late_series.height:,} series in stores that are on time are {days} late"
        yield Finding("note", "late.series", text, examples(late_series))


def emptied_columns(facts: Facts) -> Iterator[Finding]:
    """Columns filled in the month before the last and missing, or promotions and discounts gone, in the last."""
    columns = [name for name in facts.table.columns if name not in (*SERIES, "date", "sales")]
    events = [name for name in columns if name.startswith("event")]  # rare by nature: no event is no fault
    judged = [name for name in columns if name not in events]
    if not judged or facts.days.filter(facts.month_before).is_empty():
        return
    then, now = (_missing(facts, judged, window) for window in (facts.month_before, facts.month))
    for name in judged:
        risen = now[name] - then[name]
        if risen >= facts.limits.emptied.warn:
            lost = now[name] >= facts.limits.emptied.stop and then[name] <= 1 - facts.limits.emptied.stop / 2
            level = grade(now[name], facts.limits.emptied, may_stop=lost and (name in PLANNED))
            text = f"{name} is missing on {percent(now[name])} of the last {facts.limits.month_days} days' rows, "
            yield Finding(level, "missing.column", text + f"and was on {percent(then[name])} of the month before")
    yield from _flat_columns(facts)


def _flat_columns(facts: Facts) -> Iterator[Finding]:
    active = {"promotion": pl.col("promotion") > 0, "discount": (pl.col("discount") - 1).abs() > 0.001}
    present = {name: there.mean().fill_null(0) for name, there in active.items() if name in facts.table.columns}
    if not present:
        return
    then, now = (facts.sold.filter(window).select(**present).collect() for window in (facts.month_before, facts.month))
    known = facts.sold.filter(facts.month).select(pl.col(list(present)).count()).collect()
    for name in present:
        if now[name].item() == 0 and then[name].item() >= facts.limits.flat and known[name].item():
            text = f"no row of the last {facts.limits.month_days} days has a {name}, in the month before "
            yield Finding("stop", "missing.column", text + f"{percent(then[name].item())} of the rows had one")


def _missing(facts: Facts, columns: list[str], window: pl.Expr) -> dict[str, float]:
    shares = facts.sold.filter(window).select(pl.col(columns).null_count() / pl.len()).collect()
    return shares.row(0, named=True)


def missing_plans(facts: Facts) -> Iterator[Finding]:
    """Rows for the days ahead that are not there, or lack what the days behind have."""
    columns = [name for name in PLANNED if name in facts.table.columns]
    ahead = facts.table.lazy().filter(pl.col("date") > facts.last_day, pl.col("sales").is_null())
    told = ahead.select(pl.len().alias("rows"), *(pl.col(name).null_count() for name in columns)).collect()
    rows = told["rows"].item()
    if columns and not rows:
        yield Finding(
            "note", "missing.plans", f"nothing is planned after {facts.last_day}: {', '.join(columns)} unknown"
        )
        return
    behind = _missing(facts, columns, facts.month) if columns else {}
    for name in columns:
        part = share(told[name].item(), rows)
        if part - behind[name] >= facts.limits.emptied.warn:
            text = f"{name} is missing in {percent(part)} of the {rows:,} planned rows, "
            text += f"and in {percent(behind[name])} of the last {facts.limits.month_days} days' rows"
            yield Finding("warn", "missing.plans", text)
