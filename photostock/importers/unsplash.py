"""Unsplash's dataset as published: photos.tsv000, and keywords.tsv000 and colors.tsv000 where they lie beside it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from photostock.importers.rows import Collector, ImportProblem, PhotoImport, moment, pixels, tidy
from photostock.photo import DEFAULT_COLOR, DEFAULT_HEIGHT, DEFAULT_WIDTH, Photo

LICENCE = "Unsplash License"
MOST_TAGS = 20  # of the hundreds of keywords that a photo has, the surest
NEEDED = {"photo_id", "photo_width", "photo_height", "photo_description", "ai_description"}


@dataclass(frozen=True, slots=True)
class Side:
    """What the files beside photos.tsv say, by photo id."""

    tags: dict[str, list[str]]
    colours: dict[str, str]


def parts_of(folder: Path, name: str) -> list[Path]:
    """The numbered parts of one table: name.tsv000, name.tsv001 … or name.csv000 …, or none."""
    return sorted(p for p in folder.glob(f"{name}.[tc]sv*") if p.is_file())


def read_unsplash(folder: Path) -> PhotoImport:
    """Reads the tables in `folder`; `line` is the last line of the row in its file."""
    parts = parts_of(folder, "photos")
    if not parts:
        raise ImportProblem(f"{folder} holds no photos.tsv000 of Unsplash's dataset")
    collector = Collector()
    side = Side(_tags(folder, collector), _colours(folder, collector))
    for part in parts:
        for line, row in _rows(part, collector):
            try:
                collector.take(line, _photo(row, side))
            except ValueError as error:
                collector.reject(line, f"photo {row['photo_id']}: {error}")
    return collector.result()


def _rows(path: Path, collector: Collector) -> Iterator[tuple[int, dict[str, str]]]:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=_delimiter(path))
        try:
            header = next(reader, [])
            if missing := sorted(NEEDED - set(header)):
                raise ImportProblem(f"{path} lacks the columns {', '.join(missing)}")
            for values in reader:
                if len(values) == len(header):
                    yield reader.line_num, dict(zip(header, values, strict=True))
                else:
                    collector.reject(reader.line_num, f"{path.name}: {len(values)} columns instead of {len(header)}")
        except csv.Error as error:
            raise ImportProblem(f"{path}, line {reader.line_num}: {error}") from error


def _delimiter(path: Path) -> str:
    with path.open("rb") as file:
        return "\t" if b"\t" in file.readline(100_000) else ","


def _photo(row: dict[str, str], side: Side) -> Photo:
    photo_id = row["photo_id"]
    texts = [text for key in ("photo_description", "ai_description") if (text := tidy(row[key]))]
    places = [row.get("photo_location_city", ""), row.get("photo_location_country", "")]
    names = f"{row.get('photographer_first_name', '')} {row.get('photographer_last_name', '')}"
    return Photo(
        id=photo_id,
        title="".join(texts[:1]),
        description="".join(texts[1:]),
        tags=tuple(dict.fromkeys(tag for tag in [*side.tags.get(photo_id, []), *map(tidy, places)] if tag)),
        photographer=tidy(names) or row.get("photographer_username", ""),
        width=pixels(row["photo_width"], DEFAULT_WIDTH),
        height=pixels(row["photo_height"], DEFAULT_HEIGHT),
        color=side.colours.get(photo_id, DEFAULT_COLOR),
        licence=LICENCE,
        created_at=moment(row.get("photo_submitted_at")),
        popularity=float(row.get("stats_downloads") or 0),
    )


def _tags(folder: Path, collector: Collector) -> dict[str, list[str]]:
    """The surest keywords of every photo; what a person suggested comes first."""
    table = _side_table(folder, "keywords", ("photo_id", "keyword"), collector)
    surest = pl.max_horizontal(_number(table, f"ai_service_{n}_confidence") for n in (1, 2)).fill_null(0.0)
    human = pl.col("suggested_by_user").is_in(["t", "true", "True"]) if "suggested_by_user" in table.columns else False
    sure = pl.when(human).then(101.0).otherwise(surest)
    ranked = table.with_columns(sure=sure).sort("sure", "keyword", descending=[True, False], maintain_order=True)
    tags = ranked.group_by("photo_id").agg(pl.col("keyword").unique(maintain_order=True).head(MOST_TAGS))
    return dict(tags.iter_rows())


def _colours(folder: Path, collector: Collector) -> dict[str, str]:
    """The colour that covers most of every photo."""
    table = _side_table(folder, "colors", ("photo_id", "hex"), collector)
    coverage = _number(table, "coverage" if "coverage" in table.columns else "ai_coverage").fill_null(0.0)
    widest = table.with_columns(coverage=coverage).sort("coverage", descending=True, maintain_order=True)
    return {
        i: f"#{h.lstrip('#').lower()}"
        for i, h in widest.unique("photo_id", keep="first").select("photo_id", "hex").rows()
    }


def _number(table: pl.DataFrame, column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64, strict=False) if column in table.columns else pl.lit(None, pl.Float64)


def _side_table(folder: Path, name: str, needed: tuple[str, str], collector: Collector) -> pl.DataFrame:
    """The rows of a table beside photos.tsv, as text; rows without the needed columns are rejected."""
    tables = [pl.DataFrame(schema=dict.fromkeys(needed, pl.String))]
    for part in parts_of(folder, name):
        try:
            table = pl.read_csv(part, separator=_delimiter(part), infer_schema=False, encoding="utf8-lossy")
        except pl.exceptions.PolarsError as error:
            raise ImportProblem(f"{part} cannot be read: {error}") from error
        if missing := sorted(set(needed) - set(table.columns)):
            raise ImportProblem(f"{part} lacks the columns {', '.join(missing)}")
        empty = pl.any_horizontal(pl.col(c).is_null() | (pl.col(c) == "") for c in needed)
        for row in table.with_row_index("row").filter(empty)["row"]:
            collector.reject(row + 2, f"{part.name}: no {' or no '.join(needed)}")
        tables.append(table.filter(~empty))
    return pl.concat(tables, how="diagonal")
