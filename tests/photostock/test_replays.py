"""Searches made again: the same bytes, though photos, overrides and hints have changed since."""

from __future__ import annotations

import argparse
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from common.command_line import Failed
from common.overrides.uses import OverrideUses
from common.replay.commands import replayed as at_the_command_line
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


def banned(photo_id: str, **query: str) -> dict[str, Any]:
    return pinned(photo_id) | {"effect": "ban", "query": None, "position": None} | query


async def added(client: httpx.AsyncClient, kind: str, wish: dict[str, Any]) -> str:
    made = await client.post(f"/v1/admin/{kind}", json=wish)
    assert made.status_code == 201, made.text
    made_id: str = made.json()["id"]
    return made_id


async def asked(client: httpx.AsyncClient, request_id: str, query: str = "dog") -> list[str]:
    answer = await client.get("/v1/search", params={"query": query}, headers={"X-Request-ID": request_id})
    return ids_in(answer.json())


def ids_in(answer: dict[str, Any]) -> list[str]:
    return [one["id"] for one in answer["results"]]


async def changed(client: httpx.AsyncClient, request_id: str, *without: str, **params: Any) -> dict[str, Any]:
    response = await replayed(client, request_id, without=list(without), **params)
    assert response.status_code == 200, response.text
    assert response.json()["same_bytes"] is True
    document: dict[str, Any] = response.json()["changed"]["answer"]
    return document


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


async def test_a_search_with_a_busy_photographer_comes_out_the_same(var_dir: Path) -> None:
    crowd = [
        {"id": f"x{n:02}", "title": "A dog" + " runs" * (n % 5), "photographer": "Ada" if n % 2 else f"P{n}"}
        for n in range(60)
    ]
    async with service(var_dir) as client:
        assert (await client.post("/v1/photos", json={"photos": crowd})).status_code == 201
        for page in (1, 2):
            told = await client.get("/v1/search", params={"query": "dog", "page": page})
            document = (await replayed(client, told.headers["X-Request-ID"])).json()
            assert document["same_bytes"] is True, document


async def test_an_erased_photo_is_in_no_replay(var_dir: Path) -> None:
    async with service(var_dir) as client:
        await client.get("/v1/search", params={"query": "dog"}, headers={"X-Request-ID": "one"})
        assert (await client.delete("/v1/photos/beach-dog")).status_code == 204
        gone = await replayed(client, "one")
    assert gone.status_code == 410
    assert "erased" in gone.json()["detail"]
    for path in (var_dir / "photostock" / "replays").iterdir():
        assert b"wet spaniel" not in path.read_bytes()


@pytest.mark.parametrize("query", [{"query": "dog cat"}, {}], ids=["of-its-query", "of-all"])
async def test_without_a_ban_the_photo_that_it_hid_is_found_and_all_else_is_as_it_was(
    var_dir: Path, query: dict[str, str]
) -> None:
    async with service(var_dir) as client:
        other = await added(client, "overrides", banned("cat"))
        before = await asked(client, "before", "dog cat")
        ban = await added(client, "overrides", banned("park-dog", **query))
        assert await asked(client, "one", "dog cat") == ["beach-dog"]
        for one in (ban, other):
            await client.delete(f"/v1/admin/overrides/{one}")
        await added(client, "overrides", pinned("bridge") | {"query": "dog cat"})  # nobody had decided that then
        answer = await changed(client, "one", f"override={ban}")
    assert sorted(before) == ["beach-dog", "park-dog"]
    assert ids_in(answer) == before
    assert answer["overrides"] is None


async def test_without_a_hint_what_editors_decided_then_still_holds_but_for_what_is_left_out_too(
    var_dir: Path,
) -> None:
    hint = {"when": "pooch", "then": "dog", "owner": "Ann", "reason": "a word that people use", "kind": "replacement"}
    async with service(var_dir) as client:
        pin = await added(client, "overrides", pinned("cat") | {"query": "pooch ball"})
        other = f"hint={await added(client, 'hints', hint)}"
        assert (await asked(client, "one", "pooch ball"))[0] == "cat"
        await client.delete(f"/v1/admin/overrides/{pin}")
        kept = await changed(client, "one", other)
        neither = await changed(client, "one", other, f"override={pin}")
        refused = await replayed(client, "one", without=[other, "reranker"])
    assert ids_in(kept) == ["cat", "park-dog"]
    assert ids_in(neither) == ["park-dog"]
    assert refused.status_code == 422


