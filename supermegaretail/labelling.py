"""From what people decided to training labels: overrides and events are labelling functions over items and days.

A function votes for a class of effect: demand ÷ its base, what was forecast on the day before it began. Where the
sales of a day are known they are the truth; where they are not, the label model's opinion becomes a row to learn from.
A single item's sales are mostly chance, and a decision about many items is one decision. So all item days of a week
of which the same people say the same are one point, with one truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from common.labelling.dawid_skene import fit
from common.labelling.votes import SILENT, Classes, Standing, Votes, Weights, accuracies, standings
from supermegaretail.baseline import moving_average
from supermegaretail.features import MAX_HORIZON_DAYS, Floats
from supermegaretail.history import SalesHistory
from supermegaretail.overriding import Scope, category_of
from supermegaretail.panel import Key
from supermegaretail.series import known_demand, windows

CLASSES = ("far lower", "lower", "as usual", "higher", "far higher")
EDGES = np.array([0.6, 0.85, 1.18, 1.7])  # of the ratio, between the classes
LABEL_WEIGHT = 0.5  # of a row that the label model is certain of; a day that was sold weighs up to 1
MOST_DAYS = 84  # that a function is followed from its beginning
NEWS_DAYS = 14  # so long it says what sales don't tell yet: after that only whether it was right is followed
MOST_ITEMS = 1_000  # of one function, evenly taken
MOST_FUNCTIONS = 500  # the newest
MOST_ITEM_DAYS = 200_000  # of all functions; of more, each function's items are thinned evenly
LEAST_BASE = 0.1  # units a day; a ratio to less is chance


Forecast = Callable[[list[Key], date, int], Floats]  # of items, as of a day, so many days: [n, days]


@dataclass(frozen=True, slots=True)
class Function:
    """What one person said: `effect` and `value` as of an override, from one day to another (ordinals)."""

    name: str
    scope: Scope
    effect: str
    value: float
    first: int
    last: int

    def ratio(self, base: Floats) -> Floats:
        """What it makes of `base`, as a multiple of it."""
        return np.full_like(base, self.value) if self.effect == "factor" else self.of(base) / base

    def of(self, demand: Floats) -> Floats:
        """What it makes of `demand`."""
        if self.effect == "constant":
            return np.full_like(demand, self.value)
        made = {"factor": np.multiply, "floor": np.maximum, "ceiling": np.minimum}[self.effect]
        return np.asarray(made(demand, self.value))


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows to learn from, how each function is doing, and how often the label model takes it to be right."""

    rows: pl.DataFrame
    standings: Sequence[Standing]
    accuracy: Sequence[float]  # of each standing
    item_days: int


def label(
    history: SalesHistory, functions: Sequence[Function], model: Forecast | None = None, *, as_of: date | None = None
) -> Labelled:
    """What the functions, the newest first, say together about the days of their items, by what is known `as_of` a day.

    The base is `model`'s word without overrides for the 28 days that it forecasts, else the moving average. The same
    input gives the same labels. Without `as_of` it is the last day with sales.
    """
    day = as_of or history.last_day
    opinions = None if day is None else _opinions(history, functions[:MOST_FUNCTIONS], model, day)
    if day is None or opinions is None:
        return Labelled(pl.DataFrame(schema=ROW), [], [], 0)
    item_days = _with_demand(_together(opinions), history, day)
    groups = _alike(item_days)
    votes = Votes([one.name for one in functions[:MOST_FUNCTIONS]], _said(groups, len(functions)), len(CLASSES))
    ratio = groups["truth"].to_numpy()
    truth = np.where(np.isfinite(ratio), np.searchsorted(EDGES, np.nan_to_num(ratio), side="right"), SILENT)
    found = standings(votes, truth)
    fitted = fit(votes, accuracies(found), truth=truth)
    to_learn = item_days.filter(pl.col("demand").is_null(), pl.col("day").is_between(*_ahead(day)))
    numbers = to_learn.join(groups.with_row_index("group"), on=ALIKE, how="left", maintain_order="left")["group"]
    rows = [
        _row(one, labels, votes.names)
        for one, labels in zip(to_learn.iter_rows(named=True), fitted.labels[numbers.to_numpy()], strict=True)
    ]
    return Labelled(pl.DataFrame(rows, schema=ROW), found, fitted.accuracy().tolist(), item_days.height)


POINT = ("store", "sku", "day")
ALIKE = ["pattern", "week", "known"]  # what makes item days one point
ROW = {
    "store": pl.String(),
    "sku": pl.String(),
    "date": pl.Date(),
    "since": pl.Date(),
    "demand": pl.Float64(),
    "weight": pl.Float64(),
    "base": pl.Float64(),
    "ratio": pl.Float64(),
    "probabilities": pl.List(pl.Float64()),
    "functions": pl.List(pl.String()),
}


