"""The evaluation as a whole on a small chain: what is measured, what is told, and what the page holds."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from common.command_line import Failed
from common.report.svg import Line, line_chart, ticks
from supermegaretail.evaluation import errors_at, evaluate
from supermegaretail.evaluation.charts import case_chart
from supermegaretail.evaluation.outcome import origins, outcome
from supermegaretail.evaluation.page import save_page
from supermegaretail.evaluation.report import Report
from supermegaretail.evaluation.slices import categories_of, slices
from supermegaretail.evaluation.terminal import render
from supermegaretail.evaluation.tiers import BLIND, OWN
from supermegaretail.history import SalesHistory
from supermegaretail.training import fit
from tests.supermegaretail.conftest import ITEMS, small_table

ROWS = 3_000


@pytest.fixture(scope="module")
def report() -> Report:
    return evaluate(small_table(days=200), horizon_days=14, origin_count=2, threads=1, rows=ROWS)


def test_every_tier_is_compared_on_weeks_that_were_held_out(report: Report) -> None:
    whole = report.whole("all")
    without_x = set(OWN) - {BLIND}  # the table has no x_ inputs
    assert set(whole["tier"]) == {*without_x, "seasonal_naive", "MA7", "MA28"}
    assert whole["wape"].is_finite().all()
    wape = dict(whole.select("tier", "wape").iter_rows())
    assert wape["correction"] < wape["seasonal_naive"]
    assert wape["constant"] == pytest.approx(1)


def test_the_price_of_a_tier_is_counted_from_the_best_of_ours(report: Report) -> None:
    own = report.whole("all").filter(pl.col("tier").is_in(OWN))
    assert own["price"].min() == 0
    best, worst = own.row(0, named=True), own.row(-1, named=True)
    assert worst["price"] == pytest.approx(worst["wape"] / best["wape"] - 1)


def test_horizon_buckets_and_slices_say_how_many_days_they_hold(report: Report) -> None:
    days = dict(report.figures.filter(pl.col("tier") == "core").select("part", "days").iter_rows())
    assert days["all days"] == len(ITEMS) * 14
    assert days["days 1–7"] == days["days 8–14"] == len(ITEMS) * 7
    assert days["promotion"] + days["no promotion"] == days["all days"]
    assert days["weekend"] == len(ITEMS) * 4


def test_a_tier_without_quantiles_is_judged_by_the_spread_of_its_earlier_errors(report: Report) -> None:
    sources = dict(report.quantiles.select("tier", "source").unique().iter_rows())
    assert (sources["moving_average"], sources["MA28"]) == ("model", "errors")
    assert report.money.filter(pl.col("tier") == "moving_average")["level"].to_list() == [0.5, 0.75, 0.95, 0.99]


def test_the_figures_are_valid_json_with_null_where_there_is_none(report: Report, tmp_path: Path) -> None:
    report.save_json(tmp_path / "new" / "figures.json")
    told = json.loads((tmp_path / "new" / "figures.json").read_text())
    assert told["series"] == 4
    assert len(told["figures"]) == report.figures.height


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_the_page_is_well_formed_loads_nothing_and_names_every_drawing(report: Report, tmp_path: Path) -> None:
    save_page(report, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    assert {tag for tag, _ in tags.seen} & {"script", "link", "img", "iframe"} == set()
    assert not {name for _, attributes in tags.seen for name in attributes} & {"src", "href"}
    drawings = [attributes for tag, attributes in tags.seen if tag == "svg" and "aria-hidden" not in attributes]
    assert len(drawings) >= 4
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in drawings)
    assert all("scope" in attributes for tag, attributes in tags.seen if tag == "th")
    assert "nan" not in page


def test_names_from_the_data_cannot_write_into_the_page(tmp_path: Path) -> None:
    mean = small_table(days=130).with_columns(sku=pl.format("<script>{}", "sku"), category_1=pl.lit("<b>"))
    save_page(evaluate(mean, horizon_days=7, origin_count=1, threads=1, rows=ROWS), tmp_path / "page.html")
    assert "<script" not in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [80, 200])
def test_the_terminal_shows_every_tier_and_the_findings_in_words(report: Report, width: int) -> None:
    out = io.StringIO()
    render(report, Console(file=out, width=width))
    assert "…" not in out.getvalue()
    assert all(tier.replace("_", " ").split(",")[0] in out.getvalue() for tier in OWN)
    assert "Best of our tiers" in out.getvalue()


def test_errors_at_an_origin_are_told_by_tier() -> None:
    history = SalesHistory.build(small_table(days=200))
    earlier = SalesHistory.build(small_table(days=200).filter(pl.col("date") <= pl.date(2026, 5, 31)))
    errors = errors_at(history, fit(earlier, rows=ROWS, threads=1), as_of=origins(history, horizon_days=28, count=1)[0])
    assert {"core", "correction", "moving_average"} <= set(errors)
    assert all(np.isfinite(error) for error in errors.values())


def test_too_little_history_to_evaluate_is_said() -> None:
    with pytest.raises(Failed, match="too few"):
        evaluate(small_table(days=70), horizon_days=28, origin_count=3)
    with pytest.raises(Failed, match="too few"):
        evaluate(small_table(), horizon_days=28, origin_count=10**9)


def test_slices_without_a_day_and_those_with_every_day_are_left_out() -> None:
    table = small_table(days=200)
    first = origins(SalesHistory.build(table), horizon_days=7, count=1)[0]
    found = slices(outcome(SalesHistory.build(table), as_of=first, horizon_days=7), categories_of(table))
    assert "discounted" not in found
    assert "fast" not in found
    assert found["weekend"].sum() == len(ITEMS) * 2


def test_the_finest_category_with_few_enough_values_makes_the_slices() -> None:
    table = small_table(days=20).with_columns(category_2=pl.col("sku"), category_3=pl.col("date").cast(pl.String))
    assert categories_of(table)[ITEMS[0]] == "milk"


def test_quantiles_of_the_correction_are_drawn_as_a_band(report: Report) -> None:
    case = report.cases[0]
    assert "<polygon" not in case_chart(case)
    assert '<polygon class="band"' in case_chart(replace(case, band=(case.sold - 1, case.sold + 1)))


def test_a_missing_value_interrupts_a_curve_and_a_flat_one_is_drawn_too() -> None:
    drawn = line_chart(
        [Line("a", [(1, 2.0), (2, float("nan")), (3, 2.0)], "t0")], title="t", description="d", x_title="x", y_title="y"
    )
    assert drawn.count("<polyline") == 2
    assert "nan" not in drawn


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.31, 0.37), (-3.0, 12_000.0), (5.0, 5.0)])
def test_ticks_lie_inside_and_are_few(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 1 <= len(found) <= 8
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)
