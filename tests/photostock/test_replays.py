"""Searches made again: the same bytes, though photos, overrides and hints have changed since."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from common.overrides.uses import OverrideUses
from common.replay.log import ReplayLog
from common.replay.store import Record, ReplayStore, Shared
from common.state.database import open_state
from common.state.overrides import OverrideStore
from photostock.app import create_app
from photostock.settings import PhotoSettings
from tests.photostock.conftest import PHOTOS

TOKEN = {"Authorization": "Bearer operator-token"}
BODY = {"queries": [{"query": "dog"}, {"query": "cat", "order_by": "popular"}, {"query": "zebra", "explain": True}]}


@asynccontextmanager
async def service(var_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = PhotoSettings(var_dir=var_dir, admin_token="operator-token", reranker_url="http://127.0.0.1:1")
    app = create_app(settings, raise_bugs=True)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://photos", headers=TOKEN) as client,
    ):
        app.state.engine.library.add(PHOTOS)
        yield client


def pinned(photo_id: str) -> dict[str, Any]:
    end = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    wish = {"effect": "pin", "photo_id": photo_id, "query": "dog", "position": 1}
    return wish | {"owner": "Ann", "reason": "the campaign of the week", "ends_at": end}


async def replayed(client: httpx.AsyncClient, request_id: str, **params: Any) -> httpx.Response:
    return await client.get(f"/v1/admin/replays/{request_id}", params=params)


async def test_searches_come_out_the_same_though_photos_and_overrides_have_changed(var_dir: Path) -> None:
    async with service(var_dir) as client:
        told = await client.get("/v1/search", params={"query": "dog"}, headers={"X-Request-ID": "one"})
        many = await client.post("/v1/searches", json=BODY, headers={"X-Request-ID": "many"})
        made = await client.post("/v1/admin/overrides", json=pinned("park-dog"))
        assert made.status_code == 201, made.text
        await client.get("/v1/search", params={"query": "dog"}, headers={"X-Request-ID": "pinned"})
        new = {"id": "beach-dog", "title": "Another dog", "description": "of today"}
        assert (await client.post("/v1/photos", json={"photos": [new]})).status_code == 201
        await client.delete(f"/v1/admin/overrides/{made.json()['id']}")
        again = {name: (await replayed(client, name)).json() for name in ("one", "many", "pinned")}
        without = (await replayed(client, "pinned", without=f"override={made.json()['id']}")).json()
    assert again["one"]["answer"] == told.json()
    assert again["many"]["answer"] == many.json()
    assert [one["same_bytes"] for one in again.values()] == [True, True, True]
    assert without["same_bytes"] is True
    assert without["changed"]["differences"]


async def test_an_erased_photo_is_in_no_replay(var_dir: Path) -> None:
    async with service(var_dir) as client:
        await client.get("/v1/search", params={"query": "dog"}, headers={"X-Request-ID": "one"})
        assert (await client.delete("/v1/photos/beach-dog")).status_code == 204
        gone = await replayed(client, "one")
    assert gone.status_code == 410
    assert "erased" in gone.json()["detail"]
    for path in (var_dir / "photostock" / "replays").iterdir():
        assert b"wet spaniel" not in path.read_bytes()


@pytest.mark.parametrize(("params", "status"), [({"with": "colour=red"}, 422), ({"without": "semantic"}, 422)])
async def test_what_cannot_be_changed_is_said(var_dir: Path, params: dict[str, str], status: int) -> None:
    async with service(var_dir) as client:
        await client.get("/v1/search", params={"query": "dog"}, headers={"X-Request-ID": "one"})
        assert (await replayed(client, "one", **params)).status_code == status
        assert (await replayed(client, "never-asked")).status_code == 404


async def test_trying_out_an_answer_counts_no_use_of_an_override(var_dir: Path) -> None:
    async with service(var_dir) as client:
        made = await client.post("/v1/admin/overrides", json=pinned("park-dog"))
        await client.get("/v1/search", params={"query": "dog"}, headers={"X-Request-ID": "one"})
        for params in ({"as": "mobile"}, {"without": "hint=none"}, {"without": "reranker"}):
            assert (await replayed(client, "one", **params)).status_code == 200
    uses = OverrideUses(OverrideStore(open_state(PhotoSettings(var_dir=var_dir)), "photostock"))
    uses.read()
    assert uses.stored[made.json()["id"]]["used"] == 1


async def test_a_photo_is_deleted_though_what_is_kept_of_answers_cannot_be_written(var_dir: Path) -> None:
    async with service(var_dir) as client:
        await client.get("/v1/search", params={"query": "dog"}, headers={"X-Request-ID": "one"})
        assert (await replayed(client, "one")).status_code == 200
        with closing(sqlite3.connect(var_dir / "photostock" / "replays" / "replays.sqlite3")) as held:
            held.execute("BEGIN IMMEDIATE")
            assert (await client.delete("/v1/photos/beach-dog")).status_code == 204
            assert (await client.get("/v1/photos/beach-dog")).status_code == 404
            gone = await replayed(client, "one")
            held.rollback()
    assert gone.status_code in (410, 503)  # never the photo: it was erased, or the file can't be read just now
    for path in (var_dir / "photostock" / "replays").iterdir():
        assert b"wet spaniel" not in path.read_bytes()


def test_what_could_not_be_forgotten_at_once_is_forgotten_with_all_that_is_gone(tmp_path: Path) -> None:
    store = ReplayStore(tmp_path / "replays.sqlite3", most_bytes=2**20, most_days=14)
    record = Record("one", datetime.now(UTC).isoformat(timespec="milliseconds"), "web", "/v1/search", b"", 0, {})
    store.write([record], [Shared.of({"photo": name}, subject=name) for name in ("here", "gone")])
    log = ReplayLog(store, CollectorRegistry(), gone=lambda subjects: [one for one in subjects if one == "gone"])
    log.tidy()
    assert store.subjects() == ["here"]
