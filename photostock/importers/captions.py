"""Parquet with `photo_id` and `captions` (a list of texts), and whatever else of a photo is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from photostock.importers.rows import Collector, ImportProblem, PhotoImport, captioned, moment, pixels, tidy
from photostock.photo import DEFAULT_COLOR, DEFAULT_HEIGHT, DEFAULT_WIDTH, Photo

# Our name of a field <- the columns that may hold it, first found first taken.
COLUMNS = {
    "photographer": ("photographer",),
    "licence": ("licence", "license_name", "license"),
    "color": ("color", "avg_color"),
    "created_at": ("created_at", "date_captured"),
    "popularity": ("popularity",),
    "tags": ("tags",),
}


def read_captions(path: Path) -> PhotoImport:
    """Reads a table of captioned photos; `line` is the row, from 1."""
    table = _load(path)
    sources = {name: next((c for c in columns if c in table.columns), None) for name, columns in COLUMNS.items()}
    collector = Collector()
    for row_number, row in enumerate(table.iter_rows(named=True), start=1):
        try:
            collector.take(row_number, _photo(row, sources))
        except (TypeError, ValueError) as error:
            collector.reject(row_number, f"photo {row['photo_id']!r}: {error}")
    return collector.result()


def _load(path: Path) -> pl.DataFrame:
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ImportProblem(f"{path} is not parquet: {error}") from error
    for column in ("photo_id", "captions"):
        if column not in table.columns:
            raise ImportProblem(f"{path} has no column `{column}`; it has {', '.join(table.columns)}")
    if table.schema["captions"] != pl.List(pl.String):
        raise ImportProblem(f"{path}: `captions` is {table.schema['captions']}, not a list of texts")
    return table


def _photo(row: dict[str, Any], sources: dict[str, str | None]) -> Photo:
    if row["photo_id"] is None:
        raise ValueError("there is no photo_id")
    known = {name: row[source] for name, source in sources.items() if source is not None and row[source] is not None}
    return Photo(
        id=str(row["photo_id"]),
        width=pixels(row.get("width"), DEFAULT_WIDTH),
        height=pixels(row.get("height"), DEFAULT_HEIGHT),
        photographer=tidy(str(known.get("photographer", ""))),
        licence=tidy(str(known.get("licence", ""))),
        color=str(known.get("color", DEFAULT_COLOR)),
        created_at=moment(known.get("created_at")),
        popularity=float(known.get("popularity", 0.0)),
        tags=tuple(str(tag) for tag in known.get("tags", ())),
        **captioned(row["captions"] or ()),
    )
