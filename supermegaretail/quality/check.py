"""The whole report on a table of sales, check after check."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import polars as pl
import polars.selectors as cs

from supermegaretail.columns import KEY
from supermegaretail.quality import drift, gaps, impossible
from supermegaretail.quality.facts import Facts, facts_of
from supermegaretail.quality.findings import Finding, Report, ordered
from supermegaretail.quality.limits import LIMITS, Limits
from supermegaretail.quality.ranges import ranges
from supermegaretail.series import CENSORED_FROM_HOURS


def check(
    table: pl.DataFrame,
    *,
    rejects: pl.DataFrame | None = None,
    limits: Limits = LIMITS,
    today: date | None = None,
) -> Report:
    """Judges a canonical table, sorted by store, sku and date; `rejects` (column `reason`) is what the import refused.

    Passes over whole columns; beside the table memory holds a line per series and the last two months' numbers.
    """
    findings = [*gaps.rejected(rejects, table.height, limits)] if rejects is not None else []
    if strange := [*impossible.not_numbers(table, limits)]:
        findings += strange
        table = table.with_columns(cs.float().fill_nan(None))
    today = today or datetime.now(UTC).date()
    facts = facts_of(table, limits, today=today)
    if facts is None:
        findings.append(Finding("stop", "missing.all", "there is not one day of sales"))
    else:
        findings += _findings(facts, today)
    return Report(
        rows=table.height,
        series=table.select("store", "sku").n_unique(),
        first_day=facts.first_day if facts else None,
        last_day=facts.last_day if facts else None,
        findings=ordered(findings),
        ranges=ranges(table),
    )


def _findings(facts: Facts, today: date) -> Iterator[Finding]:
    yield from repeated_keys(facts)
    yield from gaps.nothing_sold(facts)
    yield from gaps.silent_series(facts)
    yield from gaps.quiet_series(facts)
    yield from gaps.unreported_days(facts)
    yield from gaps.late_stores(facts)
    yield from gaps.emptied_columns(facts)
    yield from gaps.missing_plans(facts)
    yield from impossible.broken_rules(facts)
    yield from impossible.huge_sales(facts)
    yield from impossible.fractions(facts)
    yield from impossible.sold_out(facts, censored_from_hours=CENSORED_FROM_HOURS)
    yield from impossible.odd_days(facts, today=today)
    yield from drift.leaps(facts)
    yield from drift.store_leaps(facts)
    yield from drift.moved_columns(facts)


def repeated_keys(facts: Facts) -> Iterator[Finding]:
    """Rows with the store, sku and date of the row before: an import lets none through, a table made otherwise may."""
    again = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in KEY)
    count = facts.table.lazy().select(again.sum()).collect().item()
    if count:
        yield Finding("stop", "rows.repeated", f"{count:,} rows repeat the store, sku and date of another")
