"""What people did, in figures: click-through by place and by tier with intervals, and how likely a place is seen."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import polars as pl
from sqlalchemy import Engine

from photostock.contract import TIERS
from photostock.feedback.propensity import PLACES, estimate
from photostock.feedback.showings import SUMS, counts, seen

SHOWN_PLACES = 20  # one line each; what is further down is one line together
Z_95 = 1.959964
KINDS = ("impression", "click", "download")


@dataclass(frozen=True, slots=True)
class Rate:
    """Showings of one kind; `low` and `high` are the 95 % interval of the click-through (Wilson)."""

    shown: int
    clicked: int
    downloaded: int
    click_through: float
    low: float
    high: float

    @classmethod
    def of(cls, shown: int, clicked: int, downloaded: int) -> Rate:
        low, high = wilson(clicked, shown)
        return cls(shown, clicked, downloaded, clicked / shown if shown else 0.0, low, high)


@dataclass(frozen=True, slots=True)
class FeedbackReport:
    """From the first to the last day, both included; None: as far as events are kept."""

    first_day: date | None
    last_day: date | None
    events: dict[str, int]  # by kind
    whole: Rate
    by_position: dict[str, Rate]
    by_tier: dict[str, Rate]
    propensities: list[float]  # by place, relative to the first
    propensities_from: int  # pairs of query and photo that stood at more than one place

    def as_json(self) -> dict[str, Any]:
        days = {name: day.isoformat() if (day := getattr(self, name)) else None for name in ("first_day", "last_day")}
        return asdict(self) | days


def feedback_report(engine: Engine, *, first: date | None = None, last: date | None = None) -> FeedbackReport:
    """Reads all events of these days: some seconds for a million of them, so not for the event loop."""
    found = seen(engine, first=first, last=last)
    rows = found.groups.group_by("position", "served_by").agg(pl.col(name).sum() for name in SUMS).rows()
    propensities = estimate(counts(found))
    names = [str(k) for k in range(1, SHOWN_PLACES + 1)] + [f"after {SHOWN_PLACES}", "unknown"]
    return FeedbackReport(
        first,
        last,
        {kind: found.kinds.get(kind, 0) for kind in KINDS},
        _summed(rows),
        {name: rate for name in names if (rate := _summed([r for r in rows if _place(r[0]) == name])).shown},
        {
            tier: rate
            for tier in (*TIERS, "unknown")
            if (rate := _summed([r for r in rows if (r[1] or "unknown") == tier])).shown
        },
        [round(float(value), 4) for value in propensities.values[: min(SHOWN_PLACES, PLACES)]],
        propensities.moved,
    )


def wilson(successes: int, tries: int) -> tuple[float, float]:
    """The 95 % interval of a share; 0 to 1 where nothing was tried."""
    if tries == 0:
        return 0.0, 1.0
    share, z2 = successes / tries, Z_95**2
    middle = (share + z2 / (2 * tries)) / (1 + z2 / tries)
    half = Z_95 * math.sqrt(share * (1 - share) / tries + z2 / (4 * tries**2)) / (1 + z2 / tries)
    return max(0.0, middle - half), min(1.0, middle + half)


def _summed(rows: list[tuple[Any, ...]]) -> Rate:
    return Rate.of(*(int(sum(row[column] for row in rows)) for column in (2, 3, 4)))


def _place(position: int | None) -> str:
    if position is None:
        return "unknown"
    return str(position) if position <= SHOWN_PLACES else f"after {SHOWN_PLACES}"
