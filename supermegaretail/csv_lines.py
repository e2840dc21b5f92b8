"""Reading CSV so that every line is accounted for: it becomes one row of text cells, or one reject with its line.

Ordinary CSV readers pad short lines, cut long ones, skip blank ones, and let one stray quotation mark swallow the lines
after it. Here a record is one line; cells may be quoted, but not span lines.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import polars as pl

from supermegaretail.columns import ImportProblem

BLOCK_BYTES = 16 * 1024 * 1024
REJECTS = {"line": pl.Int64(), "reason": pl.String(), "row": pl.String()}
QUOTED = r'"[^"]*"'
CELL = r'(?:"(?:[^"]|"")*"|[^",]*)'
WELL_QUOTED = f"^{CELL}(?:,{CELL})*$"


def read_header(path: Path) -> list[str]:
    """The names in the file's first line."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as file:
            first = file.readline()
    except OSError as error:
        raise ImportProblem(f"{path}: cannot be read ({error.strerror})") from error
    if not first.strip():
        raise ImportProblem(f"{path}: the first line must name the columns, but it is empty")
    return [name.strip() for name in next(csv.reader([first]))]


def read_lines(path: Path) -> Iterator[pl.DataFrame]:
    """All lines after the header in blocks of some 16 MiB: columns line (counted from 1 in the file) and text."""
    line = 2
    with path.open("rb") as file:
        file.readline()
        while block := file.read(BLOCK_BYTES) + file.readline():
            lines = _lines(block.decode("utf-8", errors="replace"), first=line)
            line += len(lines)
            yield lines
    if line == 2:  # a file of a header alone still has its columns
        yield pl.DataFrame(schema={"line": pl.Int64, "text": pl.String})


def _lines(block: str, *, first: int) -> pl.DataFrame:
    text = pl.Series("text", [block.removesuffix("\n")]).str.split("\n").explode().str.strip_suffix("\r")
    return text.to_frame().with_row_index("line", offset=first).cast({"line": pl.Int64})


def split_cells(lines: pl.DataFrame, names: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines (line, text) as rows of text cells (line, then `names`); and the lines that do not fit, as rejects."""
    good, misfits = well_formed(lines, cells=len(names))
    schema = dict.fromkeys(names, pl.String)
    if good.is_empty():
        return pl.DataFrame(schema={"line": pl.Int64(), **schema}), misfits
    # Nothing in these lines can surprise an ordinary reader any more.
    rows = pl.read_csv(StringIO(good["text"].str.join("\n").item()), has_header=False, schema=schema)
    return rows.insert_column(0, good["line"]), misfits


def well_formed(lines: pl.DataFrame, *, cells: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The lines that hold so many cells, and the others as rejects."""
    text = pl.col("text")
    found = text.str.replace_all(QUOTED, "").str.count_matches(",", literal=True) + 1
    fault = (
        pl.when(text.str.strip_chars() == "")
        .then(pl.lit("blank line"))
        .when(text.str.contains('"', literal=True) & ~text.str.contains(WELL_QUOTED))
        .then(pl.lit("stray quotation mark"))
        .when(found != cells)
        .then(pl.format("{} cells where the header names {}", found, pl.lit(cells)))
    )
    judged = lines.with_columns(reason=fault)
    rejects = judged.filter(pl.col("reason").is_not_null()).select("line", "reason", row="text")
    return judged.filter(pl.col("reason").is_null()).drop("reason"), rejects
