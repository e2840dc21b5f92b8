"""Who serves each of many series, and why nobody better does: arrays instead of an object for each item."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from supermegaretail.contract import Tier
from supermegaretail.features import Floats, target_days
from supermegaretail.overriding import Shape
from supermegaretail.panel import Key
from supermegaretail.prepared import Reasons
from supermegaretail.series import Ints

DECIMALS = 4  # of units, as in the answers of the API


class Story:
    """The answers for n series, filled in tier by tier; the best tier comes first and what it serves is served."""

    def __init__(self, n: int, *, horizon_days: int, levels: Sequence[float]) -> None:
        self._demand = np.full((n, horizon_days), np.nan)
        self._quantiles = np.full((n, horizon_days, len(levels)), np.nan)
        self._served_by = np.full(n, None, object)
        self._reasons = np.full(n, "", object)
        self._levels = levels

    @property
    def open(self) -> Ints:
        """The rows that nobody serves yet."""
        return np.flatnonzero(self._served_by == None)  # noqa: E711  element by element

    def served_by(self, tier: Tier) -> Ints:
        """The rows that this tier serves."""
        return np.flatnonzero(self._served_by == tier)

    def serve(self, tier: Tier, rows: Ints, demand: Floats, quantiles: Floats | None = None) -> None:
        """`tier` serves `rows` [m] from now on, with `demand` [m, horizon] and `quantiles` [m, horizon, levels]."""
        self._demand[rows] = demand
        self._quantiles[rows] = np.nan if quantiles is None else quantiles
        self._served_by[rows] = tier

    def shape(self, row: int, shape: Shape) -> None:
        """What people's decisions make of the answer in this row, whoever served it."""
        self._demand[row] = shape.of(self._demand[row])
        self._quantiles[row] = shape.of(self._quantiles[row].T).T

    def refuse(self, tier: Tier, rows: Ints, reasons: str | Reasons) -> None:
        """`tier` does not serve `rows` [m], and why; None among the `reasons` [m] is no refusal."""
        told = np.full(len(rows), reasons, object) if isinstance(reasons, str) else reasons
        for reason in {*told.tolist()} - {None}:
            chosen = rows[told == reason]
            before = self._reasons[chosen]
            self._reasons[chosen] = np.where(before == "", "", before + ", ") + f"{tier}:{reason}"

    def table(self, keys: Sequence[Key], *, as_of: date, versions: dict[str, str | None]) -> pl.DataFrame:
        """One row for each series and day; a quantile is null where the tier that serves has none."""
        horizon_days = self._demand.shape[1]
        series = pl.DataFrame(
            {
                "store": [store for store, _ in keys],
                "sku": [sku for _, sku in keys],
                "served_by": pl.Series(self._served_by.tolist(), dtype=pl.String),
                "reason": pl.Series([reason or None for reason in self._reasons.tolist()], dtype=pl.String),
            }
        )[np.repeat(np.arange(len(keys)), horizon_days)]
        quantiles = np.round(self._quantiles, DECIMALS).reshape(len(keys) * horizon_days, len(self._levels))
        days = pl.Series(target_days(as_of, horizon_days), dtype=pl.Date)
        return series.select(
            "store",
            "sku",
            days[np.tile(np.arange(horizon_days), len(keys))].alias("date"),
            pl.Series("demand", np.round(self._demand, DECIMALS).ravel()),
            *(
                pl.Series(column_of(level), values, nan_to_null=True)
                for level, values in zip(self._levels, quantiles.T, strict=True)
            ),
            "served_by",
            "reason",
            *(pl.lit(version, pl.String).alias(f"{name}_version") for name, version in versions.items()),
        )


def column_of(level: float) -> str:
    """The name of a quantile's column: `quantile_0.95`."""
    return f"quantile_{level:g}"


def schema(levels: Sequence[float]) -> dict[str, pl.DataType]:
    """The columns of `Story.table`."""
    return {
        "store": pl.String(),
        "sku": pl.String(),
        "date": pl.Date(),
        "demand": pl.Float64(),
        **{column_of(level): pl.Float64() for level in levels},
        **{name: pl.String() for name in ("served_by", "reason", "core_version", "correction_version")},
    }