def items_of(history: SalesHistory, scope: Scope, *, about: bool = True) -> list[Key]:
    """Those of a scope, or all others; of many, evenly taken."""
    panel = history.panel
    found = [
        key
        for key in panel.places
        if about
        == (
            scope.store in ("", key[0])
            and scope.sku in ("", key[1])
            and (not scope.category or category_of(panel, key) == scope.category)
        )
    ]
    return found[:: len(found) // MOST_ITEMS + 1]


def _ahead(day: date) -> tuple[int, int]:
    """The first and the last day that are forecast."""
    return day.toordinal() + 1, day.toordinal() + MAX_HORIZON_DAYS


def _opinions(
    history: SalesHistory, functions: Sequence[Function], model: Forecast | None, day: date
) -> pl.DataFrame | None:
    """What each function makes of the base of each of its items and days; None where nobody says anything."""
    today = day.toordinal()
    until = [_ahead(day)[1] if one.first + NEWS_DAYS > today + 1 else today for one in functions]
    lasts = [min(one.last, one.first + MOST_DAYS - 1, last) for one, last in zip(functions, until, strict=True)]
    spans = [max(last - one.first + 1, 0) for one, last in zip(functions, lasts, strict=True)]
    about = [items_of(history, one.scope) if days else [] for one, days in zip(functions, spans, strict=True)]
    thin = sum(len(items) * days for items, days in zip(about, spans, strict=True)) // MOST_ITEM_DAYS + 1
    parts = []
    for place, (one, items, days) in enumerate(zip(functions, about, spans, strict=True)):
        if not items:
            continue
        some = items[::thin]
        since = min(one.first - 1, today)  # a base knows no sale of the days that come
        base = _base(history, some, model, as_of=date.fromordinal(since), days=one.first - 1 - since + days)[:, -days:]
        row, step = np.nonzero(base >= LEAST_BASE)  # NaN is no base
        known = np.asarray(base[row, step])
        ratio = one.ratio(known)
        said = {
            "store": [some[item][0] for item in row.tolist()],
            "sku": [some[item][1] for item in row.tolist()],
            "day": one.first + step,
            "function": np.full(len(row), place),
            "first": np.full(len(row), one.first),
            "base": known,
            "ratio": ratio,
            "class": np.searchsorted(EDGES, ratio, side="right"),
        }
        parts += [pl.DataFrame(said)] if len(row) else []
    return pl.concat(parts) if parts else None


def _base(history: SalesHistory, items: list[Key], model: Forecast | None, *, as_of: date, days: int) -> Floats:
    """What was forecast of the `days` after `as_of` [n, days]; NaN where nothing is known."""
    base = moving_average(history, items, as_of=as_of, horizon_days=days)
    if model is not None:
        ahead = min(days, MAX_HORIZON_DAYS)
        told = model(items, as_of, ahead)
        base[:, :ahead] = np.where(np.isfinite(told), told, base[:, :ahead])
    return base


def _together(opinions: pl.DataFrame) -> pl.DataFrame:
    """One row for each item and day. Of several bases, what was told before the first function began."""
    return (
        opinions.sort(*POINT, "first", "function")
        .group_by(POINT, maintain_order=True)
        .agg(pl.col("base", "first").first(), pl.col("ratio"), pl.col("function"), pl.col("class"))
    )


def _with_demand(item_days: pl.DataFrame, history: SalesHistory, day: date) -> pl.DataFrame:
    """What was sold, null where that is not known; and what makes item days alike."""
    panel, days = history.panel, item_days["day"].to_numpy()
    series = [panel.series[panel.places[key]] for key in item_days.select("store", "sku").iter_rows()]
    sold = known_demand(windows(series, days, days=1))[:, 0].astype(np.float64)
    demand = pl.Series("demand", np.where(days <= day.toordinal(), sold, np.nan)).fill_nan(None)
    said = [" ".join(map(str, [*who, *what])) for who, what in item_days.select("function", "class").iter_rows()]
    return item_days.with_columns(
        demand, pl.Series("pattern", said), week=pl.col("day") // 7, known=demand.is_not_null()
    )


def _alike(item_days: pl.DataFrame) -> pl.DataFrame:
    """One row for each point: what all its item days sold ÷ their base, NaN where they are not known."""
    return item_days.group_by(ALIKE, maintain_order=True).agg(
        pl.col("function", "class").first(),
        truth=pl.when(pl.col("known").first()).then(pl.col("demand").sum() / pl.col("base").sum()).otherwise(np.nan),
    )


def _said(groups: pl.DataFrame, functions: int) -> Classes:
    """The votes about each point [n, functions]."""
    said = np.full((groups.height, min(functions, MOST_FUNCTIONS)), SILENT)
    told = groups.with_row_index("row").explode("function", "class")
    said[told["row"].to_numpy(), told["function"].to_numpy()] = told["class"].to_numpy()
    return said


def _row(one: dict[str, Any], labels: Weights, names: Sequence[str]) -> dict[str, object]:
    """A row to learn from: what was said, by how likely it is; how doubtful that is, lowers the weight alone."""
    ratio = float(np.average(np.array(one["ratio"]), weights=labels[one["class"]]))
    sure = 1 + float((labels * np.log(np.maximum(labels, 1e-12))).sum()) / np.log(len(CLASSES))
    return {
        "store": one["store"],
        "sku": one["sku"],
        "date": date.fromordinal(one["day"]),
        "since": date.fromordinal(one["first"]),
        "demand": one["base"] * ratio,
        "weight": LABEL_WEIGHT * min(max(sure, 0.0), 1.0),
        "base": one["base"],
        "ratio": ratio,
        "probabilities": labels.tolist(),
        "functions": [names[place] for place in one["function"]],
    }
