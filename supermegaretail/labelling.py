"""From what people decided to training labels: overrides and events are labelling functions over items and days.

A function votes for a class of effect: demand ÷ its base, what was forecast on the day before it began. Where the
sales of a day are known they are the truth; where they are not, the label model's opinion becomes a row to learn from.
A single item's sales are mostly chance, so the truth of a point is that of all points of its week of which the same
people say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from common.labelling.dawid_skene import LabelModel, fit
from common.labelling.votes import SILENT, Classes, Standing, Votes, accuracies, standings
from common.state.overrides import Override
from supermegaretail.baseline import moving_average
from supermegaretail.events.planned import PlannedEvent
from supermegaretail.features import MAX_HORIZON_DAYS, Floats
from supermegaretail.history import SalesHistory
from supermegaretail.overriding import EVER, Decision, Scope, category_of
from supermegaretail.panel import Key
from supermegaretail.series import known_demand, windows

CLASSES = ("far lower", "lower", "as usual", "higher", "far higher")
EDGES = np.array([0.6, 0.85, 1.18, 1.7])  # of the ratio, between the classes
CENTRES = np.array([0.5, 0.7, 1.0, 1.4, 2.0])  # of a class that nobody gave a number to
LABEL_WEIGHT = 0.5  # of a row that the label model is certain of; a day that was sold weighs up to 1
MOST_DAYS = 84  # that a function is followed from its beginning
MOST_ITEMS = 1_000  # of one function, evenly taken
MOST_FUNCTIONS = 500  # the newest
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
    """Rows to learn from, how each function is doing, and the label model; the last is None without functions."""

    rows: pl.DataFrame
    standings: Sequence[Standing]
    model: LabelModel | None
    points: int


def functions_of(overrides: Sequence[Override], events: Sequence[Override], last_day: date) -> list[Function]:
    """Those in force and past ones. Without a first day one begins when it was made, or with the next day to be sold.

    `last_day` is the last one with sales: they may be older than the wall clock.
    """
    found = []
    for one in overrides:
        if (decision := Decision.of(one)) is not None:
            made = datetime.fromisoformat(one.created_at).astimezone(UTC).date()
            first = decision.first or min(made.toordinal(), last_day.toordinal() + 1)
            last = decision.last if decision.last != EVER else _ended(one)
            found.append(Function(one.id, Scope.of(one.target), decision.effect, decision.value, first, last))
    found += [
        Function(one.id, event.scope, "factor", event.factor, event.first, event.last)
        for one in events
        if (event := PlannedEvent.of(one)) is not None and event.factor is not None
    ]
    return [one for one in found if one.first <= one.last][:MOST_FUNCTIONS]


def label(history: SalesHistory, functions: Sequence[Function], model: Forecast | None = None) -> Labelled:
    """What the functions say together about the days of their items; the same input gives the same labels.

    The base is `model`'s word without overrides for the 28 days that it forecasts, else the moving average.
    """
    if not functions or history.last_day is None:
        return Labelled(_table([]), [], None, 0)
    told = [_points(history, function, model) for function in functions]
    keys = sorted({point for points, _, _ in told for point in points})
    place = {point: row for row, point in enumerate(keys)}
    said, ratios = np.full((len(keys), len(functions)), SILENT), np.full((len(keys), len(functions)), np.nan)
    base, begun = np.full(len(keys), np.nan), np.full(len(keys), EVER)
    for column, (function, (points, bases, ratio)) in enumerate(zip(functions, told, strict=True)):
        rows = np.array([place[point] for point in points], np.int64)
        said[rows, column], ratios[rows, column] = np.searchsorted(EDGES, ratio, side="right"), ratio
        earlier = rows[function.first < begun[rows]]  # of several, what was told before the first of them began
        base[earlier], begun[earlier] = bases[function.first < begun[rows]], function.first
    votes = Votes([one.name for one in functions], said, len(CLASSES))
    truth = _truth(history, keys, base, said)
    found = standings(votes, truth)
    fitted = fit(votes, accuracies(found), truth=truth)
    ahead = history.last_day.toordinal()
    rows_made = [
        _row(
            keys[row], base[row], fitted.labels[row], _values(votes.said[row], ratios[row]), votes, row, int(begun[row])
        )
        for row in range(len(keys))
        if truth[row] == SILENT and ahead < keys[row][2] <= ahead + MAX_HORIZON_DAYS
    ]
    return Labelled(_table(rows_made), found, fitted, len(keys))


Point = tuple[str, str, int]  # store, product, day


def _points(history: SalesHistory, function: Function, model: Forecast | None) -> tuple[list[Point], Floats, Floats]:
    """What a function speaks of: the points, the base of each, and what it makes of it as a multiple."""
    items = _items(history, function.scope)
    assert history.last_day is not None
    last = min(function.last, function.first + MOST_DAYS - 1, history.last_day.toordinal() + MAX_HORIZON_DAYS)
    days = last - function.first + 1
    if not items or days < 1:
        return [], np.empty(0), np.empty(0)
    base = _base(history, items, model, as_of=date.fromordinal(function.first - 1), days=days)
    row, step = np.nonzero(base >= LEAST_BASE)  # NaN is no base
    points = [(*items[item], function.first + ahead) for item, ahead in zip(row.tolist(), step.tolist(), strict=True)]
    values = np.asarray(base[row, step])
    return points, values, function.ratio(values)


def _base(history: SalesHistory, items: list[Key], model: Forecast | None, *, as_of: date, days: int) -> Floats:
    """What was forecast of the `days` after `as_of` [n, days]; NaN where nothing is known."""
    base = moving_average(history, items, as_of=as_of, horizon_days=days)
    if model is not None:
        ahead = min(days, MAX_HORIZON_DAYS)
        told = model(items, as_of, ahead)
        base[:, :ahead] = np.where(np.isfinite(told), told, base[:, :ahead])
    return base


def decided(history: SalesHistory, function: Function, *, horizon_days: int) -> tuple[list[Key], Floats]:
    """Its items, and what it says of each day after the last known one [n, horizon]; NaN where it says nothing.

    A factor means times the moving average of the day before it began, moved as all other items have moved since:
    seasons are no news to a model.
    """
    assert history.last_day is not None
    items, last_day = _items(history, function.scope), history.last_day.toordinal()
    ahead = last_day - function.first + 1  # days from its beginning to the first one asked about
    days = ahead + horizon_days
    if not items or days < 1 or ahead > MOST_DAYS or function.last <= last_day:
        return [], np.empty((0, horizon_days))
    since = date.fromordinal(function.first - 1)
    base = moving_average(history, items, as_of=since, horizon_days=days) * _moved(history, function.scope, since)
    base[~(base >= LEAST_BASE)] = np.nan
    told = np.full((len(items), horizon_days), np.nan)
    shown = function.of(base)[:, max(ahead, 0) :]
    told[:, horizon_days - shown.shape[1] :] = shown
    told[:, max(function.last - last_day, 0) :] = np.nan
    return items, told


def _moved(history: SalesHistory, scope: Scope, since: date) -> float:
    """What the items that it is not about sell now ÷ what they sold then; 1 where that is not known."""
    assert history.last_day is not None
    others = _items(history, scope, about=False)
    then, now = (moving_average(history, others, as_of=day, horizon_days=7) for day in (since, history.last_day))
    both = np.isfinite(then) & np.isfinite(now)
    return float(now[both].sum() / then[both].sum()) if then[both].sum() > 0 else 1.0


def _items(history: SalesHistory, scope: Scope, *, about: bool = True) -> list[Key]:
    """Those of a scope, or all others."""
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


def _truth(history: SalesHistory, points: Sequence[Point], base: Floats, said: Classes) -> Classes:
    """The class of each point, SILENT where the day's demand is not known."""
    if not points:
        return np.empty(0, np.int64)
    panel, days = history.panel, np.array([day for _, _, day in points], np.int64)
    series = [panel.series[panel.places[store, sku]] for store, sku, _ in points]
    demand = known_demand(windows(series, days, days=1))[:, 0].astype(np.float64)
    alike = np.unique(said, axis=0, return_inverse=True)[1].ravel()
    frame = pl.DataFrame({"alike": alike, "week": days // 7, "demand": demand, "base": base}).with_columns(
        pl.col("demand").fill_nan(None)
    )
    known = pl.col("demand").is_not_null()
    week = ("alike", "week")
    ratio = (pl.col("demand").sum() / pl.col("base").filter(known).sum()).over(week)
    told = frame.select(pl.when(known).then(ratio).otherwise(None).alias("ratio"))["ratio"].to_numpy()
    classes = np.searchsorted(EDGES, np.nan_to_num(told), side="right")
    return np.where(np.isfinite(told), classes, SILENT)


def _values(said: Classes, ratios: Floats) -> Floats:
    """What each class is worth, as a multiple of the base: the mean of those who said it, else its centre."""
    told = [ratios[said == known] for known in range(len(CLASSES))]
    return np.array([some.mean() if len(some) else centre for some, centre in zip(told, CENTRES, strict=True)])


def _row(
    point: Point, base: float, labels: Floats, values: Floats, votes: Votes, row: int, begun: int
) -> dict[str, object]:
    ratio = float(labels @ values)
    sure = 1 + float((labels * np.log(np.maximum(labels, 1e-12))).sum()) / np.log(len(CLASSES))
    return {
        "store": point[0],
        "sku": point[1],
        "date": date.fromordinal(point[2]),
        "since": date.fromordinal(begun),
        "demand": base * ratio,
        "weight": LABEL_WEIGHT * min(max(sure, 0.0), 1.0),
        "base": float(base),
        "ratio": ratio,
        "probabilities": labels.tolist(),
        "functions": [name for name, said in zip(votes.names, votes.said[row], strict=True) if said != SILENT],
    }


def _table(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(
        rows,
        schema={
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
        },
    )


def _ended(one: Override) -> int:
    """The last day on which it held; without a withdrawal the one on which it ends."""
    return datetime.fromisoformat(one.withdrawn_at or one.ends_at).astimezone(UTC).date().toordinal()
