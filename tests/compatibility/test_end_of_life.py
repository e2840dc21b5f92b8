"""The old endpoint goes the whole way: told, counted, rehearsed, refused while it is needed, and then gone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from sqlalchemy import Engine

from common.lifecycle.commands import registers
from common.lifecycle.decommission import Decommissioner, StillNeeded
from common.lifecycle.ending_store import STAGES, EndingStore
from common.lifecycle.service import Lifecycle
from common.lifecycle.usage_store import UsageStore, Use
from common.settings import ServiceSettings
from common.state.database import open_state
from supermegaretail.app import create_app
from supermegaretail.end_of_life import DEPRECATED
from supermegaretail.settings import RetailSettings
from supermegaretail.table import save_table
from tests.supermegaretail.conftest import small_table

ROOT = Path(__file__).resolve().parents[2]
ADMIN = {"Authorization": "Bearer operator-token"}
OLD = "/predictions?sku=milk&entity_id=north&limit=2"
(PREDICTIONS,) = DEPRECATED


class Calendar:
    """Wall time that moves when told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 12, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def state(tmp_path: Path) -> Engine:
    return open_state(ServiceSettings(var_dir=tmp_path))


@pytest.fixture
async def retail(tmp_path: Path, calendar: Calendar) -> AsyncIterator[tuple[httpx.AsyncClient, Lifecycle]]:
    table: pl.DataFrame = small_table()
    save_table(table, tmp_path / "supermegaretail" / "sales.parquet")
    settings = RetailSettings.model_validate(
        {
            "var_dir": tmp_path,
            "model_url": "http://127.0.0.1:1",
            "admin_token": "operator-token",
            "api_keys": "till:till-key,anonymous:",
        }
    )
    app = create_app(settings, raise_bugs=True, clock=calendar)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://retail") as client,
    ):
        yield client, app.state.engine.lifecycle


def decommissioner(lifecycle: Lifecycle, var_dir: Path) -> Decommissioner:
    return Decommissioner(store=lifecycle.end_of_life.store, usage=lifecycle.usage.store, var_dir=var_dir)


async def test_the_old_predictions_endpoint_goes_the_whole_way_to_its_end(
    retail: tuple[httpx.AsyncClient, Lifecycle], calendar: Calendar, tmp_path: Path
) -> None:
    client, lifecycle = retail
    work = decommissioner(lifecycle, tmp_path)

    def end(**more: Any) -> list[str]:
        return work.decommission(PREDICTIONS, who="ada", why="nobody needs it", now=calendar.now, **more)

    # It is answered, says that it will not stay, and its callers are counted.
    answer = await client.get(OLD, headers={"Authorization": "Bearer till-key"})
    assert answer.status_code == 200
    assert answer.headers["Deprecation"] == "@1795219200"
    assert answer.headers["Sunset"] == "Sun, 21 Nov 2027 00:00:00 GMT"
    assert answer.headers["Link"] == '</v1/forecasts>; rel="successor-version"'
    await client.get(OLD)
    lifecycle.usage.flush()
    told = (await client.get("/v1/admin/callers", headers=ADMIN)).json()
    (ending,) = told["endings"]
    assert {one["caller"] for one in ending["callers"]} == {"till", "anonymous"}
    with pytest.raises(StillNeeded, match="until 2027-11-21"):
        end()

    # Rehearsals are announced, happen, and are over.
    address = "/v1/admin/endings/predictions/brownouts"
    wish = {"begins_at": "2026-12-01T12:10:00Z", "minutes": 15, "who": "ada", "why": "who sleeps?"}
    assert (await client.post(address, json=wish, headers=ADMIN)).status_code == 422  # nobody could hear of it
    wish["begins_at"] = "2026-12-02T12:00:00Z"
    assert (await client.post(address, json=wish, headers=ADMIN)).status_code == 201
    assert (await client.get(OLD)).headers["X-Brownout"] == "2026-12-02T12:00:00Z/2026-12-02T12:15:00Z"
    calendar.now = datetime(2026, 12, 2, 12, 5, tzinfo=UTC)
    refused = await client.get(OLD)
    assert refused.status_code == 410
    assert refused.headers["Retry-After"] == "600"
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert "call POST /v1/forecasts instead" in refused.json()["detail"]
    calendar.now = datetime(2026, 12, 2, 12, 15, tzinfo=UTC)
    assert (await client.get(OLD)).status_code == 200

    # The day comes, and nothing happens by itself; who still calls is in the way.
    lifecycle.usage.flush()
    calendar.now = PREDICTIONS.sunset + timedelta(days=10)
    assert (await client.get(OLD, headers={"Authorization": "Bearer till-key"})).status_code == 200
    lifecycle.usage.flush()
    with pytest.raises(StillNeeded, match="within 30 days by till") as needed:
        end()
    assert [one.caller for one in needed.value.callers] == ["till"]

    # Nobody calls any more: it goes, for good, and that is written down.
    calendar.now += timedelta(days=31)
    assert [word.split()[-1] for word in end()] == ["replica", "removed", "removed"]
    lifecycle.end_of_life.refresh()
    gone = await client.get(OLD)
    assert gone.status_code == 410
    assert "has come to its end; call POST /v1/forecasts instead" in gone.json()["detail"]
    assert end() == []
    history = (await client.get("/v1/admin/endings/predictions", headers=ADMIN)).json()["history"]
    assert {(one["who"], one["why"]) for one in history} == {("ada", "nobody needs it"), ("ada", "who sleeps?")}
    assert (await client.get("/v1/forecasts?store=north&sku=milk")).status_code == 200
    metrics = (await client.get("/metrics")).text
    assert 'deprecated_calls_total{caller="till",route="/predictions"} 2.0' in metrics


