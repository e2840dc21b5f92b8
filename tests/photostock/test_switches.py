"""The operators' switches through HTTP, and what they do to searches."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.json_server import json_server
from tests.photostock.conftest import by_id_backwards
from tests.photostock.test_api import ADMIN, NOBODY, search, service

SWITCHES = "/v1/admin/switches"
RERANKER = "upstream:photostock-reranker"


def a_switch(state: str = "off", **change: Any) -> dict[str, Any]:
    ends_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    return {"state": state, "owner": "Ann", "reason": "it raves", "ends_at": ends_at} | change


async def put(client: httpx.AsyncClient, target: str, state: str = "off", **change: Any) -> httpx.Response:
    return await client.put(f"{SWITCHES}/{target}", json=a_switch(state, **change), headers=ADMIN)


async def provenance(client: httpx.AsyncClient) -> tuple[str, str | None]:
    answer = await search(client)
    return answer["served_by"], answer["reason"]


async def test_everything_that_can_be_switched_is_listed(var_dir: Path) -> None:
    async with service(var_dir) as client:
        listed = (await client.get(SWITCHES, headers=ADMIN)).json()["switches"]
    assert [entry["target"] for entry in listed] == ["filter", "reranker", "semantic", "lexical", "popular", RERANKER]
    assert [entry["target"] for entry in listed if entry["required"]] == ["filter", "popular"]


async def test_tiers_that_are_switched_off_are_not_asked_until_the_switch_is_removed(var_dir: Path) -> None:
    with json_server(by_id_backwards) as url:
        async with service(var_dir, url) as client:
            assert (await put(client, "reranker")).status_code == 200
            assert await provenance(client) == ("semantic", "reranker:switched_off")
            await put(client, "semantic")
            assert await provenance(client) == ("lexical", "semantic:switched_off")
            await put(client, "lexical")
            assert await provenance(client) == ("popular", "semantic:switched_off, lexical:switched_off")
            for target in ("reranker", "semantic", "lexical"):
                assert (await client.delete(f"{SWITCHES}/{target}", headers=ADMIN)).status_code == 204
            assert await provenance(client) == ("reranker", None)


async def test_a_breaker_that_is_forced_open_spares_the_reranker(var_dir: Path) -> None:
    with json_server(by_id_backwards) as url:
        async with service(var_dir, url) as client:
            await put(client, RERANKER, "open")
            assert await provenance(client) == ("semantic", "reranker:breaker_open")


@pytest.mark.parametrize(
    ("target", "change", "status", "words"),
    [
        ("filter", {}, 422, "filter can't be switched off: it enforces licence, safety and erasure"),
        ("popular", {}, 422, "popular can't be switched off: it is the last tier"),
        ("semantic", {"state": "closed"}, 422, "semantic can be on, off or auto"),
        ("semantic", {"ends_at": "2020-01-01T00:00:00Z"}, 422, "between now and 366 days"),
        ("semantic", {"ends_at": None}, 422, "ends_at"),
        ("oracle", {}, 404, "there are filter, reranker, semantic"),
    ],
)
async def test_a_switch_that_makes_no_sense_is_refused_and_says_why(
    var_dir: Path, target: str, change: dict[str, Any], status: int, words: str
) -> None:
    async with service(var_dir) as client:
        response = await put(client, target, **change)
    assert (response.status_code, words in response.json()["detail"]) == (status, True), response.text


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"Authorization": "Bearer guess"}, 403)])
async def test_switches_are_for_operators_only(var_dir: Path, headers: dict[str, str], status: int) -> None:
    async with service(var_dir) as client:
        answers = [
            await client.get(SWITCHES, headers=headers),
            await client.put(f"{SWITCHES}/semantic", json=a_switch(), headers=headers),
            await client.delete(f"{SWITCHES}/semantic", headers=headers),
        ]
    assert [answer.status_code for answer in answers] == [status] * 3


async def test_a_switch_survives_a_restart(var_dir: Path) -> None:
    async with service(var_dir) as client:
        await put(client, "semantic")
    async with service(var_dir) as client:
        assert await provenance(client) == ("lexical", "semantic:switched_off")


async def test_a_switch_is_seen_by_another_replica_within_a_refresh(var_dir: Path) -> None:
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(service(var_dir, NOBODY))
        there = await stack.enter_async_context(service(var_dir, NOBODY))
        await put(here, "semantic")
        transport = there._transport
        assert isinstance(transport, httpx.ASGITransport)
        transport.app.state.engine.controls.refresh()  # type: ignore[attr-defined]  # as `kept_fresh` does every second
        assert await provenance(there) == ("lexical", "semantic:switched_off")
