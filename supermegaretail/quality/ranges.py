"""The range of every column: what it holds at its ends and in the middle, and how much of it is missing."""

from __future__ import annotations

import polars as pl

QUANTILES = {"q01": 0.01, "q50": 0.5, "q99": 0.99}
SAMPLE = 100_000  # values that the quantiles are taken from: exact ones of millions take seconds
SCHEMA = {
    "column": pl.String(),
    "missing": pl.Float64(),
    "distinct": pl.Int64(),
    "min": pl.Float64(),
    **dict.fromkeys(QUANTILES, pl.Float64()),
    "max": pl.Float64(),
}


def ranges(table: pl.DataFrame) -> pl.DataFrame:
    """A row per column but the date: share missing; number of texts; of numbers min, quantiles of a sample, max."""
    rows = [_range(table[name]) for name in table.columns if name != "date"]
    return pl.DataFrame(rows, schema=SCHEMA)


def _range(values: pl.Series) -> dict[str, object]:
    missing = values.null_count() / max(len(values), 1)
    if not values.dtype.is_numeric():
        return {"column": values.name, "missing": missing, "distinct": values.drop_nulls().n_unique()}
    known = values.drop_nulls().cast(pl.Float64).drop_nans()
    sample = (known.sample(SAMPLE, seed=1) if known.len() > SAMPLE else known).sort()
    quantiles = {name: sample.quantile(share) for name, share in QUANTILES.items()}
    return {"column": values.name, "missing": missing, "min": known.min(), **quantiles, "max": known.max()}
