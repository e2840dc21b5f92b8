"""A person is forgotten by Supermegaretail, which knows them as owner, caller or operator; sales are not touched."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from common.erasing.second_copy import SecondCopy
from common.erasing.work import Erasing
from common.state.database import open_state
from common.versions.registry import Registry
from supermegaretail.app import create_app
from supermegaretail.erasing import SCOPE, again, erasing_of
from supermegaretail.settings import RetailSettings
from supermegaretail.table import save_table
from tests.supermegaretail.conftest import ITEMS, LAST_DAY
from tests.supermegaretail.test_api import an_override
from tests.waiting import eventually

PERSON = "person_4711"
ALL = [{"store": store, "sku": sku} for store, sku in ITEMS]
WISH = {"owner": "Eve", "reason": "wished by letter"}
SLOWLY = {"X-Timeout-Ms": "30000"}
KEYS = {PERSON: "their-key", "bob": "bobs-key"}


def settings_of(var_dir: Path) -> RetailSettings:
    return RetailSettings(var_dir=var_dir, model_url="http://127.0.0.1:1", admin_token="operator-token", api_keys=KEYS)


@asynccontextmanager
async def serving(var_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings_of(var_dir), raise_bugs=True)
    headers = {"Authorization": "Bearer operator-token", **SLOWLY}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://retail", headers=headers) as client,
    ):
        yield client


@pytest.fixture
def var_dir(tmp_path: Path, table: pl.DataFrame) -> Path:
    (tmp_path / "var").mkdir()
    save_table(table, tmp_path / "var" / "supermegaretail" / "sales.parquet")
    return tmp_path / "var"


async def forecast(client: httpx.AsyncClient, request_id: str, key: str = "bobs-key") -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}", "X-Request-ID": request_id}
    body = {"items": ALL, "horizon_days": 3, "explain": True}
    answer = await client.post("/v1/forecasts", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def filled(client: httpx.AsyncClient) -> str:
    """With decisions of the person and of Ann, and with answers that tell both; the id of the person's override."""
    theirs = an_override(owner=PERSON, reason="street party")
    made = (await client.post("/v1/admin/overrides", json=theirs)).json()
    others = an_override(**ALL[1], reason=f"as {PERSON} told")
    assert (await client.post("/v1/admin/overrides", json=others)).status_code == 201
    first = (LAST_DAY + timedelta(days=1)).isoformat()
    days = {"first_day": first, "last_day": first}
    event = {"store": "south", "name": f"concert of {PERSON}", "owner": PERSON, "reason": "it is told", **days}
    assert (await client.post("/v1/admin/events", json=event)).status_code == 201
    for request_id, key in (("theirs", "their-key"), ("bobs", "bobs-key")):
        assert PERSON in json.dumps(await forecast(client, request_id, key))
    return str(made["id"])


async def erased(client: httpx.AsyncClient, user_id: str = PERSON) -> dict[str, Any]:
    for _ in range(5):
        answer = await client.post("/v1/admin/erasures", json={"user_id": user_id, **WISH})
        if answer.status_code != 503:  # while the file is written anew nobody can write
            break
    assert answer.status_code == 200, answer.text
    certificate = dict(answer.json()["certificate"])
    while certificate["state"] == "under_way":
        await asyncio.sleep(0.1)
        certificate = (await client.get(f"/v1/admin/erasures/{certificate['person']}")).json()
    return certificate


def files_with(var_dir: Path, name: str) -> list[Path]:
    return [path for path in var_dir.rglob("*") if path.is_file() and name.encode() in path.read_bytes()]


async def test_an_owner_who_also_called_is_in_no_file_and_no_answer_and_what_they_decided_stays(var_dir: Path) -> None:
    async with serving(var_dir) as client:
        await filled(client)
        certificate = await erased(client)
        assert certificate["state"] == "finished", certificate
        assert certificate["others_before"] == certificate["others_after"] == {"overrides": 3}
        assert certificate["removed"]["overrides (name replaced)"] == 3
        assert files_with(var_dir, PERSON) == []
        told = json.dumps(await forecast(client, "afterwards"))
        assert "erased-" in told
        for path in ("overrides", "events", "answers", "audit", "erasures", "incidents"):
            told += (await client.get(f"/v1/admin/{path}")).text
        assert PERSON not in told
        listed = (await client.get("/v1/admin/overrides")).json()["overrides"]
        assert [one["owner"].startswith("erased-") for one in listed].count(True) == 1
        assert {one["reason"].partition("erased-")[0] for one in listed} == {"street party", "as "}
    assert files_with(var_dir, PERSON) == []


async def test_another_process_forgets_what_it_remembers(var_dir: Path) -> None:
    async with serving(var_dir) as client, serving(var_dir) as other:
        await filled(client)

        async def knows() -> bool:
            return PERSON in json.dumps(await forecast(other, "before"))

        await eventually(knows)
        assert (await erased(client))["state"] == "finished"

        async def forgot() -> bool:
            return (
                PERSON not in json.dumps(await forecast(other, "after")) + (await other.get("/v1/admin/answers")).text
            )

        await eventually(forgot)


