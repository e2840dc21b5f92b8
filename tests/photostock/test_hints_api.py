"""Hints, spelling and empty answers through HTTP, and the operators' page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from common.deadline import Deadline
from photostock.hints import HintStore
from tests.photostock.test_api import ADMIN, ids, search, service
from tests.waiting import eventually

HINT = {"when": "pooch", "then": "terrier ball", "owner": "Ann", "reason": "a word that people use"}
FROM_HERE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def client(var_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with service(var_dir) as client:
        yield client


async def post(client: httpx.AsyncClient, path: str, document: Any, *, status: int) -> Any:
    answer = await client.post(f"/v1/admin/{path}", json=document, headers=ADMIN)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_misspelt_query_is_corrected_told_and_can_be_left_as_it_is(client: httpx.AsyncClient) -> None:
    answer = await search(client, "a spanyel", explain="true")
    assert answer["corrected"] == {"from": "a spanyel", "to": "a spaniel"}
    assert (answer["searched_for"], answer["hints"][0]["kind"]) == ("a spaniel", "spelling")
    assert ids(answer)[0] == "beach-dog"
    assert (await search(client, "a spanyel", spelling="off"))["corrected"] is None
    assert (await search(client, "a spaniel"))["corrected"] is None
    await post(client, "hints", HINT | {"kind": "never_correct", "when": "spanyel", "then": ""}, status=201)
    assert (await search(client, "a spanyel"))["corrected"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"then": ""},
        {"then": "?!"},
        {"then": "Pooch"},
        {"kind": "never_correct"},
        {"kind": "replacement", "both_ways": True},
        {"kind": "rule"},
        {"ends_at": "soon"},
        {"ends_at": "2020-01-01T00:00:00Z"},
        {"colour": "red"},
        {"reason": "a word\0"},
    ],
)
async def test_what_no_hint_can_be_is_refused(client: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    await post(client, "hints", HINT | wrong, status=422)


async def test_a_preview_shows_what_would_change_and_saves_nothing(client: httpx.AsyncClient) -> None:
    for query in ("a pooch", "cats", "a pooch"):
        await search(client, query)
    seen = await post(client, "hints/preview", {"hint": HINT, "queries": ["pooch in a park"]}, status=200)
    assert (seen["looked_at"], [one["query"] for one in seen["changed"]]) == (3, ["pooch in a park", "a pooch"])
    assert (seen["changed"][1]["before"], seen["changed"][1]["after"]) == ("a pooch", "a pooch terrier ball")
    first = seen["changed"][1]["results"][0]
    assert (first["id"], first["after"]) == ("park-dog", 1)
    assert (await search(client, "a pooch"))["versions"]["hints"] == "none"
    assert (await client.delete("/v1/admin/recent-queries", headers=ADMIN)).status_code == 204
    assert (await client.get("/v1/admin/recent-queries", headers=ADMIN)).json() == {"queries": []}


async def test_queries_of_a_bulk_are_remembered_and_spelt_like_single_ones(client: httpx.AsyncClient) -> None:
    queries = [{"query": f"a spanyel {number}"} for number in range(20)]
    answer = await client.post("/v1/searches", json={"queries": queries})
    corrected = [one["corrected"]["to"] for one in answer.json()["searches"]]
    assert corrected == [f"a spaniel {number}" for number in range(20)]
    recent = (await client.get("/v1/admin/recent-queries", headers=ADMIN)).json()["queries"]
    assert recent == [query["query"] for query in queries[::-1]]


async def test_without_a_free_thread_many_searches_are_taken_as_they_were_typed(var_dir: Path) -> None:
    started, release = threading.Event(), threading.Event()

    def hold() -> None:
        started.set()
        release.wait(30)

    async with service(var_dir) as client:
        pool = client._transport.app.state.engine.searcher.fallback_pool  # type: ignore[attr-defined]
        held = asyncio.create_task(pool.run(hold, deadline=Deadline.after_ms(30_000)))
        try:
            await asyncio.to_thread(started.wait)
            queries = [{"query": f"a spanyel {number}"} for number in range(5)]
            answer = await client.post("/v1/searches", json={"queries": queries}, headers={"X-Timeout-Ms": "200"})
        finally:
            release.set()
            await held
    assert answer.status_code == 200
    assert [one["corrected"] for one in answer.json()["searches"]] == [None] * 5


async def test_whoever_changes_hints_that_cannot_be_read_here_is_told_that_it_is_only_stored(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = OperationalError("SELECT", {}, Exception("gone"))
    with monkeypatch.context() as broken:
        broken.setattr(HintStore, "all", mock.Mock(side_effect=gone))
        told = await post(client, "hints", HINT, status=503)
    assert told["detail"].startswith("the hint is stored, but not seen here yet")
    [change] = (await client.get("/v1/admin/hints/history", headers=ADMIN)).json()["changes"]
    await asyncio.sleep(0.6)  # two looks
    assert (await search(client, "a pooch", explain="true"))["searched_for"] == "a pooch terrier ball"
    undone = await client.delete(f"/v1/admin/hints/history/{change['id']}", headers=ADMIN)
    assert undone.status_code == 204
    assert (await search(client, "a pooch", explain="true"))["searched_for"] == "a pooch"


async def test_hints_and_switches_of_other_replicas_arrive_while_photos_are_encoded(var_dir: Path) -> None:
    encoding, goes_on = threading.Event(), threading.Event()

    def encode() -> None:
        encoding.set()
        goes_on.wait(60)

    async with service(var_dir) as client, service(var_dir) as other:
        library = client._transport.app.state.engine.library  # type: ignore[attr-defined]
        library.refresh = encode
        try:
            await asyncio.to_thread(encoding.wait, 30)
            await post(other, "hints", HINT, status=201)
            ends_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
            off = {"state": "off", "owner": "Ann", "reason": "it raves", "ends_at": ends_at}
            done = await other.put("/v1/admin/switches/semantic", json=off, headers=ADMIN)
            assert done.status_code == 200, done.text

            async def followed() -> bool:
                answer = await search(client, "a pooch", explain="true")
                return (answer["searched_for"], answer["served_by"]) == ("a pooch terrier ball", "lexical")

            await eventually(followed)
        finally:
            goes_on.set()


async def test_who_changed_what_is_remembered(client: httpx.AsyncClient) -> None:
    made = await post(client, "hints", HINT, status=201)
    await client.delete(f"/v1/admin/hints/{made['id']}?owner=Ben", headers=ADMIN)
    changes = (await client.get("/v1/admin/hints/history", headers=ADMIN)).json()["changes"]
    assert [(change["action"], change["who"]) for change in changes] == [("removed", "Ben"), ("added", "Ann")]


@pytest.mark.parametrize(
    ("fields", "code", "change"),
    [
        ({"page": 50}, "page_beyond_the_end", "page"),
        ({"min_score": 1}, "min_score_too_high", "min_score"),
        ({"licence": "nobody's"}, "conditions", "licence"),
        ({"exclude": "dog, cat, bridge"}, "conditions", "exclude"),
        ({"orientation": "portrait", "licence": "CC0"}, "conditions", "orientation"),
        ({"orientation": "square", "licence": "nobody's"}, "conditions", "all"),
    ],
)
async def test_an_empty_answer_says_why_and_what_would_help(
    client: httpx.AsyncClient, fields: dict[str, Any], code: str, change: str
) -> None:
    answer = await search(client, "a lighthouse", **fields)
    told = answer["zero_results"]
    assert (answer["results"], told["code"], told["suggestions"][0]["change"]) == ([], code, change)
    assert told["suggestions"][0]["found"] > 0
    assert (await search(client))["zero_results"] is None


async def signed_in(client: httpx.AsyncClient) -> None:
    await client.post("/admin/login", data={"token": "operator-token"}, headers=FROM_HERE)


async def test_the_page_adds_tries_and_takes_back_a_hint(client: httpx.AsyncClient) -> None:
    await signed_in(client)
    form = {"kind": "synonym", **HINT, "ends_on": "2099-12-31", "try": "my pooch\nno dog"}
    tried = await client.post("/admin/hints", data=form | {"action": "preview"}, headers=FROM_HERE)
    assert tried.status_code == 200, tried.text
    assert "1 of 2 searches would change" in tried.text
    saved = await client.post("/admin/hints", data=form | {"action": "save"}, headers=FROM_HERE)
    assert (saved.status_code, saved.headers["location"]) == (303, "/admin/hints?done=added")
    assert ids(await search(client, "my pooch"))[0] == "park-dog"
    listed = (await client.get("/admin/hints?find=POOCH")).text
    assert "terrier ball" in listed
    assert "2099-12-31" in listed
    [hint] = (await client.get("/v1/admin/hints", headers=ADMIN)).json()["hints"]
    gone = await client.post("/admin/hints/remove", data={"id": hint["id"]}, headers=FROM_HERE)
    assert gone.status_code == 303
    assert (await client.get("/v1/admin/hints", headers=ADMIN)).json()["hints"] == []


async def test_the_page_tells_mistakes_beside_their_fields_and_keeps_what_was_typed(client: httpx.AsyncClient) -> None:
    await signed_in(client)
    form = {"kind": "synonym", **HINT, "then": "<b>!</b>", "reason": "", "ends_on": "soon"}
    answer = await client.post("/admin/hints", data=form | {"action": "save"}, headers=FROM_HERE)
    assert answer.status_code == 422
    assert answer.text.count('aria-invalid="true"') == 2
    assert "&lt;b&gt;" in answer.text


async def test_the_page_is_for_operators_only(client: httpx.AsyncClient) -> None:
    assert (await client.get("/admin/hints")).status_code == 303
