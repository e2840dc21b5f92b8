"""Gates on the sales, before anything is trained: their quality, their columns, and whether there is news in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from common.releases.gate import Finding
from supermegaretail.quality.findings import Report
from supermegaretail.releasing.limits import GateLimits

COLUMNS = "columns"  # in a manifest's account of its training


def quality(report: Report) -> Finding:
    """What the check of the table stops a training for, stops a release."""
    stops = report.of("stop")
    told = "; ".join(found.text for found in stops[:3]) if stops else f"{len(report.of('warn'))} warnings"
    return Finding("data quality", not stops, told, {"stops": len(stops), "warnings": len(report.of("warn"))})


def schema(columns: Sequence[str], learnt_from: Mapping[str, Any] | None) -> Finding:
    """No column that the champion has learnt from is missing.

    Args:
        columns: those with at least one value.
        learnt_from: what the champion's manifest says of its training, None without a champion.
    """
    before = None if learnt_from is None else learnt_from.get(COLUMNS)
    if before is None:
        return Finding("schema", True, f"{len(columns)} columns; what was learnt from before is not known")
    lost, new = sorted({*before} - {*columns}), sorted({*columns} - {*before})
    told = f"lost: {', '.join(lost)}" if lost else f"{len(columns)} columns, new: {', '.join(new) or 'none'}"
    return Finding("schema", not lost, told, {"lost": len(lost), "new": len(new)})


def news(last_day: date, champion_last_day: date | None, limits: GateLimits) -> Finding:
    """Enough days that the champion has not learnt from; too few are no fault, there is just nothing to do."""
    if champion_last_day is None:
        return Finding("news", True, "there is no champion yet")
    days = (last_day - champion_last_day).days
    figures = {"new_days": days}
    if days < 0:
        return Finding("news", False, f"the sales end {-days} days before those of the champion", figures)
    passed = True if days >= limits.least_new_days else None
    return Finding("news", passed, f"{days} new days, {limits.least_new_days} are needed", figures)