async def test_models_that_learnt_from_their_decisions_are_listed(var_dir: Path) -> None:
    registry = Registry(settings_of(var_dir).registry_dir)
    async with serving(var_dir) as client:
        made = await filled(client)
        for functions in ([made, "another"], ["another"]):
            labels = {"fingerprint": "f", "rows": 3, "functions": functions}
            registry.publish("core", {"model": repr(functions).encode()}, alias=None, training={"labels": labels})
        certificate = await erased(client)
    [retrain] = certificate["retrain"]
    assert (retrain["component"], retrain["version"]) == ("core", "1.0.0")
    assert retrain["why"] == "trained with 1 of their decisions"


async def test_a_product_with_the_name_of_a_person_keeps_its_sales_and_its_overrides(var_dir: Path) -> None:
    product = {"store": "north", "sku": "ann-7"}
    async with serving(var_dir) as client:
        sale = {**product, "date": (LAST_DAY - timedelta(days=1)).isoformat(), "sales": 4}
        bob = {"Authorization": "Bearer bobs-key"}
        assert (await client.post("/v1/sales", json={"sales": [sale]}, headers=bob)).status_code == 201
        wish = an_override(**product, owner="ann-7")
        assert (await client.post("/v1/admin/overrides", json=wish)).status_code == 201
        certificate = await erased(client, "ann-7")
        [one] = (await client.get("/v1/admin/overrides")).json()["overrides"]
        assert (one["sku"], one["owner"].startswith("erased-")) == ("ann-7", True)
        assert certificate["state"] == "something_remains"
        body = {"items": [product], "horizon_days": 1}
        answer = await client.post("/v1/forecasts", json=body, headers=bob)
        assert answer.json()["forecasts"][0]["served_by"] == "override"


async def test_the_page_forgets_a_person_and_shows_a_certificate_without_the_id(var_dir: Path) -> None:
    async with serving(var_dir) as client:
        await filled(client)
        here = {"Origin": "http://retail"}
        await client.post("/admin/login", data={"token": "operator-token"}, headers=here)
        form = {"user_id": PERSON, "reason": "wished by letter"}
        wrong = await client.post("/admin/erasures", data=form | {"reason": f"{PERSON} wrote"}, headers=here)
        done = await client.post("/admin/erasures", data=form, headers=here)
        assert (wrong.status_code, done.status_code, PERSON in done.headers["location"]) == (422, 303, False)
        page = await client.get(done.headers["location"])
        assert "nothing remains" in page.text
        assert PERSON not in page.text + (await client.get("/admin/erasures")).text + (await client.get("/admin")).text


def opened(var_dir: Path) -> Erasing:
    settings = settings_of(var_dir)
    state = open_state(settings)
    SecondCopy(var_dir, SCOPE).adopt_key(state)
    erasing = erasing_of(settings, state)
    erasing.restore(again(erasing.store))
    return erasing


async def test_a_crash_after_the_wish_is_told_and_the_command_goes_on(var_dir: Path) -> None:
    async with serving(var_dir) as client:
        await filled(client)
    erasing = opened(var_dir)
    erasing.begin(PERSON, **WISH)
    erasing.engine.dispose()
    async with serving(var_dir) as client:
        assert len((await client.get("/v1/admin/erasures")).json()["pending"]) == 1
    assert "give the id again" in ran(var_dir, "--pending").stdout
    done = ran(var_dir, "--owner", "Eve", "--reason", "wished by letter", typed=PERSON)
    assert (done.returncode, "finished" in done.stdout) == (0, True), done.stdout + done.stderr
    assert ran(var_dir, "--pending").stdout == ""
    assert files_with(var_dir, PERSON) == []


async def test_an_old_copy_of_the_database_brings_no_owner_back(var_dir: Path, tmp_path: Path) -> None:
    async with serving(var_dir) as client:
        await filled(client)
    shutil.copy(var_dir / "state.sqlite3", tmp_path / "old")
    async with serving(var_dir) as client:
        assert (await erased(client))["state"] == "finished"
    shutil.copy(tmp_path / "old", var_dir / "state.sqlite3")
    async with serving(var_dir) as client:
        listed = (await client.get("/v1/admin/overrides")).json()["overrides"]
        assert {one["owner"].partition("-")[0] for one in listed} == {"Ann", "erased"}
        assert len((await client.get("/v1/admin/erasures")).json()["pending"]) == 1
        assert (await erased(client))["state"] == "finished"
    assert files_with(var_dir, PERSON) == []


def ran(var_dir: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "common", "erase", SCOPE, *arguments]
    environment = os.environ | {"VAR_DIR": str(var_dir)}
    return subprocess.run(
        command, env=environment, check=False, timeout=60, capture_output=True, text=True, input=typed
    )
