"""Labels as examples to learn from, beside the days that were sold: asked as of the last known days."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from supermegaretail.examples import Examples, names_of_dates, panel_days
from supermegaretail.far_rows import UNIX_EPOCH
from supermegaretail.features import CORE_DESIGN, MAX_HORIZON_DAYS, STABLE, core_design, extended_features
from supermegaretail.history import SalesHistory
from supermegaretail.states import planned_ahead, states_of

Labels: TypeAlias = Callable[[SalesHistory, date], pl.DataFrame]  # as of a day: what was known and decided then
MOST_ROWS = 50_000
ORIGINS = 7  # days as of which a label could have been forecast, the last known ones,
SEEN_DAYS = 3  # from so many after its effect began: before, nothing in the sales tells its items from others
LARGEST_SHARE = 0.2  # of the weight of what is learnt from: people's opinions never outweigh what was sold


def labelled(history: SalesHistory, labels: pl.DataFrame, *, as_of: date) -> Examples | None:
    """The labels of days after `as_of`, of known items; None where there are none. No later sale is looked at."""
    last, panel = as_of.toordinal(), history.panel
    columns = labels.select("store", "sku", pl.col("date", "since").to_physical() + UNIX_EPOCH, "demand", "weight")
    rows = [
        (panel.places[store, sku], origin, day - origin, demand, weight)
        for store, sku, day, since, demand, weight in columns.iter_rows()
        if (store, sku) in panel.places and day > last and weight > 0
        for origin in range(max(last - ORIGINS + 1, since + SEEN_DAYS - 1), last + 1)
        if day - origin <= MAX_HORIZON_DAYS
    ]
    rows = rows[:: len(rows) // MOST_ROWS + 1]
    if not rows:
        return None
    asked = np.array([row[:2] for row in rows], np.int64)
    step = np.array([row[2] for row in rows], np.int64)
    pairs, which = np.unique(asked, axis=0, return_inverse=True)
    which = which.ravel()
    state = states_of(panel, pairs[:, 0], pairs[:, 1])
    plans, category = planned_ahead(panel, pairs[:, 0], pairs[:, 1], days=MAX_HORIZON_DAYS)
    past = state.values[which]
    days = np.array([date.fromordinal(day) for day in (asked[:, 1] + step).tolist()], dtype="datetime64[D]")
    core = core_design(past[:, : len(STABLE)], days, step)
    core[:, [CORE_DESIGN.index(name) for name in names_of_dates(panel_days(panel))]] = np.nan
    extended = extended_features(past, plans[which, step - 1], category[which, step - 1])
    demand, weight = (np.array([row[column] for row in rows], np.float64) for column in (3, 4))
    known = np.flatnonzero(state.known[which])
    if not len(known):
        return None
    return Examples(core[known], extended[known], demand[known], weight[known], state.by_the_piece[which][known])


def together(sold: Examples, labels: Examples | None) -> Examples:
    """Both, with the weight of the labels bounded."""
    if labels is None:
        return sold
    most = LARGEST_SHARE / (1 - LARGEST_SHARE) * float(sold.weight.sum())
    weight = labels.weight * min(1.0, most / float(labels.weight.sum()))
    return Examples(
        np.concatenate([sold.core, labels.core]),
        np.concatenate([sold.extended, labels.extended]),
        np.concatenate([sold.demand, labels.demand]),
        np.concatenate([sold.weight, weight]),
        np.concatenate([sold.by_the_piece, labels.by_the_piece]),
    )


def provenance(labels: pl.DataFrame) -> Mapping[str, Any]:
    """What a manifest keeps of the labels: a fingerprint, how many, and whose decisions they are from."""
    names = sorted({name for some in labels["functions"].to_list() for name in some})
    rows = "\n".join(map(str, labels.rows()))
    return {"fingerprint": hashlib.sha256(rows.encode()).hexdigest(), "rows": labels.height, "functions": names}
