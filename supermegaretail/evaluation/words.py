"""The findings in sentences, names and short numbers, for the terminal and the page alike."""

from __future__ import annotations

import polars as pl

from common.report.numbers import number, percent
from supermegaretail.evaluation.report import Report
from supermegaretail.evaluation.slices import LEAST_DAYS, SOLD_OUT
from supermegaretail.evaluation.tiers import AVERAGE, CORRECTION, OWN, UNPLANNED


def name(tier: str) -> str:
    """A tier's name in plain words."""
    return tier.replace("_", " ")


def what_was_done(report: Report) -> str:
    """Data, origins and models in one sentence."""
    days = ", ".join(day.isoformat() for day in report.origins)
    return (
        f"{report.series:,} series, {report.horizon_days} days ahead, models trained anew as of {days} "
        f"(seed {report.seed}, {report.training_cpu_seconds:.0f} CPU seconds each time); "
        "figures are means over the origins"
    )


def about(report: Report, scope: str) -> str:
    """What a table of this scope is about."""
    return f"all {report.series:,} series" if scope == "all" else f"{report.sampled:,} series, with peers"


def sentences(report: Report) -> list[str]:
    """What the figures say, most important first."""
    own = report.whole("all").filter(pl.col("tier").is_in(OWN)).to_dicts()
    row = {one["tier"]: one for one in own}
    best, average = own[0], row[AVERAGE]
    found = [
        f"Best of our tiers: {name(best['tier'])}, WAPE {number(best['wape'])}: "
        f"{number(best['wape_ratio_average'])} of the moving average's and {number(best['wape_ratio_ma28'])} of a "
        f"plain 28-day mean's; bias {percent(best['bias'], sign=True)}.",
        f"When only the moving average answers, the error is {percent(average['price'], sign=True)} against the best "
        f"tier; when the plans are missing and the correction speaks all the same, "
        f"{percent(row[UNPLANNED]['price'], sign=True)}.",
    ]
    if "sample" in report.scopes:
        first, *others = report.whole("sample").to_dicts()
        second = f", then {name(others[0]['tier'])} ({number(others[0]['wape'])})" if others else ""
        found.append(
            f"With peers, on {report.sampled:,} series: best is {name(first['tier'])} "
            f"({number(first['wape'])}){second}."
        )
    worst = _worst_slice(report)
    return [*found, *worst, *_coverage(report)]


def _worst_slice(report: Report) -> list[str]:
    slices = report.figures.filter(
        (pl.col("scope") == "all") & (pl.col("kind") == "slice") & (pl.col("tier") == CORRECTION)
    ).filter(pl.col("wape_ratio_average").is_finite() & (pl.col("days") >= LEAST_DAYS) & (pl.col("part") != SOLD_OUT))
    if slices.is_empty():
        return []
    ranked = slices.sort("wape_ratio_average").to_dicts()
    best, worst = ranked[0], ranked[-1]
    return [
        f"Against the moving average the correction is strongest at “{best['part']}” "
        f"({number(best['wape_ratio_average'])}) and weakest at “{worst['part']}” "
        f"({number(worst['wape_ratio_average'])})."
    ]


def _coverage(report: Report) -> list[str]:
    levels = whole_quantiles(report, "all", CORRECTION)
    if levels.is_empty():
        return ["No quantiles were given, and one origin is too few to derive any from earlier errors."]
    off = levels.sort("shortfall_points").to_dicts()[-1]
    own = "its own quantiles" if off["source"] == "model" else "quantiles from its earlier errors"
    return [
        f"The correction's coverage ({own}) is at most {number(off['shortfall_points'], 1)} points off, "
        f"at level {off['level']:g}."
    ]


def whole_quantiles(report: Report, scope: str, tier: str) -> pl.DataFrame:
    """The quantile figures of a tier over all days, by level; empty where there are none."""
    if report.quantiles.is_empty():
        return report.quantiles
    wanted = (pl.col("scope") == scope) & (pl.col("kind") == "whole") & (pl.col("tier") == tier)
    return report.quantiles.filter(wanted).sort("level")
