"""The last weeks as a trial: what was sold, and what both versions say of it, on the same rows.

The candidate has learnt from these weeks, so it is not fair to praise it for them. Its rehearsal speaks in its place: a
pair made by the same recipe whose trees have seen nothing of them, like the champion. How far it leans and what it
tells of its errors is the candidate's, which was learnt from weeks that may be these: ten numbers, and tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from supermegaretail.evaluation.measures import LEVELS
from supermegaretail.evaluation.outcome import Outcome, outcome
from supermegaretail.evaluation.slices import PROMOTED, SHORT, SLOW, WHOLE, categories_of, slices
from supermegaretail.features import MAX_HORIZON_DAYS, Floats
from supermegaretail.history import SalesHistory
from supermegaretail.releasing.pair import Pair
from supermegaretail.series import CENSORED_FROM_HOURS, STOCKOUT
from supermegaretail.states import Flags

JUDGED = (SHORT, SLOW, "fast", PROMOTED)  # of evaluation's slices; categories come on top


@dataclass(frozen=True, slots=True)
class Contest:
    """Who is compared on which days.

    Args:
        champion: None before the first release.
        rehearsal: made as the candidate was, from what was known on `as_of`.
        as_of: neither the champion nor the rehearsal has seen a later day.
    """

    champion: Pair | None
    candidate: Pair
    rehearsal: Pair
    as_of: date
    horizon_days: int


@dataclass(frozen=True, slots=True)
class Trial:
    """n items × horizon days; demand in units, quantiles [n, horizon, LEVELS]. Days that sold out don't count."""

    sold: Floats  # NaN where not known
    slices: Mapping[str, Flags]
    champion: Floats | None
    candidate: Floats
    rehearsal: Floats
    champion_quantiles: Floats | None
    rehearsal_quantiles: Floats | None


def trial_days(last_day: date, champion_last_day: date | None) -> tuple[date, int]:
    """`as_of` and the horizon of the newest days that the champion has not seen, four weeks at most."""
    days = MAX_HORIZON_DAYS if champion_last_day is None else (last_day - champion_last_day).days
    horizon_days = min(days, MAX_HORIZON_DAYS)
    return last_day - timedelta(horizon_days), horizon_days


def try_out(contest: Contest, history: SalesHistory, table: pl.DataFrame) -> Trial:
    """Asks all three about every item that was known on the day."""
    happened = outcome(history, as_of=contest.as_of, horizon_days=contest.horizon_days)
    inputs = history.inputs(happened.items, as_of=contest.as_of, horizon_days=contest.horizon_days)

    def demand(pair: Pair) -> Floats:
        return pair.demand(history, happened.items, as_of=contest.as_of, horizon_days=contest.horizon_days)

    def quantiles(pair: Pair | None, demand: Floats | None) -> Floats | None:
        if pair is None or demand is None:
            return None
        return pair.quantiles(inputs, demand, as_of=contest.as_of, levels=LEVELS)

    champion = None if contest.champion is None else demand(contest.champion)
    rehearsal = demand(contest.rehearsal)
    sold_out = happened.during[:, STOCKOUT] >= CENSORED_FROM_HOURS
    return Trial(
        sold=np.where(sold_out, np.nan, happened.sold),
        slices=parts(happened, table),
        champion=champion,
        candidate=demand(contest.candidate),
        rehearsal=rehearsal,
        champion_quantiles=quantiles(contest.champion, champion),
        rehearsal_quantiles=quantiles(contest.rehearsal, rehearsal),
    )


def parts(happened: Outcome, table: pl.DataFrame) -> dict[str, Flags]:
    """All days, and the parts in which no version may be worse than its limit: flags [n, horizon] by name."""
    shape = happened.sold.shape
    found = {
        name: flags
        for name, flags in slices(happened, categories_of(table)).items()
        if name in JUDGED or name.startswith("category ")
    }
    stores = np.array([store for store, _ in happened.items])
    weekday = (happened.as_of.weekday() + 1 + np.arange(shape[1])) % 7
    by_store = {f"store {name}": np.broadcast_to((stores == name)[:, None], shape) for name in sorted({*stores})}
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    by_day = {name: np.broadcast_to((weekday == place)[None, :], shape) for place, name in enumerate(names)}
    return {WHOLE: np.ones(shape, bool), **found, **by_store, **by_day}