async def test_without_a_ban_words_that_a_hint_protected_from_spelling_stay_as_they_were_typed(var_dir: Path) -> None:
    told = {"owner": "Ann", "reason": "a person who is in our photos"}
    async with service(var_dir) as client:
        await added(client, "hints", told | {"when": "spaneil", "then": "", "kind": "never_correct"})
        spelt = await added(client, "hints", told | {"when": "doog", "then": "cat"})
        ban = await added(client, "overrides", banned("park-dog"))
        assert await asked(client, "one", "doog spaneil") == ["cat"]
        without_ban = await replayed(client, "one", without=f"override={ban}")
        without_hint = await changed(client, "one", f"hint={spelt}", f"override={ban}")
    differences = [one["where"] for one in without_ban.json()["changed"]["differences"]]
    assert ids_in(without_ban.json()["changed"]["answer"]) == ["cat"], differences
    assert ids_in(without_hint) == ["park-dog", "beach-dog"]  # what nobody protects any more is corrected


async def test_a_replay_that_finds_the_state_database_away_is_a_503(var_dir: Path) -> None:
    async with service(var_dir) as client:
        await added(client, "overrides", pinned("park-dog"))
        await asked(client, "one")
        assert (await replayed(client, "one")).status_code == 200
        with closing(sqlite3.connect(var_dir / "state.sqlite3")) as state, state:
            state.execute("ALTER TABLE overrides RENAME TO elsewhere")
        refused = await replayed(client, "one")
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"


async def test_many_overrides_of_then_are_put_together_beside_the_event_loop(var_dir: Path) -> None:
    async with service(var_dir) as client:
        ban = await added(client, "overrides", banned("park-dog"))
        await asked(client, "one")
        with closing(sqlite3.connect(var_dir / "state.sqlite3")) as state, state:
            state.row_factory = sqlite3.Row
            one = dict(state.execute("SELECT * FROM overrides").fetchone())
            wish = json.dumps({"effect": "promote", "query": "a query that nobody asks"})
            rows = [{**one, "id": str(n), "target": f"photo-{n}", "value": wish} for n in range(20_000)]
            state.executemany(f"INSERT INTO overrides VALUES ({', '.join(f':{name}' for name in one)})", rows)
        begun = time.thread_time()
        await changed(client, "one", f"override={ban}")
        took = time.thread_time() - begun
    assert took < 0.3, took


@pytest.mark.parametrize(
    "params",
    [
        {"with": "colour=red"},
        {"with": "version=99.9.9"},
        {"without": "semantic"},
        {"without": "override=typo"},
        {"without": "hint=typo"},
        {"without": "hint=spelling"},
    ],
)
async def test_what_cannot_be_changed_is_said(var_dir: Path, params: dict[str, str]) -> None:
    async with service(var_dir) as client:
        await client.get("/v1/search", params={"query": "dog spaneil"}, headers={"X-Request-ID": "one"})
        assert (await replayed(client, "one", **params)).status_code == 422
        assert (await replayed(client, "never-asked")).status_code == 404


async def test_trying_out_an_answer_counts_no_use_of_an_override(var_dir: Path) -> None:
    async with service(var_dir) as client:
        made = await client.post("/v1/admin/overrides", json=pinned("park-dog"))
        ban = await added(client, "overrides", banned("cat", query="dog"))
        await client.get("/v1/search", params={"query": "dog"}, headers={"X-Request-ID": "one"})
        for params in ({"as": "mobile"}, {"without": f"override={ban}"}, {"without": "reranker"}):
            assert (await replayed(client, "one", **params)).status_code == 200
    uses = OverrideUses(OverrideStore(open_state(PhotoSettings(var_dir=var_dir)), "photostock"))
    uses.read()
    assert uses.stored[made.json()["id"]]["used"] == 1


async def test_at_the_command_line_the_service_is_said_where_both_answered_under_one_id(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service(var_dir) as client:
        await asked(client, "one")
    monkeypatch.setenv("VAR_DIR", str(var_dir))
    wish = argparse.Namespace(request_id="one", service=None, with_=[], without=[], as_=None)
    assert (await at_the_command_line(wish))["service"] == "photostock"
    theirs = ReplayStore(var_dir / "supermegaretail" / "replays" / "replays.sqlite3", most_bytes=2**20, most_days=14)
    theirs.write([Record("one", datetime.now(UTC).isoformat(), "web", "/v1/forecasts", b"", 0, {})], [])
    with pytest.raises(Failed, match="both services answered under request id 'one': say --service"):
        await at_the_command_line(wish)
    wish.service = "photostock"
    assert (await at_the_command_line(wish))["same_bytes"] is True


async def test_at_the_command_line_a_service_whose_file_is_damaged_does_not_stop_the_other(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with service(var_dir) as client:
        await asked(client, "one")
    theirs = var_dir / "supermegaretail" / "replays" / "replays.sqlite3"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"no database" * 1_000)
    monkeypatch.setenv("VAR_DIR", str(var_dir))
    wish = argparse.Namespace(request_id="one", service=None, with_=[], without=[], as_=None)
    assert (await at_the_command_line(wish))["service"] == "photostock"
    assert "what is kept of the answers of supermegaretail can't be read" in capsys.readouterr().err


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
