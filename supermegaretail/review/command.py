"""`release propose core`: both versions over the same weeks, the report, the proposal."""

from __future__ import annotations

from typing import Any

import polars as pl

from common.command_line import Failed
from common.progress import progress
from common.releases.proposing import Proposal, candidate_of
from common.releases.review import report_of
from common.versions.registry import CHAMPION, Registry
from supermegaretail.evaluation.outcome import origins
from supermegaretail.evaluation.slices import categories_of
from supermegaretail.history import SalesHistory
from supermegaretail.models import Models, read
from supermegaretail.review.both import Both, ask_both
from supermegaretail.review.report import reviewed, samples, seen_days

HORIZON_DAYS = 14
ORIGINS = 3
MOST_ITEMS = 400  # at each origin


def review(registry: Registry, table: pl.DataFrame, component: str, version: str | None) -> Proposal:
    """The report on a core, with its correction, beside the champion's; without `version` on the newest.

    Raises `Failed` where there is nothing to compare, or too little to compare with.
    """
    if component != "core":
        raise Failed("the core is proposed, and its correction with it")
    number = candidate_of(registry, component, version)
    champion, candidate = (read(registry, registry.resolve(component, name)) for name in (CHAMPION, number))
    history = SalesHistory.build(table)
    days = origins(history, horizon_days=HORIZON_DAYS, count=ORIGINS)
    asked: list[Both] = []
    with progress(f"asking {champion.core_version} and {number} about {ORIGINS} fortnights", ORIGINS) as report:
        for day in days:
            asked.append(
                ask_both(history, champion, candidate, as_of=day, horizon_days=HORIZON_DAYS, most_items=MOST_ITEMS)
            )
            report.advance()
        report.say("comparing")
        told = reviewed(
            asked,
            champion=champion.core_version,
            candidate=number,
            categories=categories_of(table),
            doubts=[*_troubles(champion, candidate), *seen_days(days, _last_days(registry, champion, candidate))],
            facts=[
                f"{len(asked[-1].outcome.items):,} products, {HORIZON_DAYS} days after each of "
                f"{', '.join(day.isoformat() for day in days)}",
                *_held_out(registry, champion, candidate),
            ],
        )
        made = report_of(told)
    return Proposal(component, number, made, samples(asked))


def _troubles(*versions: Models) -> list[str]:
    return [
        f"{one.core_version} was asked without a correction: {one.correction_trouble}"
        for one in versions
        if one.correction is None
    ]


def _last_days(registry: Registry, *versions: Models) -> dict[str, str | None]:
    trained: dict[str, Any] = {
        one.core_version: registry.manifest("core", one.core_version).training.get("last_day") for one in versions
    }
    return trained


def _held_out(registry: Registry, *versions: Models) -> list[str]:
    """What each version's training measured on weeks that it had not seen."""
    told = []
    for one in versions:
        error = registry.manifest("core", one.core_version).metrics.get("held_out_wape_core")
        if error is not None:
            told.append(f"when it was trained, core {one.core_version} had an error of {error:.1%} on weeks not seen")
    return told