async def test_a_brown_out_can_be_called_off_in_its_midst(
    retail: tuple[httpx.AsyncClient, Lifecycle], calendar: Calendar
) -> None:
    client, _ = retail
    address = "/v1/admin/endings/predictions/brownouts"
    wish = {"begins_at": "2026-12-02T12:00:00Z", "minutes": 15, "who": "ada", "why": "who sleeps?"}
    made = (await client.post(address, json=wish, headers=ADMIN)).json()
    calendar.now = datetime(2026, 12, 2, 12, 5, tzinfo=UTC)
    assert (await client.get(OLD)).status_code == 410
    removed = await client.delete(f"{address}/{made['brownouts'][0]['id']}", headers=ADMIN)
    assert removed.status_code == 204
    assert (await client.get(OLD)).status_code == 200


async def test_the_page_tells_who_would_be_hurt(retail: tuple[httpx.AsyncClient, Lifecycle]) -> None:
    client, lifecycle = retail
    await client.get(OLD, headers={"Authorization": "Bearer till-key"})
    await client.post("/v1/forecasts", json={"items": [{"store": "north", "sku": "milk"}], "version": "champion"})
    lifecycle.usage.flush()
    same_site = {"Sec-Fetch-Site": "same-origin"}
    assert (await client.get("/admin/callers")).status_code == 303
    await client.post("/admin/login", data={"token": "operator-token"}, headers=same_site)
    page = (await client.get("/admin/callers")).text
    assert "Who would be hurt" in page
    assert "promised until 2027-11-21" in page
    used = {(one.caller, one.endpoint): one.version for one in lifecycle.usage.store.used(days=1, now=Calendar().now)}
    assert used["anonymous", "POST /v1/forecasts"] == "champion"
    assert ("till", "GET /predictions") in used


def test_an_entry_of_the_register_that_makes_no_sense_is_refused() -> None:
    ending = replace(PREDICTIONS, name="one", method="POST", path="/v1/forecasts", version="1.0.0")
    with pytest.raises(ValueError, match="both with a time zone"):
        replace(ending, sunset=ending.since)
    with pytest.raises(ValueError, match="beneath VAR_DIR"):
        replace(ending, artifacts=("../secrets",))
    assert ending.headers()["Deprecation"].startswith("@")


