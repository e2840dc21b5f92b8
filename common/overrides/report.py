"""Which overrides need a look: about to end, not used, old, past their plan, without one, or without a ticket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from common.state.overrides import Override, iso

EXPIRING_DAYS = 7
UNUSED_DAYS = 14  # since the last use, or since it was made
OLD_DAYS = 90
CONCERNS = ("expiring", "unused", "old", "past_plan", "no_plan", "no_ticket")
AGREES = "model_agrees"  # by itself: it may go; known by what a model was asked offline
LOOKED_AT = (*CONCERNS, AGREES)


@dataclass(frozen=True, slots=True)
class Limits:
    """The moments that decide, as texts: stored ones are compared with them and not read."""

    expiring: str
    unused: str
    old: str
    today: str

    @classmethod
    def at(cls, now: datetime) -> Limits:
        soon, unused, old = (now + timedelta(days=days) for days in (EXPIRING_DAYS, -UNUSED_DAYS, -OLD_DAYS))
        return cls(iso(soon), iso(unused), iso(old), now.date().isoformat())


def concerns(override: Override, *, last_used_at: str | None, counted: bool, limits: Limits) -> list[str]:
    """Of `CONCERNS` those that hold for an override in force; `counted`: its uses are known."""
    found = (
        override.ends_at <= limits.expiring,
        counted and (last_used_at or override.created_at) <= limits.unused,
        override.created_at <= limits.old,
        override.plan_due is not None and override.plan_due < limits.today,
        not override.plan,
        not override.ticket,
    )
    return [name for name, holds in zip(CONCERNS, found, strict=True) if holds]


def story(
    *,
    use: Mapping[str, Any] | None,
    truth: Mapping[str, Any] | None,
    shadowed_by: Sequence[str],
    concerns: Sequence[str],
    agreement: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What came of an override so far, and what speaks for a look at it.

    `mean_difference` and `mean_distance` are in the unit of what it decides; None where nothing could be compared.
    """
    compared = use["compared"] if use else 0
    last_used_at = use["last_used_at"] if use else None
    return {
        "used": use["used"] if use else 0,
        "last_used_at": last_used_at,
        "compared": compared,
        "mean_difference": round(use["difference"] / compared, 4) if use and compared else None,
        "mean_distance": round(use["distance"] / compared, 4) if use and compared else None,
        "truth": None if truth is None else dict(truth),
        "shadowed_by": list(shadowed_by),
        "concerns": [*concerns, AGREES] if agreement and agreement["agrees"] else list(concerns),
        "agreement": None if agreement is None else dict(agreement),
    }
