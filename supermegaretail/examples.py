"""Examples to learn from: a series, a day on which it could have been forecast, and what it sold some days later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from common.command_line import Failed
from supermegaretail.features import (
    CORE_DESIGN,
    MAX_HORIZON_DAYS,
    STABLE,
    Floats,
    core_design,
    extended_features,
)
from supermegaretail.panel import Panel
from supermegaretail.series import AVERAGED, CHANNELS, SALES, STOCKOUT, Floats32, Ints, believed, windows
from supermegaretail.states import Flags, states_of

STEPS_PER_ORIGIN = 4  # target days drawn for each origin: the state of a series is the dear part of an example
PLANS_DROPPED = 0.2  # share of examples that lose their plans: a feature never missed in training misleads when missing
HIDDEN = 0.03  # share of origins with their own past hidden: so the models meet new products and new stores
YEARLY_FROM_DAYS = 730  # over less than two years the day of the year is only another name for a date,
MONTHLY_FROM_DAYS = 180  # over less than six months the day of the month, and how long a product was sold, likewise
HALF_LIFE = 0.4  # of the whole time: an outcome so much older counts half


@dataclass(frozen=True, slots=True)
class Examples:
    """Inputs and outcome of n forecasts."""

    core: Floats  # [n, CORE_DESIGN]
    extended: Floats  # [n, EXTENDED]
    demand: Floats  # [n] units, what the target day sold; a good day where that can't be right (docs/data.md)
    weight: Floats  # [n] the newer the heavier, at most 1
    by_the_piece: Flags  # [n] whether the item is sold in whole units


def draw(
    panel: Panel,
    *,
    rows: int,
    seed: int,
    since: date | None = None,
    until: date | None = None,
    plans_dropped: float = PLANS_DROPPED,
    hidden: float = HIDDEN,
) -> Examples:
    """At most `rows` examples, evenly over series and days.

    None is forecast on a day before `since`, and no outcome lies after `until`. A day that sold out is an outcome, too:
    the models see past stock-outs, and what they learn so is as good on days in stock (docs/decisions/0005).
    """
    rng = np.random.default_rng(seed)
    places, origins = _origins(panel, rows // STEPS_PER_ORIGIN, rng, since=since, until=until)
    hide = rng.random(len(places)) < hidden
    order = np.argsort(rng.random((len(places), MAX_HORIZON_DAYS)), axis=1)[:, :STEPS_PER_ORIGIN]
    steps = 1 + order.ravel()
    pair = np.repeat(np.arange(len(places)), STEPS_PER_ORIGIN)
    series = [panel.series[place] for place in places[pair]]
    around = windows(series, origins[pair] + steps - 1, days=3)
    demand = believed(series, around[:, SALES, 1:2])[:, 0].astype(np.float64)
    state = states_of(panel, places, origins, hidden=hide)
    known = ~np.isnan(demand) & state.known[pair]
    if until is not None:
        known &= origins[pair] + steps <= until.toordinal()
    kept = np.flatnonzero(known)
    pair, steps, around = pair[kept], steps[kept], around[kept]
    category = _category(panel, places[pair], origins[pair] + steps)
    _drop_plans(around, category, rng, share=plans_dropped)
    days = np.array([date.fromordinal(day) for day in (origins[pair] + steps).tolist()], dtype="datetime64[D]")
    past = state.values[pair]
    core = core_design(past[:, : len(STABLE)], days, steps)
    span_days = panel_days(panel)
    core[:, [CORE_DESIGN.index(name) for name in names_of_dates(span_days)]] = np.nan
    outcome_days = origins[pair] + steps
    weight = 0.5 ** ((outcome_days.max(initial=0) - outcome_days) / max(HALF_LIFE * span_days, 1))
    extended = extended_features(past, around, category)
    return Examples(core, extended, demand[kept], weight, state.by_the_piece[pair])


def names_of_dates(span_days: int) -> list[str]:
    """Features that would tell single dates of so short a history instead of what repeats."""
    yearly = ["day_of_year"] if span_days < YEARLY_FROM_DAYS else []
    return [*yearly, "day_of_month", "days_since_first_sale"] if span_days < MONTHLY_FROM_DAYS else yearly


def panel_days(panel: Panel) -> int:
    """Days from the first observed sales to the last."""
    series = [one for one in panel.series if one.last_observed]
    return max((one.last_observed for one in series), default=0) - min(
        (one.first_observed for one in series), default=0
    )


def _origins(
    panel: Panel, count: int, rng: np.random.Generator, *, since: date | None, until: date | None
) -> tuple[Ints, Ints]:
    """Places and days, every day from a series' first sale to its last known day being as likely as any other."""
    first = np.fromiter((one.first_sale for one in panel.series), np.int64, len(panel.series))
    last = np.fromiter((one.last_observed for one in panel.series), np.int64, len(panel.series))
    if since is not None:
        first = np.maximum(first, since.toordinal())
    if until is not None:
        last = np.minimum(last, until.toordinal())
    days = last - first
    ends = np.cumsum(np.maximum(days, 0))
    if not len(ends) or not ends[-1]:
        raise Failed("there are no sales to learn from")
    drawn = np.sort(rng.choice(ends[-1], min(count, int(ends[-1])), replace=False))
    places = np.searchsorted(ends, drawn, side="right")
    return places, first[places] + drawn - np.where(places > 0, ends[places - 1], 0)


def _category(panel: Panel, places: Ints, days: Ints) -> Floats32:
    """Plans of the series' categories on these days: [n, averaged channels]."""
    groups = [panel.groups[number] for number in panel.category_of[places]]
    planned = windows(groups, days, days=1, channels=AVERAGED)[:, :, 0]
    planned[:, : STOCKOUT + 1] = np.nan
    return planned


def _drop_plans(around: Floats32, category: Floats32, rng: np.random.Generator, *, share: float) -> None:
    """Blanks what is not to be seen: sales always, plans in some examples, forecast inputs x_… in some others too."""
    around[:, : STOCKOUT + 1] = np.nan
    dropped = rng.random(len(around)) < share
    around[dropped] = np.nan
    category[dropped] = np.nan
    around[rng.random(len(around)) < share, CHANNELS.index("x_1") :] = np.nan
