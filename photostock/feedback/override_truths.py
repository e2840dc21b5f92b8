"""What people's clicks say of overrides: how attractive a photo was for its query while one was in force, and before.

Attraction is clicks ÷ looks, as everywhere (see `propensity`), so a photo that was pinned to the first place is not
thought better for it. It is compared with the other photos of the same query in the same days.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import structlog
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from common.state.overrides import Override
from photostock.feedback.learning import DOWNLOAD_WORTH, LearningPolicy
from photostock.feedback.propensity import Propensities, estimate
from photostock.feedback.showings import Seen, by_day, counts
from photostock.feedback.store import events
from photostock.overriding import Decision, same_query

LOOK_EVERY_S = 600.0
MOST_OVERRIDES = 500  # the newest that are about a query
MOST_QUERIES = 5_000  # ways to write their queries
BEFORE_DAYS = 28
LEAST_LOOKS = 20.0  # fewer say nothing
log = structlog.get_logger(__name__)


class Attraction(NamedTuple):
    """Of photos in some days; `looks` is what the showings come to, each by how likely its place is looked at."""

    shown: int = 0
    clicked: int = 0
    looks: float = 0.0
    worth: float = 0.0  # in clicks

    @property
    def value(self) -> float | None:
        """None after too few looks."""
        return self.worth / self.looks if self.looks >= LEAST_LOOKS else None

    def told(self, when: str) -> dict[str, Any]:
        value = None if self.value is None else round(self.value, 4)
        return {f"shown{when}": self.shown, f"clicked{when}": self.clicked, f"attraction{when}": value}


class OverrideTruths:
    """`found` is what is known by override; looked up every ten minutes by a thread that nobody waits for."""

    def __init__(self, engine: Engine) -> None:
        self.found: Mapping[str, Mapping[str, Any]] = {}
        self._engine = engine
        self._look_again_s = 0.0

    def look(self, overrides: Sequence[Override]) -> None:
        """Reads the events about those in force, if it is time to; the database may be away."""
        if time.monotonic() < self._look_again_s:
            return
        self._look_again_s = time.monotonic() + LOOK_EVERY_S
        try:
            self.found = truths(self._engine, overrides, today=datetime.now(UTC).date())
        except SQLAlchemyError as error:
            log.warning("overrides.not_compared", error=type(error).__name__)


def truths(engine: Engine, overrides: Sequence[Override], *, today: date) -> dict[str, dict[str, Any]]:
    """By override what people did; the day on which one was made belongs neither to before nor to after.

    `was_right` of a pin or promotion: the photo is at least as attractive as the query's others; of a ban: it was less.
    """
    decided = [(one, decision) for one in reversed(overrides) if (decision := Decision.of(one)) and decision.query]
    decided = decided[:MOST_OVERRIDES]
    if not decided:
        return {}
    asked = _as_typed(engine, decided)
    first = min(_day(one.created_at) for one, _ in decided) - timedelta(days=BEFORE_DAYS)
    days = by_day(engine, sorted(asked)[:MOST_QUERIES], first=first)
    days = days.with_columns(query=pl.Series([same_query(query) for query in days["query"]], dtype=pl.String))
    propensities = estimate(counts(Seen({}, days, pl.DataFrame())))
    by_query = days.with_columns(looks=_looks(days, propensities)).partition_by("query", as_dict=True)
    found = {}
    for one, decision in decided:
        if (of_query := by_query.get((decision.query,))) is not None:
            found[one.id] = _truth(of_query, decision, _day(one.created_at), today)
    return found


def _truth(days: pl.DataFrame, decision: Decision, made: date, today: date) -> dict[str, Any]:
    photo, day = pl.col("photo_id") == decision.photo_id, pl.col("day")
    since = day.is_between(pl.lit((made + timedelta(days=1)).isoformat()), pl.lit(today.isoformat()))
    begin = (made - timedelta(days=BEFORE_DAYS)).isoformat()
    before = (day >= begin) & (day < made.isoformat())
    banned = decision.effect == "ban"  # then nothing of the photo is seen any more
    during, earlier = _attraction(days.filter(photo, since)), _attraction(days.filter(photo, before))
    others = _attraction(days.filter(~photo, before if banned else since))
    judged = (earlier if banned else during).value
    right = None if judged is None or others.value is None else (judged >= others.value) != banned
    return {**during.told(""), **earlier.told("_before"), **others.told("_others"), "was_right": right}


def _attraction(days: pl.DataFrame) -> Attraction:
    shown, clicked, downloaded = (int(days[name].sum()) for name in ("shown", "clicked", "downloaded"))
    return Attraction(shown, clicked, float(days["looks"].sum()), clicked + (DOWNLOAD_WORTH - 1) * downloaded)


def _looks(days: pl.DataFrame, propensities: Propensities) -> pl.Series:
    least = 1 / LearningPolicy().largest_weight
    seen = np.maximum(propensities.at(days["position"].to_numpy().astype(np.int64)), least)
    return pl.Series(days["shown"].to_numpy() * seen, dtype=pl.Float64)


def _as_typed(engine: Engine, decided: Iterable[tuple[Override, Decision]]) -> set[str]:
    """The ways in which people wrote the queries when they were shown one of the photos."""
    queries = {decision.query for _, decision in decided}
    photos = sorted({decision.photo_id for _, decision in decided})
    typed = select(events.c.query).where(events.c.photo_id.in_(photos)).distinct()
    with engine.connect() as connection:
        return {query for query in connection.execute(typed).scalars() if same_query(query) in queries}


def _day(moment: str) -> date:
    return date.fromisoformat(moment[:10])
