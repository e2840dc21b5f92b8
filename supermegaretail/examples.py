"""Examples to learn from: a series, a day on which it could have been forecast, and what it sold some days later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from supermegaretail.features import (
    CORE_DESIGN,
    MAX_HORIZON_DAYS,
    STABLE,
    Floats,
    core_design,
    extended_features,
)
from supermegaretail.panel import Panel
from supermegaretail.series import CHANNELS, STOCKOUT, Floats32, Ints, known_demand, windows
from supermegaretail.states import states_of

STEPS_PER_ORIGIN = 4  # target days drawn for each origin: the state of a series is the dear part of an example
PLANS_DROPPED = 0.2  # share of examples that lose their plans: a feature never missed in training misleads when missing
YEARLY_FROM_DAYS = 730  # over less than two years the day of the year is only another name for a date


@dataclass(frozen=True, slots=True)
class Examples:
    """Inputs and outcome of n forecasts."""

    core: Floats  # [n, CORE_DESIGN]
    extended: Floats  # [n, EXTENDED]
    demand: Floats  # [n] units, what the target day really sold


def draw(panel: Panel, *, rows: int, seed: int) -> Examples:
    """At most `rows` examples, evenly over series and days; days that a stock-out censored are no outcome."""
    rng = np.random.default_rng(seed)
    places, origins = _origins(panel, rows // STEPS_PER_ORIGIN, rng)
    order = np.argsort(rng.random((len(places), MAX_HORIZON_DAYS)), axis=1)[:, :STEPS_PER_ORIGIN]
    steps = 1 + order.ravel()
    pair = np.repeat(np.arange(len(places)), STEPS_PER_ORIGIN)
    around = windows([panel.series[place] for place in places[pair]], origins[pair] + steps - 1, days=3)
    demand = known_demand(around)[:, 1].astype(np.float64)
    kept = np.flatnonzero(~np.isnan(demand))
    pair, steps, around = pair[kept], steps[kept], around[kept]
    state = states_of(panel, places, origins).values
    category = _category(panel, places[pair], origins[pair] + steps)
    _drop_plans(around, category, rng)
    days = np.array([date.fromordinal(day) for day in (origins[pair] + steps).tolist()], dtype="datetime64[D]")
    core = core_design(state[pair, : len(STABLE)], days, steps)
    if panel_days(panel) < YEARLY_FROM_DAYS:
        core[:, CORE_DESIGN.index("day_of_year")] = np.nan
    return Examples(core, extended_features(state[pair], around, category), demand[kept])


def panel_days(panel: Panel) -> int:
    """Days from the first observed sales to the last."""
    series = [one for one in panel.series if one.last_observed]
    return max((one.last_observed for one in series), default=0) - min(
        (one.first_observed for one in series), default=0
    )


def _origins(panel: Panel, count: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Places and days, every day from a series' first sale to its last known day being as likely as any other."""
    first = np.fromiter((one.first_sale for one in panel.series), np.int64, len(panel.series))
    days = np.fromiter((one.last_observed for one in panel.series), np.int64, len(panel.series)) - first
    ends = np.cumsum(np.maximum(days, 0))
    if not len(ends) or not ends[-1]:
        raise ValueError("there are no sales to learn from")
    drawn = np.sort(rng.choice(ends[-1], min(count, int(ends[-1])), replace=False))
    places = np.searchsorted(ends, drawn, side="right")
    return places, first[places] + drawn - np.where(places > 0, ends[places - 1], 0)


def _category(panel: Panel, places: Ints, days: Ints) -> Floats32:
    """Plans of the series' categories on these days: [n, averaged channels]."""
    groups = [panel.groups[number] for number in panel.category_of[places]]
    planned = windows(groups, days, days=1)[:, :, 0]
    planned[:, : STOCKOUT + 1] = np.nan
    return planned


def _drop_plans(around: Floats32, category: Floats32, rng: np.random.Generator) -> None:
    """Blanks what is not to be seen: sales always, plans in some examples, forecast inputs x_… in some others too."""
    around[:, : STOCKOUT + 1] = np.nan
    dropped = rng.random(len(around)) < PLANS_DROPPED
    around[dropped] = np.nan
    category[dropped] = np.nan
    around[rng.random(len(around)) < PLANS_DROPPED, CHANNELS.index("x_1") :] = np.nan