def quiet(store: UsageStore, now: datetime) -> None:
    """Calls have been counted for two months, and nobody called."""
    store.add({}, now=now - timedelta(days=60))


ENDING = replace(PREDICTIONS, artifacts=("old/*",), data=(f"{__name__}:forget",))
AFTER = PREDICTIONS.sunset + timedelta(days=1)


def forget(_engine: Engine) -> int:
    return 7


def test_nothing_goes_while_nobody_can_know_who_called(state: Engine, tmp_path: Path) -> None:
    usage = UsageStore(state, "supermegaretail")
    work = Decommissioner(store=EndingStore(state, "supermegaretail"), usage=usage, var_dir=tmp_path)
    with pytest.raises(StillNeeded, match="counted never"):
        work.decommission(PREDICTIONS, who="ada", why="it is old", now=AFTER)
    usage.add({}, now=AFTER - timedelta(days=3))
    with pytest.raises(StillNeeded, match="only: nobody knows"):
        work.decommission(PREDICTIONS, who="ada", why="it is old", now=AFTER)


def test_a_caller_somebody_talked_to_is_not_in_the_way(state: Engine, tmp_path: Path) -> None:
    usage = UsageStore(state, "supermegaretail")
    work = Decommissioner(store=EndingStore(state, "supermegaretail"), usage=usage, var_dir=tmp_path)
    quiet(usage, AFTER)
    usage.add({Use("till", "GET /predictions", ""): 3, Use("web", "GET /predictions", ""): 1}, now=AFTER)
    with pytest.raises(StillNeeded, match=r"by web$"):
        work.decommission(PREDICTIONS, who="ada", why="it is old", now=AFTER, despite={"till"})
    assert work.decommission(PREDICTIONS, who="ada", why="it is old", now=AFTER, despite={"till", "web"})


KILLED = """
import os, signal, sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from common.lifecycle.decommission import Decommissioner
from common.lifecycle.ending_store import EndingStore
from common.lifecycle.usage_store import UsageStore
from common.settings import ServiceSettings
from common.state.database import open_state
from supermegaretail.end_of_life import DEPRECATED
def die(_engine):
    os.kill(os.getpid(), signal.SIGKILL)
folder = Path(sys.argv[1])
state = open_state(ServiceSettings(var_dir=folder))
work = Decommissioner(
    store=EndingStore(state, "supermegaretail"), usage=UsageStore(state, "supermegaretail"), var_dir=folder
)
ending = replace(DEPRECATED[0], artifacts=("old/*",), data=("__main__:die",))
work.decommission(ending, who="ada", why="it is old", now=ending.sunset + timedelta(days=1))
"""


def test_a_killed_decommission_goes_on_where_it_was(state: Engine, tmp_path: Path) -> None:
    usage, store = UsageStore(state, "supermegaretail"), EndingStore(state, "supermegaretail")
    quiet(usage, AFTER)
    (tmp_path / "old" / "model").mkdir(parents=True)
    (tmp_path / "old" / "model" / "weights").write_text("many")
    (tmp_path / "kept").write_text("needed by others")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, check=False, timeout=60)
    assert killed.returncode == -9
    assert store.standings(now=AFTER)["predictions"].stage == STAGES[2]
    assert not list((tmp_path / "old").iterdir())

    usage.add({Use("till", "GET /predictions", ""): 1}, now=AFTER)  # refused ones count, too, and are not in the way
    work = Decommissioner(store=store, usage=usage, var_dir=tmp_path)
    assert work.decommission(ENDING, who="bob", why="it was cut off", now=AFTER) == ["8 rows of data removed"]
    assert [event["who"] for event in store.history("predictions")].count("ada") == 2
    assert store.standings(now=AFTER)["predictions"].stage == "gone"
    assert (tmp_path / "kept").exists()


def test_the_project_declares_a_register_for_each_service() -> None:
    assert set(registers(ROOT)) == {"supermegaretail", "photostock"}
    assert list(registers(ROOT)["supermegaretail"]) == [PREDICTIONS]
