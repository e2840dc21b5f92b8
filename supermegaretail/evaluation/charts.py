"""The page's drawings: errors along the horizon, coverage, pinball losses, and single series."""

from __future__ import annotations

import polars as pl

from common.report.html import figure, legend
from common.report.numbers import number
from common.report.svg import Line, bar_chart, line_chart
from supermegaretail.evaluation.report import Case, Report
from supermegaretail.evaluation.tiers import (
    AVERAGE,
    BLIND,
    CONSTANT,
    CORE,
    CORRECTION,
    MA7,
    MA28,
    NAIVE,
    UNPLANNED,
)
from supermegaretail.evaluation.words import name, whole_quantiles

STYLES = (
    *(CORRECTION, UNPLANNED, CORE, AVERAGE, CONSTANT, NAIVE, MA7, MA28),
    *("AutoETS", "CrostonSBA", "SeasonalES", "mlforecast + LightGBM"),
)
ON_CASES = (CORRECTION, "core", "moving_average", "AutoETS", "mlforecast + LightGBM")  # more lines hide each other


def style_of(tier: str) -> str:
    """The class that gives a tier the same colour everywhere."""
    return f"t{STYLES.index(tier) if tier in STYLES else len(STYLES) - 1}"


def shown_tiers(report: Report, scope: str) -> list[str]:
    """The tiers that are drawn: the constant would flatten all others, and one without x_ lies on its neighbours."""
    return [tier for tier in report.whole(scope)["tier"].to_list() if tier not in (CONSTANT, BLIND)]


def horizon_chart(report: Report, scope: str) -> str:
    """WAPE by day of the horizon, a curve per tier."""
    daily = report.daily.filter(pl.col("scope") == scope)
    lines = [
        Line(name(tier), daily.filter(pl.col("tier") == tier).select("day", "wape").rows(), style_of(tier))
        for tier in shown_tiers(report, scope)
    ]
    return figure(
        line_chart(
            lines,
            title="WAPE by day of the horizon",
            description="one curve per tier; the same figures by bucket are in the heat table",
            x_title="days ahead",
            y_title="WAPE",
        ),
        "WAPE by day of the horizon",
    )


def coverage_chart(report: Report, scope: str) -> str:
    """Promised and found coverage: the level where it lies between the two shares of days, else the nearer share."""
    lines = [Line("promise", [(0, 0), (1, 1)], "ideal")]
    for tier in shown_tiers(report, scope):
        rows = whole_quantiles(report, scope, tier).iter_rows(named=True)
        points = [(row["level"], min(max(row["level"], row["below"]), row["at_or_below"])) for row in rows]
        lines.append(Line(name(tier), points, style_of(tier), dots=True, joined=False))
    return figure(
        line_chart(
            lines,
            title="coverage: promised and found",
            description="on the dashed line a quantile holds what it promises; the figures are in the table below",
            x_title="level",
            y_title="share of days at or below",
            limits=(0, 1),
        ),
        "Coverage: promised and found (on the dashed line: kept)",
    )


def pinball_chart(report: Report, scope: str) -> str:
    """Pinball loss per level, a bar per tier."""
    tiers = [tier for tier in shown_tiers(report, scope) if tier not in (UNPLANNED, NAIVE)]
    by_tier = {tier: whole_quantiles(report, scope, tier) for tier in tiers}
    levels = next(iter(by_tier.values()))["level"].to_list() if by_tier else []
    groups = [
        (
            f"{level:g}",
            [(name(tier), frame["pinball"][place], style_of(tier)) for tier, frame in by_tier.items()],
        )
        for place, level in enumerate(levels)
    ]
    drawn = bar_chart(
        groups,
        title="pinball loss by level",
        description="mean loss divided by mean sales, lower is better, one bar per tier",
        y_title="pinball ÷ sales",
    )
    return figure(drawn, "Pinball loss by level (lower is better)")


def case_chart(case: Case) -> str:
    """One series: eight weeks before the origin, what happened, and what was forecast."""
    start = -len(case.before) + 1
    actual = [(float(start + place), float(units)) for place, units in enumerate([*case.before, *case.sold])]
    days = range(1, len(case.sold) + 1)
    shown = [tier for tier in ON_CASES if tier in case.demand]
    lines = [
        Line("sold", actual, "actual"),
        *(
            Line(name(tier), [(float(day), float(case.demand[tier][day - 1])) for day in days], style_of(tier))
            for tier in reversed(shown)
        ),
    ]
    band = (
        [] if case.band is None else [(float(d), float(case.band[0][d - 1]), float(case.band[1][d - 1])) for d in days]
    )
    store, sku = case.item
    totals = ", ".join(f"{name(tier)} {number(float(case.demand[tier].sum()), 1)}" for tier in shown)
    sold = f"sold {number(float(case.sold.sum()), 1)}"
    drawn = line_chart(
        lines,
        title=f"{case.title}: {sku} in {store}",
        description=f"units per day; over the horizon {sold}; forecast by {totals}",
        x_title=f"days from {case.as_of}",
        y_title="units",
        band=band,
        mark_x=0.5,
        from_zero=True,
    )
    return figure(drawn, case.title, f"{sku} in {store}: {sold}; {totals}")


def case_legend(case: Case) -> str:
    """The lines of all case charts."""
    shown = [(name(tier), style_of(tier)) for tier in ON_CASES if tier in case.demand]
    return legend([("sold", "actual"), *shown])
