"""The report of a day: read from the state database, drawn as a page, saved with a parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from html import escape
from pathlib import Path

from sqlalchemy import Engine

from common.daily import figures
from common.daily.decisions import tables_of
from common.daily.store import SumsStore
from common.daily.store import metadata as daily_tables
from common.daily.tables import Cell, DailyReport, Sources, Table
from common.durable import put_in_place
from common.incidents.tables import metadata as incident_tables
from common.lifecycle.usage_store import UsageStore
from common.overrides.uses import metadata as use_tables
from common.releases.tables import metadata as release_tables
from common.report.html import figure, save_document
from common.report.html import table as as_html
from common.report.numbers import NOT_GIVEN
from common.report.svg import Line, line_chart
from common.state.database import add_missing_columns, create_tables
from common.state.erasures import metadata as erasure_tables
from common.state.overrides import metadata as override_tables

NOTHING = "Nothing."


def daily_report(
    engine: Engine, sources: Sources, day: date, *, cost_per_cpu_hour: float, now: datetime | None = None
) -> DailyReport:
    """Reads what is kept of that day; raises SQLAlchemy's errors."""
    for read in (daily_tables, incident_tables, use_tables, release_tables, erasure_tables, override_tables):
        create_tables(engine, read)
    add_missing_columns(engine, override_tables)
    iso, sums = day.isoformat(), SumsStore(engine, sources.service)
    api, model = sums.day(iso, role="api"), sums.day(iso, role="model")
    tables = [
        figures.use(UsageStore(engine, sources.service).on(iso)),
        figures.budgets(api),
        *sources.quality(engine, day),
        figures.tiers(api),
        figures.reasons(api),
        figures.minutes(api),
        *tables_of(engine, sources, day, now=now or datetime.now(UTC)),
        figures.cost(api, model, per_cpu_hour=cost_per_cpu_hour),
    ]
    return DailyReport(sources.service, iso, tables, tuple(_by_hour(sums, iso)))


def drawing(report: DailyReport) -> str:
    """Items served by hour as SVG, and those of them that were degraded; empty where nothing was served."""
    served, degraded = (
        Line(name, [(float(hour), values[place]) for hour, *values in report.by_hour], style, dots=True)
        for place, (name, style) in enumerate((("served", "actual"), ("degraded", "t1")))
    )
    return line_chart(
        [served, degraded],
        title="Items served by hour",
        description="The upper line is all of them, the lower one those that were degraded.",
        x_title="hour (UTC)",
        y_title="items",
        from_zero=True,
    )


def save(report: DailyReport, folder: Path) -> list[Path]:
    """Writes SERVICE-DAY.html and SERVICE-DAY.parquet; `ImportError` without polars, which the second needs."""
    import polars as pl

    name = f"{report.service}-{report.day}"
    page, data = folder / f"{name}.html", folder / f"{name}.parquet"
    save_document(page, f"{report.service} on {report.day}", _parts(report))
    schema = {"service": pl.String, "day": pl.String, "table": pl.String, "row": pl.Int64} | {
        "subject": pl.String,
        "figure": pl.String,
        "value": pl.Float64,
        "text": pl.String,
    }
    with put_in_place(data) as draft:
        pl.DataFrame(list(_rows(report)), schema=schema, orient="row").write_parquet(draft)
    return [page, data]


def shown(cell: Cell) -> str:
    """A cell for people."""
    if cell is None:
        return NOT_GIVEN
    if isinstance(cell, str):
        return cell
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:,.6g}"


def _parts(report: DailyReport) -> Iterator[str]:
    yield f"<h1>{escape(report.service)} on {report.day}</h1><p>All times are UTC.</p>"
    yield figure(drawing(report), "Items served by hour", "solid: all, dashed: degraded")
    for table in report.tables:
        yield f"<h2>{escape(table.caption)}</h2>"
        if table.rows:
            rows = [(shown(row[0]), *(escape(shown(cell)) for cell in row[1:])) for row in table.rows]
            yield as_html(table.caption, table.heads, rows)
        else:
            yield f"<p>{NOTHING}</p>"
        yield f"<p>{escape(table.note)}</p>" if table.note else ""


def _rows(report: DailyReport) -> Iterator[tuple[str | int | float | None, ...]]:
    for table in report.tables:
        yield from _cells(report, table)


def _cells(report: DailyReport, table: Table) -> Iterator[tuple[str | int | float | None, ...]]:
    """One row of the file per figure; a table's row is known by its number and its first column."""
    for place, (first, *cells) in enumerate(table.rows):
        for head, cell in zip(table.heads[1:], cells, strict=True):
            value = None if cell is None or isinstance(cell, str) else float(cell)
            text = cell if isinstance(cell, str) else None
            yield report.service, report.day, table.name, place, shown(first), head, value, text


def _by_hour(sums: SumsStore, day: str) -> Iterator[tuple[int, float, float]]:
    """From midnight to the last hour of which something is known; in hours without sums nothing was served."""
    known = {int(hour[11:]): amounts for hour, amounts in sums.hours(day, role="api").items()}
    for hour in range(max(known, default=-1) + 1):
        served = {key: amount for key, amount in known.get(hour, {}).items() if key.measure == "served"}
        yield hour, sum(served.values()), sum(served[key] for key in served if key.detail == "true")
