"""Drift end to end: a trained model, sales and plans that go wrong, and who answers then and says why."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from prometheus_client import CollectorRegistry

from common.chain.switches import Switchboard
from common.versions.registry import Registry
from supermegaretail.demand import too_uncertain
from supermegaretail.demo_data import LAST_SALES_DAY, demo_table
from supermegaretail.drift import DRIFT_FILE, GROUPS, Bounds, load, references
from supermegaretail.drift_watch import DriftWatch
from supermegaretail.history import SalesHistory
from supermegaretail.model_contract import PredictionRequest
from supermegaretail.model_server import predict
from supermegaretail.models import read
from supermegaretail.table import save_table
from supermegaretail.training import train
from tests.json_server import json_server
from tests.supermegaretail.conftest import sevens
from tests.supermegaretail.test_api import ADMIN, forecast, service
from tests.supermegaretail.test_switches import put, shown
from tests.waiting import eventually

Group = dict[str, Any]
NEXT_WEEK = [LAST_SALES_DAY + timedelta(days=day) for day in range(1, 8)]


@pytest.fixture(scope="module")
def chain() -> pl.DataFrame:
    return demo_table(stores=3, products=14, days=260)


@pytest.fixture(scope="module")
def var_dir(tmp_path_factory: pytest.TempPathFactory, chain: pl.DataFrame) -> Path:
    """Models trained once, on sales that are as usual; each test spoils sales and plans of its own."""
    folder = tmp_path_factory.mktemp("trained")
    train(chain, Registry(folder / "registry"), rows=3_000, threads=1)
    return folder


@asynccontextmanager
async def trained_service(var_dir: Path, folder: Path, table: pl.DataFrame) -> AsyncIterator[httpx.AsyncClient]:
    """The API over this table, with the trained models behind a real socket."""
    (folder / "registry").symlink_to(var_dir / "registry")
    save_table(table, folder / "supermegaretail" / "sales.parquet")
    models = read(Registry(var_dir / "registry"), "1.0.0")

    def answer(request: dict[str, Any]) -> Any:
        return predict(models, PredictionRequest.model_validate_json(json.dumps(request))).model_dump(mode="json")

    with json_server(answer) as url:
        async with service(folder, url) as client:
            yield client


@pytest.fixture
async def client(var_dir: Path, chain: pl.DataFrame, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with trained_service(var_dir, tmp_path, chain) as client:
        yield client


def sold(chain: pl.DataFrame) -> pl.DataFrame:
    """The sales of the last seven days."""
    recent = pl.col("date") > LAST_SALES_DAY - timedelta(days=7)
    return chain.filter(pl.col("sales").is_not_null() & recent)


def some(chain: pl.DataFrame, count: int = 40) -> list[dict[str, str]]:
    """Items that sold on each of the last days, the best sellers first."""
    totals = sold(chain).group_by("store", "sku").agg(pl.len(), pl.sum("sales"))
    best = totals.filter(pl.col("len") == 7).sort("sales", "store", "sku", descending=True)
    return best.select("store", "sku").head(count).to_dicts()


async def report_sales(client: httpx.AsyncClient, rows: pl.DataFrame, *, times: float = 1) -> None:
    told = rows.select("store", "sku", pl.col("date").cast(pl.String), pl.col("sales").cast(pl.Float64) * times)
    response = await client.post("/v1/sales", json={"sales": told.to_dicts()})
    assert response.status_code == 201, response.text


async def plan(client: httpx.AsyncClient, items: list[dict[str, str]], **plan: float) -> None:
    plans = [{**item, "date": day.isoformat(), **plan} for item in items for day in NEXT_WEEK]
    response = await client.post("/v1/plans", json={"plans": plans})
    assert response.status_code == 201, response.text


async def group(client: httpx.AsyncClient, name: str) -> Group:
    response = await client.get("/v1/admin/drift", headers=ADMIN)
    assert response.status_code == 200
    groups: list[Group] = response.json()["groups"]
    return {one["group"]: one for one in groups}[name]


def verdict_of(client: httpx.AsyncClient, name: str, verdict: str) -> Callable[[], Awaitable[Group]]:
    async def look() -> Group:
        found = await group(client, name)
        return found if found["verdict"] == verdict else {}

    return look


async def provenance(client: httpx.AsyncClient, items: list[dict[str, str]]) -> set[tuple[str, str | None]]:
    return {(one["served_by"], one["reason"]) for one in (await forecast(client, items))["forecasts"]}


def test_training_publishes_what_was_usual_beside_each_model(var_dir: Path) -> None:
    registry = Registry(var_dir / "registry")
    for name in GROUPS:
        assert DRIFT_FILE in registry.manifest(name).artifacts
        reference = load(registry, name, "1.0.0")
        assert reference is not None
        assert reference.rows > 500
        assert (registry.root / name / "1.0.0" / DRIFT_FILE).stat().st_size < 200_000


async def test_ordinary_days_are_as_usual_and_the_correction_serves(
    client: httpx.AsyncClient, chain: pl.DataFrame
) -> None:
    for name in ("core", "correction"):
        found = await eventually(verdict_of(client, name, "as usual"))
        assert found["version"] == "1.0.0"
        assert found["as_of"] == LAST_SALES_DAY.isoformat()
        assert found["rows"] >= 30
        assert found["done"] == "nothing"
        assert {"feature", "psi", "psi_limit", "wasserstein", "wasserstein_limit", "drifted"} == set(
            found["features"][0]
        )
    assert await provenance(client, some(chain)) == {("correction", None)}
    assert (await client.get("/ready")).json()["parts"]["drift"] == {"ok": True, "reason": None}


def test_nothing_is_taken_for_drift_while_too_little_is_known_to_judge(var_dir: Path, chain: pl.DataFrame) -> None:
    known: list[SalesHistory | None] = [None]
    watch = DriftWatch(
        Registry(var_dir / "registry"),
        lambda: known[0],
        Switchboard(),
        metrics=CollectorRegistry(),
    )
    watch.refresh()
    assert {(one["verdict"], one["version"]) for one in watch.as_json()["groups"]} == {("not checked", "1.0.0")}
    lately = pl.col("date") > LAST_SALES_DAY - timedelta(days=7)
    wrong = chain.with_columns(pl.when(lately).then(20 * pl.col("sales")).otherwise("sales").alias("sales"))
    known[0] = SalesHistory.build(wrong)
    watch.refresh()
    assert {one["group"]: one["verdict"] for one in watch.as_json()["groups"]}["core"] == "drifted"


async def test_sales_in_another_unit_demote_the_core_until_they_are_corrected(
    client: httpx.AsyncClient, chain: pl.DataFrame
) -> None:
    items = some(chain)
    await eventually(verdict_of(client, "core", "as usual"))
    await report_sales(client, sold(chain), times=20)
    found = await eventually(verdict_of(client, "core", "drifted"))
    assert "moving average answers" in found["done"]
    assert "log_level" in {one["feature"] for one in found["features"]}
    assert await provenance(client, items) == {("moving_average", "core:drift")}
    for _ in range(12):
        await forecast(client, items[:2])
    assert await provenance(client, items[:2]) <= {("moving_average", "core:demoted"), ("moving_average", "core:drift")}
    automatic = (await shown(client))["core"]["automatic"]
    assert automatic["state"] in ("demoted", "probation")
    assert set(automatic["refused"]) == {"drift"}
    metrics = (await client.get("/metrics")).text
    assert 'drift_detected{group="core"} 1.0' in metrics
    assert 'drift_psi{feature="log_level",group="core"}' in metrics
    assert "core: its inputs have drifted" in (await client.get("/ready")).json()["parts"]["drift"]["reason"]

    await report_sales(client, sold(chain))
    await eventually(verdict_of(client, "core", "as usual"))

    async def all_is_well() -> bool:
        return await provenance(client, items) == {("correction", None)}

    assert await eventually(all_is_well)
    assert 'drift_detected{group="core"} 0.0' in (await client.get("/metrics")).text


async def test_that_one_store_reports_a_new_day_before_all_others_is_no_drift(
    client: httpx.AsyncClient, chain: pl.DataFrame
) -> None:
    items = some(chain)
    before = await eventually(verdict_of(client, "core", "as usual"))
    first = sold(chain).head(1).with_columns(date=pl.col("date").max() + timedelta(days=1))
    await report_sales(client, first)

    async def checked_again() -> Group:
        found = await group(client, "core")
        return found if found["checked_at"] != before["checked_at"] else {}

    assert (await eventually(checked_again))["verdict"] == "as usual"
    assert {tier for tier, _ in await provenance(client, items)} == {"correction"}


async def test_a_store_that_is_out_of_stock_for_a_week_is_no_drift(
    client: httpx.AsyncClient, chain: pl.DataFrame
) -> None:
    before = await eventually(verdict_of(client, "core", "as usual"))
    store = chain["store"].unique().sort()[0]
    rows = sold(chain.filter(pl.col("store") == store)).select("store", "sku", pl.col("date").cast(pl.String))
    told = rows.with_columns(sales=pl.lit(0.0), stockout_hours=pl.lit(16.0))
    assert (await client.post("/v1/sales", json={"sales": told.to_dicts()})).status_code == 201

    async def checked_again() -> Group:
        found = await group(client, "core")
        return found if found["checked_at"] != before["checked_at"] else {}

    assert (await eventually(checked_again))["verdict"] == "as usual"


async def test_an_operator_who_switches_the_core_on_overrules_drift(
    client: httpx.AsyncClient, chain: pl.DataFrame
) -> None:
    await report_sales(client, sold(chain), times=20)
    await eventually(verdict_of(client, "core", "drifted"))
    for _ in range(12):
        await forecast(client, some(chain, 2))
    await put(client, "core", "on")
    reasons = {reason or "" for _, reason in await provenance(client, some(chain))}
    assert not any("core:drift" in reason or "core:demoted" in reason for reason in reasons)
    assert (await group(client, "core"))["done"] == "nothing: an operator switched it on"


async def test_drift_of_today_says_nothing_about_a_forecast_as_of_a_day_before(
    client: httpx.AsyncClient, chain: pl.DataFrame
) -> None:
    await report_sales(client, sold(chain), times=20)
    await eventually(verdict_of(client, "core", "drifted"))
    before = (LAST_SALES_DAY - timedelta(days=10)).isoformat()
    answer = await forecast(client, some(chain), as_of=before)
    assert {one["served_by"] for one in answer["forecasts"]} <= {"correction", "core"}


async def test_a_promotion_feed_gone_mad_silences_the_correction_alone(
    client: httpx.AsyncClient, chain: pl.DataFrame
) -> None:
    everything = chain.select("store", "sku").unique().sort("store", "sku").to_dicts()
    await plan(client, everything, promotion=1, discount=0.02)
    found = await eventually(verdict_of(client, "correction", "drifted"))
    assert {"promotion", "discount"} <= {one["feature"] for one in found["features"] if one["drifted"]}
    assert (await group(client, "core"))["verdict"] == "as usual"
    assert await provenance(client, some(chain)) == {("core", "correction:drift")}


async def test_one_absurd_price_costs_one_item_its_correction(client: httpx.AsyncClient, chain: pl.DataFrame) -> None:
    items = some(chain)
    await eventually(verdict_of(client, "correction", "as usual"))
    await plan(client, items[:1], price=900.0)
    told = [(one["served_by"], one["reason"]) for one in (await forecast(client, items))["forecasts"]]
    assert told[0] == ("core", "correction:drift")
    assert set(told[1:]) == {("correction", None)}


async def test_one_leap_of_sales_costs_one_item_the_core(client: httpx.AsyncClient, chain: pl.DataFrame) -> None:
    items = some(chain)
    await eventually(verdict_of(client, "core", "as usual"))
    leapt = sold(chain).filter((pl.col("store") == items[0]["store"]) & (pl.col("sku") == items[0]["sku"]))
    await report_sales(client, leapt, times=20)
    told = [(one["served_by"], one["reason"]) for one in (await forecast(client, items))["forecasts"]]
    assert told[0] == ("moving_average", "core:drift")
    assert set(told[1:]) == {("correction", None)}


@pytest.mark.parametrize(("tier", "instead"), [("core", "moving_average"), ("correction", "core")])
async def test_however_often_a_strange_item_is_asked_for_nobody_else_loses_a_tier(
    client: httpx.AsyncClient, chain: pl.DataFrame, tier: str, instead: str
) -> None:
    strange, *others = some(chain, 10)
    await eventually(verdict_of(client, tier, "as usual"))
    if tier == "core":
        mine = (pl.col("store") == strange["store"]) & (pl.col("sku") == strange["sku"])
        await report_sales(client, sold(chain).filter(mine), times=20)
    else:
        await plan(client, [strange], price=900.0)
    for _ in range(25):
        assert await provenance(client, [strange]) == {(instead, f"{tier}:drift")}
    assert await provenance(client, others) == {("correction", None)}


async def test_when_all_plans_vanish_that_is_told_per_item_and_is_no_drift(
    var_dir: Path, chain: pl.DataFrame, tmp_path: Path
) -> None:
    async with trained_service(var_dir, tmp_path, chain.filter(pl.col("date") <= LAST_SALES_DAY)) as client:
        await eventually(verdict_of(client, "core", "as usual"))
        assert (await group(client, "correction"))["note"] == "0 rows are too few to tell"
        assert await provenance(client, some(chain)) == {("core", "correction:inputs_missing")}


async def test_a_version_without_a_reference_serves_unchecked_and_says_so(
    var_dir: Path, chain: pl.DataFrame, tmp_path: Path
) -> None:
    registry = Registry(tmp_path / "registry")
    for name in ("core", "correction"):
        registry.publish(name, {"model.txt": b"of a time before"}, alias="champion")
    save_table(chain, tmp_path / "supermegaretail" / "sales.parquet")
    with json_server(sevens) as url:
        async with service(tmp_path, url) as client:

            async def noted() -> bool:
                return bool((await group(client, "core"))["note"] == "version 1.0.0 has no drift.json")

            assert await eventually(noted)
            served = {one["served_by"] for one in (await forecast(client, some(chain)))["forecasts"]}
            ready = (await client.get("/ready")).json()
    assert served <= {"correction", "moving_average"}  # 7 a day is too much for what hardly sells
    assert ready["ready"]
    assert ready["parts"]["drift"]["reason"] is None  # small chains have no reference, and are well


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer guess"}])
async def test_drift_is_shown_to_operators_only(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await client.get("/v1/admin/drift", headers=headers)).status_code in (401, 403)


@pytest.mark.parametrize(
    ("widths", "level", "uncertain"), [([1.0, 3.0], 2.0, False), ([9.0, 9.0], 2.0, True), ([1.5, 1.5], 0.1, False)]
)
def test_a_forecast_is_too_uncertain_when_its_middle_half_is_wide_for_its_level(
    widths: list[float], level: float, uncertain: bool
) -> None:
    told = np.array([np.mean(widths), np.nan])
    assert too_uncertain(told, np.full(2, level), limit=2.0).tolist() == [uncertain, True]


@pytest.mark.parametrize("column", ["promotion", "holiday"])
def test_the_first_promotion_or_holiday_ever_is_no_drift(chain: pl.DataFrame, column: str) -> None:
    never = SalesHistory.build(chain.with_columns(pl.lit(0, pl.Int8).alias(column)))
    first = SalesHistory.build(chain.with_columns(pl.col("sales").is_null().cast(pl.Int8).alias(column)))
    bounds = Bounds.of("correction", references(never)["correction"])
    items = list(first.panel.places)
    assert not bounds.strange(first.inputs(items, as_of=LAST_SALES_DAY, horizon_days=7)).any()
