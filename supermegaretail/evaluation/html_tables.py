"""The page's tables: the tiers, the slices as a heat table, coverage, and the money view."""

from __future__ import annotations

import math
from html import escape

import polars as pl

from common.report.html import table
from common.report.numbers import number, percent
from supermegaretail.evaluation.report import Report
from supermegaretail.evaluation.slices import LEAST_DAYS, SOLD_OUT, WHOLE
from supermegaretail.evaluation.tiers import CONSTANT
from supermegaretail.evaluation.words import name

DEEPEST = 0.15  # from the moving average, at which a cell's colour is deepest


def tiers_table(report: Report, scope: str, caption: str) -> str:
    """Every figure over all days, best tier first."""
    seconds = dict(report.seconds.filter(pl.col("scope") == scope).select("tier", "cpu_seconds").iter_rows())
    heads = (
        *("tier", "WAPE", "÷ moving average", "÷ MA7", "÷ MA28", "bias", "RMSSE", "wRMSSE", "wRMSSE ÷ MA28"),
        *("when it answers alone", "middle 50 %", "1.5–99 %", "CPU s"),
    )
    rows = [
        (
            name(row["tier"]),
            number(row["wape"]),
            *(number(row[f"wape_ratio_{base}"]) for base in ("average", "ma7", "ma28")),
            percent(row["bias"], sign=True),
            *(number(row[figure]) for figure in ("rmsse", "wrmsse", "wrmsse_ratio_ma28")),
            percent(row["price"], sign=True),
            *(number(row[figure], 2) for figure in ("width_middle", "width_wide")),
            number(seconds[row["tier"]], 2),
        )
        for row in report.whole(scope).iter_rows(named=True)
    ]
    return table(caption, heads, rows, best=0)


def slices_table(report: Report, scope: str, caption: str) -> str:
    """WAPE ÷ that of the moving average, one row per slice, one column per tier, coloured by distance from 1."""
    figures = report.figures.filter((pl.col("scope") == scope) & (pl.col("tier") != CONSTANT))
    tiers = report.whole(scope).filter(pl.col("tier") != CONSTANT)["tier"].to_list()
    rows = []
    for part in figures["part"].unique(maintain_order=True):
        of_part = {row["tier"]: row for row in figures.filter(pl.col("part") == part).iter_rows(named=True)}
        one = next(iter(of_part.values()))
        few = " (few)" if one["days"] < LEAST_DAYS else ""
        cells = (_heat(of_part[tier]["wape_ratio_average"]) if tier in of_part else "–" for tier in tiers)
        rows.append((f"{part}{few}", f"{one['series']:,.0f}", f"{one['days']:,.0f}", *cells))
    return table(caption, ("part", "series", "days", *map(name, tiers)), rows, style="heat")


def coverage_table(report: Report, scope: str, caption: str) -> str:
    """How far each level is off, in points: over all days, and at the worst of the parts."""
    enough = (
        report.figures.filter((pl.col("days") >= LEAST_DAYS) & (pl.col("part") != SOLD_OUT))
        .select("scope", "part")
        .unique()
    )
    judged = report.quantiles.join(enough, on=["scope", "part"], how="semi", maintain_order="left")
    quantiles = judged.filter(pl.col("scope") == scope)
    levels = quantiles["level"].unique().sort().to_list()
    rows = []
    for tier in quantiles["tier"].unique(maintain_order=True):
        mine = quantiles.filter(pl.col("tier") == tier)
        whole = dict(mine.filter(pl.col("part") == WHOLE).select("level", "shortfall_points").iter_rows())
        worst = mine.sort("shortfall_points", descending=True).row(0, named=True)
        marked = name(tier) + ("" if worst["source"] == "model" else " °")
        at_worst = f"{number(worst['shortfall_points'], 1)}: {escape(worst['part'])}, {worst['level']:g}"
        rows.append((marked, *(number(whole[level], 1) for level in levels), at_worst))
    return table(caption, ("tier", *(f"{level:g}" for level in levels), "worst part and level"), rows)


def money_table(report: Report, scope: str, caption: str) -> str:
    """Left over and lost by service level, in units and, where prices are known, in money."""
    money = report.money.filter(pl.col("scope") == scope)
    levels = money["level"].unique().sort().to_list()
    priced = money["overstock_money"].is_finite().any()
    heads = ["tier", *(f"{level:g}: {what}" for level in levels for what in ("left over", "lost"))]
    rows = []
    for tier in money["tier"].unique(maintain_order=True):
        of_level = {row["level"]: row for row in money.filter(pl.col("tier") == tier).iter_rows(named=True)}
        marked = name(tier) + ("" if of_level[levels[0]]["source"] == "model" else " °")
        kinds = (("overstock", "overstock_money"), ("lost", "lost_money"))
        cells = [_amount(of_level[level], units, worth if priced else "") for level in levels for units, worth in kinds]
        rows.append((marked, *cells))
    return table(caption, heads, rows)


def _amount(row: dict[str, float], units: str, worth: str) -> str:
    return percent(row[units]) + (f'<br><span class="soft">{percent(row[worth])}</span>' if worth else "")


def _heat(ratio: float) -> str:
    if not math.isfinite(ratio):
        return "<td>–</td>"
    depth = min(abs(ratio - 1) / DEEPEST, 1) * 0.5
    tone = "good" if ratio < 1 else "bad"
    return f'<td style="--tone: var(--{tone}); --depth: {depth:.2f}">{number(ratio)}</td>'
