"""The operators' switches through HTTP, and what they and demotion do to forecasts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from supermegaretail.table import save_table
from tests.json_server import json_server
from tests.supermegaretail.conftest import sevens
from tests.supermegaretail.test_api import ADMIN, ALL, forecast, service

SWITCHES = "/v1/admin/switches"
MODEL = "upstream:supermegaretail-model"


def a_switch(state: str = "off", **change: Any) -> dict[str, Any]:
    ends_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    return {"state": state, "owner": "Ann", "reason": "it raves", "ends_at": ends_at} | change


async def put(client: httpx.AsyncClient, target: str, state: str = "off", **change: Any) -> httpx.Response:
    return await client.put(f"{SWITCHES}/{target}", json=a_switch(state, **change), headers=ADMIN)


async def shown(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    response = await client.get(SWITCHES, headers=ADMIN)
    assert response.status_code == 200
    return {entry["target"]: entry for entry in response.json()["switches"]}


async def provenance(client: httpx.AsyncClient) -> set[tuple[str, str | None]]:
    return {(one["served_by"], one["reason"]) for one in (await forecast(client, ALL))["forecasts"]}


@pytest.fixture
def var_dir(tmp_path: Path, table: pl.DataFrame) -> Path:
    save_table(table, tmp_path / "supermegaretail" / "sales.parquet")
    return tmp_path


@pytest.fixture
async def client(var_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    with json_server(sevens) as url:
        async with service(var_dir, url) as client:
            yield client


async def test_everything_that_can_be_switched_is_listed_with_how_it_stands(client: httpx.AsyncClient) -> None:
    listed = await shown(client)
    assert list(listed) == ["override", "correction", "core", "moving_average", "constant", MODEL]
    assert listed["core"]["states"] == ["on", "off", "auto"]
    assert listed["core"]["automatic"] == {"state": "in_service"}
    assert listed["constant"]["states"] == ["on", "auto"]
    assert "last tier" in listed["constant"]["required"]
    assert listed[MODEL]["states"] == ["open", "closed", "observe"]
    assert {entry["switch"] for entry in listed.values()} == {None}


async def test_a_core_that_is_switched_off_is_neither_asked_nor_corrected(client: httpx.AsyncClient) -> None:
    response = await put(client, "core")
    assert response.status_code == 200
    assert response.json()["switch"].items() >= {"state": "off", "owner": "Ann", "reason": "it raves"}.items()
    assert await provenance(client) == {("moving_average", "core:switched_off")}
    assert (await shown(client))["core"]["switch"]["owner"] == "Ann"
    metrics = (await client.get("/metrics")).text
    assert 'switch_position{target="core"} 2.0' in metrics
    assert (await client.delete(f"{SWITCHES}/core", headers=ADMIN)).status_code == 204
    assert await provenance(client) == {("correction", None)}
    assert (await client.delete(f"{SWITCHES}/core", headers=ADMIN)).status_code == 404


async def test_a_correction_that_is_switched_off_leaves_the_core_models_answer(client: httpx.AsyncClient) -> None:
    await put(client, "correction")
    assert await provenance(client) == {("core", "correction:switched_off")}


async def test_a_breaker_that_is_forced_open_spares_the_model(client: httpx.AsyncClient) -> None:
    assert (await put(client, MODEL, "open")).status_code == 200
    assert await provenance(client) == {("moving_average", "core:breaker_open")}
    assert (await client.delete(f"{SWITCHES}/{MODEL}", headers=ADMIN)).status_code == 204
    assert await provenance(client) == {("correction", None)}


@pytest.mark.parametrize(
    ("target", "change", "status", "words"),
    [
        ("core", {"ends_at": None}, 422, "ends_at"),
        ("core", {"ends_at": "2020-01-01T00:00:00Z"}, 422, "between now and 366 days"),
        ("core", {"ends_at": "2999-01-01T00:00:00Z"}, 422, "between now and 366 days"),
        ("core", {"ends_at": "2026-12-24T18:00:00"}, 422, "time zone"),
        ("core", {"owner": ""}, 422, "owner"),
        ("core", {"reason": "x"}, 422, "reason"),
        ("core", {"state": "open"}, 422, "core can be on, off or auto"),
        ("core", {"state": "sideways"}, 422, "state"),
        (MODEL, {"state": "off"}, 422, "can be open, closed or observe"),
        ("constant", {}, 422, "constant can't be switched off: it is the last tier"),
        ("oracle", {}, 404, "there are override, correction, core"),
    ],
)
async def test_a_switch_that_makes_no_sense_is_refused_and_says_why(
    client: httpx.AsyncClient, target: str, change: dict[str, Any], status: int, words: str
) -> None:
    response = await put(client, target, **change)
    assert (response.status_code, words in response.json()["detail"]) == (status, True), response.text
    assert {entry["switch"] for entry in (await shown(client)).values()} == {None}


async def test_a_switch_without_an_end_is_refused(client: httpx.AsyncClient) -> None:
    endless = {name: value for name, value in a_switch().items() if name != "ends_at"}
    response = await client.put(f"{SWITCHES}/core", json=endless, headers=ADMIN)
    assert (response.status_code, "ends_at" in response.json()["detail"]) == (422, True)


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"Authorization": "Bearer guess"}, 403)])
async def test_switches_are_for_operators_only(client: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    answers = [
        await client.get(SWITCHES, headers=headers),
        await client.put(f"{SWITCHES}/core", json=a_switch(), headers=headers),
        await client.delete(f"{SWITCHES}/core", headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [status] * 3


async def test_removing_a_switch_of_something_unknown_is_404(client: httpx.AsyncClient) -> None:
    assert (await client.delete(f"{SWITCHES}/oracle", headers=ADMIN)).status_code == 404


async def test_a_switch_survives_a_restart(var_dir: Path) -> None:
    with json_server(sevens) as url:
        async with service(var_dir, url) as client:
            await put(client, "core")
        async with service(var_dir, url) as client:
            assert await provenance(client) == {("moving_average", "core:switched_off")}


async def test_a_switch_is_seen_by_another_replica_within_a_refresh(var_dir: Path) -> None:
    with json_server(sevens) as url:
        async with AsyncExitStack() as stack:
            here = await stack.enter_async_context(service(var_dir, url))
            there = await stack.enter_async_context(service(var_dir, url))
            await put(here, "core")
            transport = there._transport
            assert isinstance(transport, httpx.ASGITransport)
            transport.app.state.engine.controls.refresh()  # type: ignore[attr-defined]  # as `kept_fresh` does every second
            assert await provenance(there) == {("moving_average", "core:switched_off")}


def raving(request: dict[str, Any]) -> dict[str, Any]:
    answer = sevens(request)
    for prediction in answer["predictions"]:
        prediction["core"] = [-6.0] * request["horizon_days"]
    return answer


async def test_a_core_that_keeps_raving_is_demoted_and_operators_see_why(var_dir: Path) -> None:
    with json_server(raving) as url:
        async with service(var_dir, url) as client:
            reasons = [await provenance(client) for _ in range(12)]
            automatic = (await shown(client))["core"]["automatic"]
            ready = (await client.get("/ready")).json()
            metrics = (await client.get("/metrics")).text
    assert reasons[0] == {("moving_average", "core:out_of_range")}
    assert {("moving_average", "core:demoted")} in reasons
    assert automatic["state"] in ("demoted", "probation")
    assert automatic["refused"] == {"out_of_range": 30}
    assert datetime.fromisoformat(automatic["since"]) <= datetime.now(UTC)
    assert (ready["ready"], ready["parts"]["tiers"]["ok"]) == (True, False)
    assert 'fallback_tier_state{tier="core"}' in metrics
