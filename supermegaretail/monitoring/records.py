"""The rows of the prediction log: one per answered item and target day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from supermegaretail.contract import Forecast, ForecastAnswer
from supermegaretail.formulas import WINDOW_DAYS
from supermegaretail.history import SalesHistory
from supermegaretail.panel import Key
from supermegaretail.series import AVERAGED, EVENT, STOCKOUT, Floats32, windows

Marks: TypeAlias = npt.NDArray[np.uint32]
Told: TypeAlias = tuple[int, int, Forecast]  # the number of the request, the position in it, and the item's answer

SCHEMA: dict[str, pl.DataType] = {
    "request_id": pl.String(),
    "made_at": pl.Datetime("us", "UTC"),
    "caller": pl.String(),
    "version": pl.String(),  # of the core, as it was asked for: a number, or an alias
    "seed": pl.Int64(),
    "as_of": pl.Date(),
    "known_until": pl.Date(),  # the last day with any sales when the forecast was made; null: there were none
    "position": pl.Int32(),  # of the item in its request
    "store": pl.String(),
    "sku": pl.String(),
    "horizon_days": pl.Int32(),  # from as_of to day
    "day": pl.Date(),
    "demand": pl.Float64(),
    "quantile_levels": pl.List(pl.Float64()),
    "quantile_values": pl.List(pl.Float64()),
    "served_by": pl.String(),
    "degraded": pl.Boolean(),
    "reason": pl.String(),
    "override_id": pl.String(),
    "core_version": pl.String(),
    "correction_version": pl.String(),
    "features_version": pl.String(),
    "api_version": pl.String(),
    "sales_mark": pl.UInt32(),  # checksums of what was known about the item: `MARKS`
    "plans_mark": pl.UInt32(),
    "shelf_mark": pl.UInt32(),
}
# Of the item's own sales and stock-outs up to as_of; of its prices, promotions and events up to the last target day; of
# the same, averaged over its store, its category and its product.
MARKS = ("sales_mark", "plans_mark", "shelf_mark")
MARKED_AT_ONCE = 256  # items
SIDES = np.array([[3], [5], [7]], np.uint32)  # so that store, category and product are no equals


@dataclass(frozen=True, slots=True)
class Answered:
    """One answered request. `history` is what it was answered from; it is immutable, and let go once it is logged."""

    answer: ForecastAnswer
    version: str
    caller: str
    made_at: datetime
    history: SalesHistory

    @property
    def rows(self) -> int:
        """Items × days."""
        forecasts = self.answer.forecasts
        return len(forecasts) * len(forecasts[0].dates) if forecasts else 0


def marks(history: SalesHistory, items: Sequence[Key], *, as_of: date, horizon_days: int) -> Marks:
    """Checksums [n, 3] of what forecasts of these items are made from, in `MARKS`: another one means other data."""
    panel = history.panel.announcing(items)
    places = np.fromiter((panel.places.get(item, -1) for item in items), np.int64, len(items))
    known = np.flatnonzero(places >= 0)
    start = as_of.toordinal() + 1 - WINDOW_DAYS
    days = WINDOW_DAYS + horizon_days + 1  # an event on the day after the last one counts
    found = np.zeros((len(items), len(MARKS)), np.uint32)
    if not len(known):
        return found
    for first in range(0, len(known), MARKED_AT_ONCE):
        rows = known[first : first + MARKED_AT_ONCE]
        own = windows([panel.series[place] for place in places[rows]], np.full(len(rows), start), days=days)
        own[:, EVENT][own[:, EVENT] == 0] = np.nan  # told of a day with sales as well: that nothing happens there
        found[rows, 0] = _checksums(own[:, : STOCKOUT + 1, :WINDOW_DAYS])
        found[rows, 1] = _checksums(own[:, STOCKOUT + 1 :])
    groups = np.stack([of[places[known]] for of in (panel.store_of, panel.category_of, panel.product_of)])
    numbers, which = np.unique(groups, return_inverse=True)
    shelf = windows([panel.groups[it] for it in numbers], np.full(len(numbers), start), days=days, channels=AVERAGED)
    shelf[:, : STOCKOUT + 1, WINDOW_DAYS:] = np.nan
    found[known, 2] = np.bitwise_xor.reduce(_checksums(shelf)[which.reshape(groups.shape)] * SIDES, axis=0)
    return found


def table_of(*answers: Answered) -> pl.DataFrame:
    """The rows of some requests, in `SCHEMA`, by request, item and day."""
    alike: dict[tuple[int, tuple[str, ...]], list[Told]] = {}  # days and quantiles: they shape the columns
    for number, one in enumerate(answers):
        for position, forecast in enumerate(one.answer.forecasts):
            kind = len(forecast.dates), tuple(forecast.quantiles or ())
            alike.setdefault(kind, []).append((number, position, forecast))
    marked = _marked(answers)
    rows = pl.concat([_rows(told, marked, levels) for (_, levels), told in alike.items()])
    requests = _requests(answers)[rows["number"]]
    return (
        pl.concat([rows, requests], how="horizontal")
        .sort("number", "position", "horizon_days")
        .with_columns((pl.col("as_of").cast(pl.Int32) + pl.col("horizon_days")).cast(pl.Date).alias("day"))
        .select(list(SCHEMA))
    )


def _requests(answers: Sequence[Answered]) -> pl.DataFrame:
    """What is the same for all rows of a request; one row for each."""
    columns: dict[str, list[Any]] = {
        "request_id": [one.answer.request_id for one in answers],
        "made_at": [one.made_at for one in answers],
        "caller": [one.caller for one in answers],
        "version": [one.version for one in answers],
        "seed": [one.answer.seed for one in answers],
        "as_of": [one.answer.as_of for one in answers],
        "known_until": [one.history.last_day for one in answers],
    }
    for part in ("core", "correction", "features", "api"):
        columns[f"{part}_version"] = [one.answer.versions.get(part) for one in answers]
    return pl.DataFrame(columns, schema_overrides={name: SCHEMA[name] for name in columns})


def _rows(told: Sequence[Told], marked: Sequence[Marks], levels: tuple[str, ...]) -> pl.DataFrame:
    """What differs from item to item, of those with these quantiles; lists in polars are dear, so arrays are used."""
    forecasts = [forecast for _, _, forecast in told]
    horizon_days = len(forecasts[0].dates)
    names = ("store", "sku", "served_by", "degraded", "reason", "override_id")
    marks_of = np.array([marked[number][position] for number, position, _ in told])
    items = {
        "number": pl.Series([number for number, _, _ in told], dtype=pl.UInt32),
        "position": pl.Series([position for _, position, _ in told], dtype=pl.Int32),
        **{name: pl.Series([getattr(one, name) for one in forecasts], dtype=SCHEMA[name]) for name in names},
        **{name: pl.Series(marks_of[:, place]) for place, name in enumerate(MARKS)},
    }
    rows = len(forecasts) * horizon_days
    values = np.array([list((one.quantiles or {}).values()) for one in forecasts], np.float64)
    by_day = values.reshape(len(forecasts), len(levels), horizon_days).transpose(0, 2, 1).reshape(rows, len(levels))
    days = {
        "horizon_days": pl.Series(np.tile(np.arange(1, horizon_days + 1, dtype=np.int32), len(forecasts))),
        "demand": pl.Series(np.array([one.demand for one in forecasts], np.float64).ravel()),
        "quantile_levels": _lists(np.tile(np.array(levels, np.float64), (rows, 1))),
        "quantile_values": _lists(by_day),
    }
    repeated = pl.DataFrame(items)[np.repeat(np.arange(len(forecasts)), horizon_days)]
    return repeated.with_columns(column.alias(name) for name, column in days.items())


def _marked(answers: Sequence[Answered]) -> list[Marks]:
    """The marks of the items of each request; those that many requests ask about are worked out once."""
    asked = [[(one.store, one.sku) for one in answered.answer.forecasts] for answered in answers]
    questions = [(one.history, one.answer.as_of, len(one.answer.forecasts[0].dates)) for one in answers]
    found: dict[tuple[SalesHistory, date, int], dict[Key, int]] = {}
    for question, keys in zip(questions, asked, strict=True):
        place_of = found.setdefault(question, {})
        for key in keys:
            place_of.setdefault(key, len(place_of))
    worked_out = {
        question: marks(question[0], list(place_of), as_of=question[1], horizon_days=question[2])
        for question, place_of in found.items()
    }
    return [
        worked_out[question][[found[question][key] for key in keys]]
        for question, keys in zip(questions, asked, strict=True)
    ]


def _lists(values: npt.NDArray[np.float64]) -> pl.Series:
    """A column of lists, one per row of [rows, length]."""
    if not values.shape[1]:
        return pl.Series([[]], dtype=pl.List(pl.Float64)).new_from_index(0, len(values))
    return pl.Series(values).cast(pl.List(pl.Float64))


def _checksums(values: Floats32) -> npt.NDArray[np.uint32]:
    """One per row of [n, channels, days]: the bits of what is known, each multiplied by a number of its place."""
    bits = np.where(np.isnan(values), 0, values.view(np.uint32).astype(np.uint64) + 1).reshape(len(values), -1)
    factors = np.arange(1, bits.shape[1] + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) | np.uint64(1)
    sums: npt.NDArray[np.uint64] = (bits * factors).sum(1, dtype=np.uint64)  # overflow is meant
    return (sums >> np.uint64(32)).astype(np.uint32)
