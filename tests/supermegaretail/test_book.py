"""Two replicas of the API on one state database: what one is told, the other one forecasts from and scores with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from common.command_line import main
from common.state.database import open_state
from supermegaretail.__main__ import parser
from supermegaretail.app import create_app
from supermegaretail.history import SalesHistory
from supermegaretail.monitoring.outcome_store import OutcomeStore
from supermegaretail.monitoring.outcomes import Outcomes
from supermegaretail.monitoring.prediction_log import PredictionLog
from supermegaretail.monitoring.records import table_of
from supermegaretail.settings import RetailSettings
from supermegaretail.table import save_table
from tests.json_server import json_server
from tests.supermegaretail.conftest import LAST_DAY, sevens
from tests.supermegaretail.test_prediction_log import answered, one, partitions_in
from tests.waiting import eventually

ADMIN = {"Authorization": "Bearer operator-token"}
NOBODY = "http://127.0.0.1:1"
MILK = {"store": "north", "sku": "milk"}
TOMORROW = LAST_DAY + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Replica:
    client: httpx.AsyncClient
    app: FastAPI

    def sales_on(self, day: int) -> float | None:
        """What it knows of milk's sales so many days after `LAST_DAY`."""
        panel = self.app.state.engine.book.history.panel
        series = panel.series[panel.places["north", "milk"]]
        known = float(series.values[0, LAST_DAY.toordinal() + day - series.first_day])
        return known if known == known else None

    async def knows(self, sales: float, *, day: int = 1) -> None:
        async def seen() -> bool:
            return self.sales_on(day) == sales

        await eventually(seen)

    async def report(self, sales: float, *, days: int = 1) -> None:
        rows = [
            {**MILK, "date": (LAST_DAY + timedelta(days=ahead)).isoformat(), "sales": sales}
            for ahead in range(1, days + 1)
        ]
        assert (await self.client.post("/v1/sales", json={"sales": rows})).status_code == 201

    async def forecast(self, **fields: Any) -> dict[str, Any]:
        response = await self.client.post("/v1/forecasts", json={"items": [MILK], **fields})
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document


@asynccontextmanager
async def replica(settings: RetailSettings) -> AsyncIterator[Replica]:
    app = create_app(settings, raise_bugs=True)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://retail", headers=ADMIN) as client,
    ):
        yield Replica(client, app)


def settings_for(var_dir: Path, model_url: str = NOBODY, database_url: str | None = None) -> RetailSettings:
    return RetailSettings(
        var_dir=var_dir,
        model_url=model_url,
        database_url=database_url,
        admin_token="operator-token",
        low_timeout_ms=2_000,
    )


@pytest.fixture
def var_dir(tmp_path: Path, table: pl.DataFrame) -> Path:
    save_table(table, tmp_path / "supermegaretail" / "sales.parquet")
    return tmp_path


def import_here(var_dir: Path, monkeypatch: pytest.MonkeyPatch, sales: float) -> None:
    """`data import` of what milk sold on the first new day."""
    file = var_dir / "corrected.csv"
    file.write_text(f"store,sku,date,sales\nnorth,milk,{TOMORROW},{sales}\n")
    monkeypatch.setenv("VAR_DIR", str(var_dir))
    assert main(parser(), ["data", "import", str(file)]) == 0


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_sales_told_to_one_replica_are_in_the_others_next_forecasts(
    var_dir: Path, database: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres") if database == "postgresql" else None
    settings = settings_for(var_dir, database_url=url)
    async with replica(settings) as here, replica(settings) as there:
        before = await there.forecast()
        await here.report(99, days=7)
        await there.knows(99, day=7)
        told = [await each.forecast() for each in (here, there)]
    assert before["as_of"] == LAST_DAY.isoformat()
    assert {one["as_of"] for one in told} == {(LAST_DAY + timedelta(days=7)).isoformat()}
    assert told[0]["forecasts"] == told[1]["forecasts"]
    assert min(told[1]["forecasts"][0]["demand"]) > 2 * max(before["forecasts"][0]["demand"])


async def test_plans_told_to_one_replica_reach_the_model_through_the_other(var_dir: Path) -> None:
    asked: list[Any] = []

    def noting(request: dict[str, Any]) -> Any:
        asked.append(request["items"][0]["extended"])
        return sevens(request)

    with json_server(noting) as url:
        settings = settings_for(var_dir, url)
        async with replica(settings) as here, replica(settings) as there:
            await there.forecast()
            old = there.app.state.engine.book.history
            plan = {**MILK, "date": TOMORROW.isoformat(), "price": 1.25, "promotion": 1}
            assert (await here.client.post("/v1/plans", json={"plans": [plan]})).status_code == 201

            async def news() -> bool:
                return there.app.state.engine.book.history is not old

            await eventually(news)
            await there.forecast()
            await here.forecast()
    first, through_there, through_here = asked
    assert through_there == through_here != first


async def test_the_later_of_an_import_and_a_report_wins_on_every_replica(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(var_dir)
    async with replica(settings) as here, replica(settings) as there:
        await here.report(50)
        import_here(var_dir, monkeypatch, 60)
        for each in (here, there):
            await each.knows(60)
        await there.report(70)
        for each in (here, there):
            await each.knows(70)
    async with replica(settings) as restarted:
        assert restarted.sales_on(1) == 70


async def test_forecasts_made_by_one_replica_are_scored_once_when_another_one_is_told_the_sales(var_dir: Path) -> None:
    with json_server(sevens) as url:
        settings = settings_for(var_dir, url)
        engine = open_state(settings)
        async with replica(settings) as here, replica(settings) as there:
            await here.forecast(horizon_days=7)  # not in its log's files yet: the other one cannot score it
            for sales in (14.0, 7.0):
                await there.report(sales, days=7)

                async def scored(actual: float = sales) -> bool:
                    sums = OutcomeStore(engine).sums(until=TOMORROW + timedelta(days=6)).values()
                    return [(one["forecasts"], one["actual"]) for one in sums] == [(7, 7 * actual)]

                await eventually(scored)
        engine.dispose()


def test_a_replica_that_does_not_know_the_sales_or_the_forecasts_leaves_others_scores_alone(
    tmp_path: Path, table: pl.DataFrame
) -> None:
    engine = open_state(RetailSettings(var_dir=tmp_path))
    store, behind = OutcomeStore(engine), SalesHistory.build(table)
    sold = pl.DataFrame(
        [("north", sku, TOMORROW, 5.0) for sku in ("milk", "bread")],
        schema={"store": pl.String, "sku": pl.String, "date": pl.Date, "sales": pl.Float32},
        orient="row",
    )
    now = behind.updated(sold)
    keys = [("north", "milk", TOMORROW), ("north", "bread", TOMORROW)]

    def scored_with(logged: str, history: SalesHistory) -> dict[tuple[str, str], float]:
        """What is scored when a replica with a forecast of that product alone has heard of both sales."""
        partitions = partitions_in(tmp_path / f"of {logged}")
        partitions.write(table_of(answered("r", one(logged))), datetime.now(UTC).date())
        outcomes = Outcomes(store, PredictionLog(partitions, CollectorRegistry()), lambda: history, gather_s=0)
        outcomes.arrived(keys)
        outcomes.look_again()
        outcomes._round()  # here instead of in its thread, so that it has ended
        return store.actuals(TOMORROW)

    milk, bread = ("north", "milk"), ("north", "bread")
    assert scored_with("milk", now) == {milk: 5}
    assert scored_with("bread", now) == {milk: 5, bread: 5}
    assert scored_with("milk", behind) == {milk: 5, bread: 5}
    engine.dispose()
