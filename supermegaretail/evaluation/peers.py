"""Other people's forecasters on the same days: statsforecast's classics and mlforecast with LightGBM.

They come with the extra `forecast-peers`.

Statsforecast's own wrapper answers with a fallback model under the main model's name when that one fails. Here its
models are asked one series at a time, the seasonal naive stands in for a failure, and `notes` say how often.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from supermegaretail.evaluation.plain import last_week, sales_before
from supermegaretail.evaluation.tiers import Made, timed
from supermegaretail.features import Floats, target_days
from supermegaretail.history import SalesHistory
from supermegaretail.panel import Key
from supermegaretail.series import CHANNELS, Floats32, windows
from supermegaretail.states import PLANNED

SEASON_DAYS = 7
LOOK_BACK_DAYS = 730  # what a peer learns from: more makes AutoETS slow and none of them better
AUTO_ETS, CROSTON, SEASONAL_ES, RECURSIVE = "AutoETS", "CrostonSBA", "SeasonalES", "mlforecast + LightGBM"
CLASSICS = (AUTO_ETS, CROSTON, SEASONAL_ES)
LAGS = (1, 2, 3, 4, 5, 6, 7, 14, 21, 28)
NUMBERS = tuple(name for name in PLANNED if name != "event")  # planned inputs that are numbers


@dataclass(frozen=True, slots=True)
class Asked:
    """What a peer is asked about: items with their sales [n, days] up to `as_of`, NaN where not known."""

    history: SalesHistory
    items: Sequence[Key]
    as_of: date
    horizon_days: int

    @property
    def sales(self) -> Floats:
        return sales_before(self.history, self.items, as_of=self.as_of, days=LOOK_BACK_DAYS)


def missing() -> list[str]:
    """The peers' packages that are not installed."""
    return [name for name in ("statsforecast", "mlforecast") if importlib.util.find_spec(name) is None]


def ask_peers(
    asked: Asked, *, seed: int, threads: int, advance: Callable[[], None] = lambda: None
) -> tuple[dict[str, Made], list[str]]:
    """Each installed peer's answer, and notes on the series that it failed at; `advance` is called per series."""
    made: dict[str, Made] = {}
    notes: list[str] = []
    absent = missing()
    if "statsforecast" not in absent:
        for name in CLASSICS:
            made[name] = timed(lambda name=name: Made(_classic(name, asked, notes, advance)))  # type: ignore[misc]
    if "mlforecast" not in absent:
        made[RECURSIVE] = timed(lambda: Made(_recursive(asked, seed=seed, threads=threads)))
    return made, notes


def _classic(name: str, asked: Asked, notes: list[str], advance: Callable[[], None]) -> Floats:
    models = importlib.import_module("statsforecast.models")
    makers: dict[str, Callable[[], Any]] = {
        AUTO_ETS: lambda: models.AutoETS(season_length=SEASON_DAYS),
        CROSTON: models.CrostonSBA,
        SEASONAL_ES: lambda: models.SeasonalExponentialSmoothingOptimized(season_length=SEASON_DAYS),
    }
    demand = last_week(asked.history, asked.items, as_of=asked.as_of, horizon_days=asked.horizon_days)
    failed = 0
    with _quietly():
        for row, sales in enumerate(asked.sales):
            try:
                answer = makers[name]().forecast(y=_gapless(sales), h=asked.horizon_days)["mean"]
            except Exception:  # noqa: BLE001  # whatever ails another's model on one series, the others are measured
                answer = np.full(asked.horizon_days, np.nan)
            if np.isfinite(answer).all():
                demand[row] = np.maximum(answer, 0)
            else:
                failed += 1
            advance()
    if failed:
        notes.append(
            f"{name} failed at {failed} of {len(demand)} series as of {asked.as_of}; seasonal naive stands in there"
        )
    return demand


def _recursive(asked: Asked, *, seed: int, threads: int) -> Floats:
    """One LightGBM for all asked series, its own forecasts fed back as lags; planned inputs are known to it."""
    mlforecast, lightgbm = importlib.import_module("mlforecast"), importlib.import_module("lightgbm")
    transforms = importlib.import_module("mlforecast.lag_transforms")
    means = [transforms.RollingMean(window_size=days) for days in (7, 28)]
    parameters: dict[str, Any] = {
        "objective": "tweedie",
        "tweedie_variance_power": 1.3,
        "n_estimators": 300,
        "num_leaves": 63,
        "learning_rate": 0.05,
        "min_child_samples": 100,
        "random_state": seed,
        "n_jobs": threads,
        "verbose": -1,
    }
    learner = mlforecast.MLForecast(
        models={"answer": lightgbm.LGBMRegressor(**parameters)},
        freq="1d",
        lags=list(LAGS),
        lag_transforms={1: means, 7: means},
        date_features=["weekday", "day", "month"],
    )
    learnt, ahead = _tables(asked)
    with _quietly():
        learner.fit(learnt, static_features=[])
        answer = learner.predict(asked.horizon_days, X_df=ahead if len(ahead.columns) > 2 else None)
    told = answer.sort("unique_id", "ds")["answer"].to_numpy()
    return np.asarray(np.maximum(told.reshape(len(asked.items), asked.horizon_days), 0))


def _tables(asked: Asked) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The past and the days to come in mlforecast's columns, with the planned inputs that are known at all."""
    sales, n = asked.sales, len(asked.items)
    starts = np.full(n, asked.as_of.toordinal() + 1 - LOOK_BACK_DAYS)
    series = [asked.history.panel.series[asked.history.panel.places[item]] for item in asked.items]
    around = windows(series, starts, days=LOOK_BACK_DAYS + asked.horizon_days)
    parts = []
    for row in range(n):
        values = _gapless(sales[row])
        days = pl.date_range(date.fromordinal(int(starts[row]) + LOOK_BACK_DAYS - len(values)), asked.as_of, eager=True)
        parts.append(_frame(row, days, around[row, :, LOOK_BACK_DAYS - len(values) : LOOK_BACK_DAYS], values))
    learnt = pl.concat(parts)
    known = [name for name in NUMBERS if learnt[name].is_not_nan().any()]
    days = pl.Series(target_days(asked.as_of, asked.horizon_days))
    ahead = pl.concat([_frame(row, days, around[row, :, LOOK_BACK_DAYS:], None) for row in range(n)])
    return learnt.select("unique_id", "ds", "y", *known), ahead.select("unique_id", "ds", *known)


def _frame(row: int, days: pl.Series, values: Floats32, sales: Floats | None) -> pl.DataFrame:
    numbers = {name: values[CHANNELS.index(name)] for name in NUMBERS}
    known = {} if sales is None else {"y": sales}
    return pl.DataFrame({"ds": days, **known, **numbers}).with_columns(unique_id=pl.lit(row, pl.Int64))


def _gapless(sales: Floats) -> Floats:
    """Sales from the first sale on, with the mean where a day is not known: peers take no gaps, nor days before it."""
    sold = sales > 0
    if not sold[: -2 * SEASON_DAYS].any():
        return np.nan_to_num(sales[-2 * SEASON_DAYS :])
    values = sales[sold.argmax() :]
    return np.where(np.isfinite(values), values, np.nanmean(values))


@contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other people's deprecations are not ours to mend
        yield
