"""What was told under a request id, and the same request forecast again."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import polars as pl
import pytest

from common.command_line import Failed
from common.replay.commands import replayed
from common.replay.log import Noted
from common.service.auth import TOKEN_FILE
from supermegaretail.app import create_app
from supermegaretail.book import Known
from supermegaretail.contract import ForecastRequest
from supermegaretail.forecast import Forecasts
from supermegaretail.history import SalesHistory
from supermegaretail.ledger import Position
from supermegaretail.monitoring.replay import in_words
from supermegaretail.monitoring.replaying import replay_here
from supermegaretail.panel import Panel
from supermegaretail.replaying import note
from supermegaretail.settings import RetailSettings
from supermegaretail.table import save_table
from tests.json_server import json_server
from tests.supermegaretail.conftest import ITEMS, LAST_DAY, sevens
from tests.supermegaretail.test_api import an_override

NOBODY = "http://127.0.0.1:1"
ALL = [{"store": store, "sku": sku} for store, sku in ITEMS]
NAMED = {"X-Request-ID": "monday-order"}


def settings_of(var_dir: Path, model_url: str = NOBODY) -> RetailSettings:
    # What is asked is what is told later, not whether a busy machine is in time.
    return RetailSettings(var_dir=var_dir, model_url=model_url, admin_token="operator-token", low_timeout_ms=20_000)


@asynccontextmanager
async def service(settings: RetailSettings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings, raise_bugs=True)
    transport, token = httpx.ASGITransport(app), {"Authorization": "Bearer operator-token"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://retail", headers=token) as client,
    ):
        yield client


@pytest.fixture
def var_dir(tmp_path: Path, table: pl.DataFrame) -> Path:
    save_table(table, tmp_path / "supermegaretail" / "sales.parquet")
    return tmp_path


def test_an_answer_on_its_way_into_the_log_holds_no_history(table: pl.DataFrame) -> None:
    history, noted = SalesHistory.build(table), list[Noted]()
    request = ForecastRequest.model_validate({"items": [*ALL, {"store": "south", "sku": "bread"}], "horizon_days": 7})
    made = Forecasts([], {}, history.announcing([("south", "bread")]))
    log, call = SimpleNamespace(put=noted.append), SimpleNamespace(request_id="monday-order", caller="planner")
    known, response = Known(history, None, Position()), SimpleNamespace(body=b"{}")
    arguments: tuple[Any, ...] = log, call, request, known, made, None, response
    note(*arguments, endpoint="POST /v1/forecasts", version="1.0.0")
    held = [cell.cell_contents for cell in getattr(noted[0].tell, "__closure__", ())]
    assert not {Forecasts, Known, SalesHistory, Panel} & {*map(type, held)}


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def rows_of(var_dir: Path) -> list[str]:
    with closing(sqlite3.connect(var_dir / "state.sqlite3")) as state:
        return list(state.iterdump())


async def ask(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await client.post("/v1/forecasts", json={"items": ALL, "horizon_days": 3} | fields, headers=NAMED)
    document: dict[str, Any] = response.json()
    return document


async def replay(client: httpx.AsyncClient) -> dict[str, Any]:
    response = await client.get("/v1/admin/replays/monday-order")
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


async def test_a_replayed_request_comes_out_the_same(var_dir: Path) -> None:
    with json_server(sevens) as url:
        async with service(settings_of(var_dir, url)) as client:
            await ask(client, seed=7)
            document = await replay(client)
    assert document["same"] is True
    assert (document["seed"], document["horizon_days"], document["as_of"]) == (7, 3, LAST_DAY.isoformat())
    assert document["version"] == "1.0.0"
    items = [{**item, "same": True, "differs": {}, "arrived_since": []} for item in ALL]
    assert document["items"] == items


async def test_quantiles_are_asked_for_again_though_the_first_item_had_none(var_dir: Path) -> None:
    async with service(settings_of(var_dir)) as client:
        decided = await client.post("/v1/admin/overrides", json=an_override())
        assert decided.status_code == 201
        told = await ask(client, quantiles=[0.95, 0.5])
        document = await replay(client)
    assert [one["quantiles"] is None for one in told["forecasts"]] == [True, False, False]
    assert document["same"] is True, document["items"]


async def test_another_tier_and_its_demand_are_told_after_a_restart_without_the_model(var_dir: Path) -> None:
    with json_server(sevens) as url:
        async with service(settings_of(var_dir, url)) as client:
            await ask(client)
    async with service(settings_of(var_dir)) as client:
        document = await replay(client)
    assert document["same"] is False
    differs = document["items"][0]["differs"]
    assert differs["served_by"] == {"then": "correction", "now": "moving_average"}
    assert differs["reason"] == {"then": None, "now": "core:unreachable"}
    assert differs["demand"]["then"] == [7.0] * 3
    assert differs["versions"]["core"] == {"then": "1.0.0", "now": None}


async def test_sales_and_plans_that_arrived_since_are_told_for_the_items_that_they_are_about(var_dir: Path) -> None:
    async with service(settings_of(var_dir)) as client:
        await ask(client)
        corrected = {**ALL[0], "date": (LAST_DAY - timedelta(days=2)).isoformat(), "sales": 50}
        later = {**ALL[2], "date": (LAST_DAY + timedelta(days=1)).isoformat(), "sales": 3}
        assert (await client.post("/v1/sales", json={"sales": [corrected, later]})).status_code == 201
        plan = {**ALL[0], "date": (LAST_DAY + timedelta(days=1)).isoformat(), "price": 1.5}
        assert (await client.post("/v1/plans", json={"plans": [plan]})).status_code == 201
        document = await replay(client)
    milk, bread, south = document["items"]
    assert milk["arrived_since"][:2] == ["the item's sales up to as_of", "the item's prices, promotions or events"]
    assert bread["arrived_since"] == ["sales or plans of its store, its category or its product elsewhere"]
    assert south["arrived_since"] == bread["arrived_since"]  # milk as well; what was sold after as_of is no input
    assert set(milk["differs"]) == {"demand"}
    assert document["sales_known_until"]["then"] == LAST_DAY.isoformat()


async def test_a_replay_is_not_logged_as_a_forecast(var_dir: Path) -> None:
    async with service(settings_of(var_dir)) as client:
        await ask(client)
        first = await replay(client)
        assert (await replay(client))["made_at"] == first["made_at"]


async def test_an_unknown_request_id_is_404(var_dir: Path) -> None:
    async with service(settings_of(var_dir)) as client:
        assert (await client.get("/v1/admin/replays/never-asked")).status_code == 404


async def test_the_old_api_answers_what_was_told_under_a_request_id(var_dir: Path) -> None:
    with json_server(sevens) as url:
        async with service(settings_of(var_dir, url)) as client:
            await ask(client, horizon_days=10)
    async with service(settings_of(var_dir)) as client:
        query = {"entity_id": "north", "sku": "bread", "request_id": "monday-order"}
        response = await client.get("/predictions", params=query)
        few = (await client.get("/predictions", params={**query, "limit": 2})).json()["predictions"]
        unknown = await client.get("/predictions", params={**query, "request_id": "never-asked"})
        other = await client.get("/predictions", params={**query, "sku": "unicorn"})
    assert response.headers["X-Served-By"] == "correction"
    told = response.json()["predictions"]
    assert [one["demand"] for one in told] == [7.0] * 10
    assert told[0]["period"] == (LAST_DAY + timedelta(days=1)).isoformat()
    assert few == told[:2]
    assert (unknown.status_code, other.status_code) == (404, 404)
    assert unknown.headers["content-type"] == "application/problem+json"


async def test_a_log_that_cannot_be_written_costs_no_answer_and_shows_in_ready(var_dir: Path) -> None:
    folder = var_dir / "supermegaretail" / "predictions"
    folder.write_text("a file stands where the folder should be")
    async with service(settings_of(var_dir)) as client:
        answer = await ask(client)
        assert len(answer["forecasts"]) == 3
        again = (await client.get("/v1/admin/replays/monday-order")).json()
        assert again["same_bytes"] is True  # replays have a log of their own
        ready = (await client.get("/ready")).json()
        assert ready["ready"] is True
        assert ready["parts"]["prediction_log"]["ok"] is False
        metrics = (await client.get("/metrics")).text
    assert "prediction_log_dropped_total 9.0" in metrics


async def test_the_command_line_makes_and_shows_no_token(var_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with service(settings_of(var_dir)) as client:
        await ask(client)
    await replay_here("monday-order", settings_of(var_dir).model_copy(update={"admin_token": None}))
    assert "ADMIN_TOKEN" not in capfd.readouterr().err
    assert TOKEN_FILE not in files_in(var_dir)


async def test_a_replay_at_the_command_line_writes_nothing_into_the_database(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service(settings_of(var_dir)) as client:
        await ask(client)
    monkeypatch.setenv("VAR_DIR", str(var_dir))
    before = rows_of(var_dir)
    await replay_here("monday-order", settings_of(var_dir))
    asked = argparse.Namespace(request_id="monday-order", service=None, with_=[], without=[], as_="somebody")
    assert (await replayed(asked))["same_bytes"] is True
    assert rows_of(var_dir) == before


async def test_where_nothing_was_ever_logged_the_command_line_says_so_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="no forecast was ever logged"):
        await replay_here("monday-order", RetailSettings(var_dir=tmp_path))
    assert files_in(tmp_path) == set()


async def test_the_command_line_replays_without_a_running_api(var_dir: Path) -> None:
    async with service(settings_of(var_dir)) as client:
        await ask(client)
    replayed_here = await replay_here("monday-order", settings_of(var_dir))
    assert all(both["then"] == both["now"] for both in replayed_here["versions"].values())
    told = in_words(replayed_here)
    assert told.splitlines()[0].endswith("3 of 3 items come out the same")
    with pytest.raises(Failed, match="no forecast was logged"):
        await replay_here("never-asked", settings_of(var_dir))
