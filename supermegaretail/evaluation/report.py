"""What an evaluation found: tables of figures, cases as curves, and how to write them as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from supermegaretail.features import Floats
from supermegaretail.panel import Key


@dataclass(frozen=True, slots=True)
class Case:
    """One series after the last origin, as curves."""

    title: str
    item: Key
    as_of: date
    before: Floats  # [56] units sold up to as_of, NaN where not known
    sold: Floats  # [horizon]
    demand: Mapping[str, Floats]  # by tier: [horizon]
    band: tuple[Floats, Floats] | None  # the correction's 0.25 and 0.95 quantile: [horizon] each


@dataclass(frozen=True, slots=True)
class Report:
    """Figures are means over the origins.

    figures    scope, part, kind, tier, days, series, wape, bias, rmsse, wrmsse, their ratios, price, widths
    quantiles  scope, part, kind, tier, source, level, pinball, below, at_or_below, shortfall_points
    money      scope, tier, source, level, overstock, lost, overstock_money, lost_money
    seconds    scope, tier, cpu_seconds
    daily      scope, tier, day, wape

    `scope` is `all` series or the `sample` that the peers were asked about; `kind` is whole, horizon or slice;
    `source` is `model` for quantiles of the tier's own, `errors` for its mean plus the spread of its earlier errors.
    """

    origins: tuple[date, ...]
    horizon_days: int
    seed: int
    series: int
    sampled: int  # series in the sample; 0 without one
    training_cpu_seconds: float  # of core and correction together, per origin
    figures: pl.DataFrame
    quantiles: pl.DataFrame
    money: pl.DataFrame
    seconds: pl.DataFrame
    daily: pl.DataFrame
    cases: tuple[Case, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def scopes(self) -> list[str]:
        """`all`, and `sample` where peers were asked about fewer series than there are."""
        found: list[str] = self.figures["scope"].unique(maintain_order=True).to_list()
        return found

    def whole(self, scope: str) -> pl.DataFrame:
        """The figures over all days, best tier first."""
        return self.figures.filter((pl.col("scope") == scope) & (pl.col("kind") == "whole")).sort("wape")

    def to_json(self) -> dict[str, Any]:
        """Everything but the curves, with null where a figure is no number."""
        tables = {name: getattr(self, name) for name in ("figures", "quantiles", "money", "seconds", "daily")}
        return {
            "origins": [day.isoformat() for day in self.origins],
            "horizon_days": self.horizon_days,
            "seed": self.seed,
            "series": self.series,
            "sampled_series": self.sampled,
            "training_cpu_seconds": self.training_cpu_seconds,
            "notes": list(self.notes),
            **{name: [_plain(row) for row in table.iter_rows(named=True)] for name, table in tables.items()},
        }

    def save_json(self, path: Path) -> None:
        """Writes the figures; makes the folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_json(), ensure_ascii=False, allow_nan=False, indent=1))


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()
    }
