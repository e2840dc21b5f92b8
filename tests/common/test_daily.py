"""What a day came to: sums that survive restarts and replicas, and the report that is made of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine, create_engine, insert, select, text

import photostock.reporting
import supermegaretail.reporting
from common.__main__ import parser
from common.command_line import main
from common.daily.counting import CPU, DEGRADED, SERVING, UP, DailySums
from common.daily.figures import budgets, cost, quantile
from common.daily.report import daily_report, drawing, save
from common.daily.store import Measured, SumsStore, sums
from common.daily.tables import Sources, Table, day_of
from common.incidents.store import IncidentStore
from common.incidents.tables import happenings
from common.lifecycle.usage_store import UsageStore, Use
from common.metrics import ChainMetrics, HttpMetrics
from common.overrides.uses import OverrideUses
from common.panel.owner import acting
from common.state.overrides import Override, OverrideStore

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = NOON.date()
SERVED = Measured("served", "core", "false")
NO_QUALITY = Sources("shop", lambda _engine, _day: (), lambda one: f"{one.target}: {one.value['units']} units")


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return create_engine(f"sqlite:///{tmp_path / 'state.sqlite3'}")


def counting(engine: Engine, clock: Callable[[], datetime]) -> tuple[DailySums, ChainMetrics, HttpMetrics]:
    registry = CollectorRegistry()
    chain, http = ChainMetrics(registry), HttpMetrics(registry)
    store, seconds = SumsStore(engine, "shop"), lambda: clock().timestamp()
    return DailySums(store, registry, role="api", keep_days=35, clock=clock, seconds=seconds), chain, http


def test_replicas_and_restarts_add_up_to_one_day_and_hours_stay_apart(engine: Engine) -> None:
    clock = Clock()
    for _life in range(3):
        daily, chain, _ = counting(engine, clock)
        chain.served("core", degraded=False, items=10)
        daily.refresh()
        daily.refresh()  # what is known already counts once
        clock.forward(hours=1)
        chain.served("core", degraded=False, items=5)
        daily.refresh()
    store = SumsStore(engine, "shop")
    assert store.day("2026-11-22", role="api")[SERVED] == 45
    hours = {hour[11:]: amounts[SERVED] for hour, amounts in store.hours("2026-11-22", role="api").items()}
    assert hours == {"12": 10, "13": 15, "14": 15, "15": 5}
    assert store.days() == ["2026-11-22"]


def test_what_the_database_did_not_take_is_stored_when_it_is_back(engine: Engine) -> None:
    clock = Clock()
    daily, chain, _ = counting(engine, clock)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE daily_sums RENAME TO elsewhere"))
    chain.served("core", degraded=False, items=7)
    daily.refresh()
    assert daily.trouble == "can't be stored: OperationalError"
    clock.forward(hours=1)
    daily.refresh()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO daily_sums"))
    daily.refresh()
    assert daily.trouble is None
    assert SumsStore(engine, "shop").day("2026-11-22", role="api")[SERVED] == 7


def test_a_minute_in_which_better_tiers_fail_is_degraded_and_one_of_unknown_products_is_not(engine: Engine) -> None:
    clock = Clock()
    daily, chain, _ = counting(engine, clock)
    for reason in ("unreachable", "unknown_item"):
        clock.forward(minutes=1)
        chain.served("moving_average", degraded=True, items=10)
        chain.refused("core", reason, items=10)
        daily.refresh()
    clock.forward(minutes=1)
    daily.refresh()
    told = SumsStore(engine, "shop").day("2026-11-22", role="api")
    assert (told[UP], told[SERVING], told[DEGRADED]) == (3, 2, 1)
    assert told[CPU] > 0


def test_a_clock_that_jumps_makes_no_minutes_and_a_quiet_hour_s_faults_count(engine: Engine) -> None:
    clock, seconds = Clock(), 0.0
    registry = CollectorRegistry()
    chain = ChainMetrics(registry)
    daily = DailySums(
        SumsStore(engine, "shop"), registry, role="api", keep_days=35, clock=clock, seconds=lambda: seconds
    )
    for hours in (1, -1, 0):
        seconds += 60
        clock.forward(hours=hours)
        chain.served("moving_average", degraded=True, items=1)
        chain.refused("core", "unreachable", items=1)
        daily.refresh()

    told = SumsStore(engine, "shop").day("2026-11-22", role="api")
    assert (told[UP], told[DEGRADED]) == (3, 3)


@pytest.mark.parametrize("text", ["9999-12-31", "0001-01-01", "1999-12-31", "today", ""])
def test_only_a_day_that_can_have_a_report_is_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no day such as|is not between"):
        day_of(text)


def test_old_hours_go_and_the_newest_stay(engine: Engine) -> None:
    store = SumsStore(engine, "shop")
    for hour in ("2026-09-01T00", "2026-11-22T11"):
        store.write(hour, process="p", role="api", amounts={SERVED: 1})
    store.tidy(now=NOON, keep_days=35)
    with engine.connect() as connection:
        assert connection.execute(select(sums.c.hour)).scalars().all() == ["2026-11-22T11"]


def test_percentiles_lie_within_their_bucket_and_budgets_tell_what_was_late() -> None:
    assert quantile({0.1: 50.0, 0.2: 100.0, math.inf: 100.0}, 0.75) == pytest.approx(0.15)
    assert quantile({0.1: 0.0, math.inf: 10.0}, 0.5) == 0.1  # beyond the last bound no more is known
    assert math.isnan(quantile({}, 0.5))
    registry = CollectorRegistry()
    http = HttpMetrics(registry)
    http.observe(route="/v1/forecasts", method="POST", status=200, seconds=0.02, late=True)
    http.observe(route="/v1/forecasts", method="POST", status=503, seconds=0.02)
    http.observe(route="/admin/reports", method="GET", status=200, seconds=0.02)
    engine = create_engine("sqlite://")
    daily = DailySums(SumsStore(engine, "shop"), registry, role="api", keep_days=1)
    daily.refresh()
    [row] = budgets(daily.store.day(datetime.now(UTC).date().isoformat(), role="api")).rows
    assert row[:2] == ("/v1/forecasts", 2)
    assert row[5:] == (1, 1, 0)


def test_cost_is_that_of_api_and_model_and_unknown_without_answers() -> None:
    answered = Measured("requests", "/v1/forecasts", "200")
    rows = cost({CPU: 36.0, answered: 2_000}, {CPU: 72.0}, per_cpu_hour=0.1).rows
    assert rows[2] == ("together", 108.0, 54.0, 0.0015)
    assert cost({CPU: 36.0}, {}, per_cpu_hour=0.1).rows[0][2:] == (None, None)


def test_a_report_is_a_page_that_runs_no_script_and_a_table_for_programs(engine: Engine, tmp_path: Path) -> None:
    clock = Clock()
    daily, chain, _ = counting(engine, clock)
    chain.served("core", degraded=False, items=10)
    daily.refresh()
    evil = "<script>alert(1)</script>"
    UsageStore(engine, "shop").add({Use(evil, "GET /v1/search", ""): 3}, now=NOON)
    quality = [Table("quality", "Quality", ("tier", "WAPE"), [])]
    sources = replace(NO_QUALITY, quality=lambda _engine, _day: quality)
    report = daily_report(engine, sources, DAY, cost_per_cpu_hour=0.04)
    page, data = save(report, tmp_path / "out")
    written = page.read_text()
    assert evil not in written
    assert "<script" not in written
    assert "Items served by hour" in drawing(report)
    frame = pl.read_parquet(data)
    assert frame.filter(table="use", figure="requests").get_column("value").to_list() == [3.0]
    assert frame.filter(table="tiers", subject="core", figure="items").get_column("value").to_list() == [10.0]


def test_a_day_of_which_nothing_is_known_has_a_report_too(engine: Engine) -> None:
    report = daily_report(engine, NO_QUALITY, date(2020, 1, 1), cost_per_cpu_hour=0.04)
    assert drawing(report) == ""
    assert {table.name for table in report.tables} >= {"use", "budgets", "tiers", "overrides", "incidents", "cost"}


def of_name(engine: Engine, name: str, day: date = DAY, *, now: datetime = NOON) -> Table:
    report = daily_report(engine, NO_QUALITY, day, cost_per_cpu_hour=0.04, now=now)
    return next(table for table in report.tables if table.name == name)


def test_overrides_are_told_in_words_with_their_reason_and_how_they_ended(engine: Engine) -> None:
    store, now = OverrideStore(engine, "shop"), NOON - timedelta(hours=6)
    lasting, taken_back, _short = (
        store.add(what, {"units": 9}, owner="ann", reason=f"a feast, {what}", ends_at=now + timedelta(hours=h), now=now)
        for what, h in (("milk", 300), ("bread", 48), ("eggs", 3))
    )
    with acting("ben"):
        store.withdraw(taken_back.id, now=NOON, why="it rains")
    OverrideUses(store)
    table = of_name(engine, "overrides", now=NOON + timedelta(hours=1))
    assert table.caption == "Overrides"
    told = [dict(zip(table.heads, row, strict=True)) for row in table.rows]
    assert [(one["what"], one["reason"], one["state"]) for one in told] == [
        ("eggs: 9 units", "a feast, eggs", "ended 09:00"),
        ("bread: 9 units", "a feast, bread", "withdrawn 12:00 by ben: it rains"),
        ("milk: 9 units", "a feast, milk", "in force"),
    ]
    [row] = of_name(engine, "overrides", DAY + timedelta(days=1)).rows
    assert row[0] == f"{lasting.target}: 9 units"
    earlier = of_name(engine, "overrides", now=NOON - timedelta(hours=4)).rows
    assert {row[3] for row in earlier} == {"in force"}  # none has ended yet at eight


def test_an_override_as_another_version_writes_it_is_told_by_what_it_is_about(engine: Engine) -> None:
    store = OverrideStore(engine, "shop")
    for what, value in (("milk", {"units": 9}), ("bread", {"loaves": 9})):
        store.add(what, value, owner="ann", reason="a feast", ends_at=NOON + timedelta(hours=3), now=NOON)
    OverrideUses(store)
    assert {row[0] for row in of_name(engine, "overrides").rows} == {"milk: 9 units", "bread"}


def test_of_many_overrides_and_changes_the_report_says_how_many_there_are_and_shows_the_last_changes(
    engine: Engine,
) -> None:
    store = OverrideStore(engine, "shop")
    for place in range(103):
        end = NOON + timedelta(hours=1 + place)
        store.add(str(place), {"units": 1}, owner="ann", reason="a feast", ends_at=end, now=NOON)
    IncidentStore(engine)
    rows = [
        {"service": "shop", "at": (NOON + timedelta(seconds=place)).isoformat(), "kind": "well", "text": str(place)}
        for place in range(500)
    ]
    with engine.begin() as connection:
        connection.execute(insert(happenings), rows)
    table = of_name(engine, "overrides")
    assert (table.caption, len(table.rows)) == ("Overrides: the 100 that end first, of 103", 100)
    changes = of_name(engine, "changes")
    assert [row[2] for row in changes.rows] == [str(place) for place in range(400, 500)]
    assert "the last 100 of at least 401" in changes.caption


@pytest.mark.parametrize("module", [supermegaretail.reporting, photostock.reporting])
def test_a_report_needs_no_table_of_sales_or_photos_to_say_what_an_override_decides(module: Any) -> None:
    told: Any = {"store": "north", "effect": "factor", "value": 2, "reason": "a feast", "owner": "ann"}
    if module is photostock.reporting:
        told = {"photo_id": "p-1", "effect": "pin", "query": "milk", "position": 1, "reason": "a feast", "owner": "ann"}
    wanted, rules = module.for_commands()
    wish = wanted.model_validate_json(json.dumps(told | {"ends_at": (NOON + timedelta(days=1)).isoformat()}))
    made = Override("1", rules.target(wish), rules.value(wish), "ann", "a feast", "", "")
    assert "\n" not in module.sources().sentence(made)


def test_the_command_writes_both_services_and_refuses_what_is_no_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
    (tmp_path / "var").mkdir()
    assert main(parser(), ["report", "daily", "--day", "2026-11-22", "--out", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.glob("*-2026-11-22.*")) == [
        "photostock-2026-11-22.html",
        "photostock-2026-11-22.parquet",
        "supermegaretail-2026-11-22.html",
        "supermegaretail-2026-11-22.parquet",
    ]
    with pytest.raises(SystemExit) as refused:
        main(parser(), ["report", "daily", "--day", "yesterday", "--out", str(tmp_path)])
    assert refused.value.code == 2
