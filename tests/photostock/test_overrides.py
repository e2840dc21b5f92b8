"""What editors decide over the ranking, through HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import String

from common.state.overrides import Override, overrides
from photostock.contract import NewPhotoOverride
from photostock.override_rules import PhotoRules
from tests.photostock.test_api import ADMIN, ids, search, service

URL = "/v1/admin/overrides"


@pytest.fixture
async def client(var_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with service(var_dir) as client:
        yield client


def wish(**fields: Any) -> dict[str, Any]:
    ends_at = (datetime.now(UTC) + timedelta(days=20)).isoformat()
    return {"owner": "Ann", "reason": "the campaign", "ends_at": ends_at, **fields}


async def added(client: httpx.AsyncClient, **fields: Any) -> str:
    response = await client.post(URL, json=wish(**fields), headers=ADMIN)
    assert response.status_code == 201, response.text
    override_id: str = response.json()["id"]
    return override_id


async def test_a_pin_puts_a_photo_at_its_place_for_its_query_alone(client: httpx.AsyncClient) -> None:
    before = ids(await search(client, "dog"))
    last = before[-1]
    override_id = await added(client, effect="pin", photo_id=last, query="Dog", position=2)
    assert ids(await search(client, " DOG! "))[1] == last
    answer = await search(client, "dog")
    assert ids(answer) == [before[0], last, *before[1:-1]]
    assert answer["overrides"] == [{"id": override_id, "effect": "pin", "photo_id": last}]
    scores = [one["score"] for one in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    other = await search(client, "beach")
    assert other["overrides"] is None
    assert ids(await search(client, "dog", order_by="latest")) != ids(answer)


async def test_pages_of_a_pinned_query_show_each_photo_once(client: httpx.AsyncClient) -> None:
    whole = ids(await search(client, "dog"))
    await added(client, effect="pin", photo_id=whole[-1], query="dog", position=3)
    await added(client, effect="promote", photo_id=whole[1], boost=1)
    pages = [ids(await search(client, "dog", per_page="1", page=str(page))) for page in range(1, len(whole) + 1)]
    assert [one for page in pages for one in page] == ids(await search(client, "dog"))
    assert sorted(one for page in pages for one in page) == sorted(whole)


async def test_a_pinned_photo_is_not_shown_where_a_condition_excludes_it_or_it_is_erased(
    client: httpx.AsyncClient,
) -> None:
    first = (await search(client, "dog"))["results"][0]
    await added(client, effect="pin", photo_id=first["id"], query="dog", position=1)
    assert first["id"] not in ids(await search(client, "dog", licence="none that exists"))
    assert (await client.delete(f"/v1/photos/{first['id']}")).status_code == 204
    assert first["id"] not in ids(await search(client, "dog"))


async def test_a_banned_photo_is_nowhere_and_comes_back(client: httpx.AsyncClient) -> None:
    first, second = ids(await search(client, "dog"))[:2]
    override_id = await added(client, effect="ban", photo_id=first)
    for query, more in (("dog", {}), ("dog", {"order_by": "latest"}), ("qqqq zzzz", {}), ("dog", {"per_page": "80"})):
        assert first not in ids(await search(client, query, **more))
    similar = (await client.get(f"/v1/photos/{second}/similar")).json()
    assert first not in ids(similar)
    assert f"/photos/{first}" not in (await client.get("/", headers={"Accept": "text/html"})).text
    assert (await client.delete(f"{URL}/{override_id}", headers=ADMIN)).status_code == 204
    assert ids(await search(client, "dog"))[0] == first


async def test_a_ban_for_a_query_leaves_the_other_queries_alone(client: httpx.AsyncClient) -> None:
    first = ids(await search(client, "dog"))[0]
    await added(client, effect="ban", photo_id=first, query="dog")
    assert first not in ids(await search(client, "dog"))
    assert first in ids(await search(client, "dogs on a beach"))


async def test_a_promoted_photo_moves_up_so_many_places(client: httpx.AsyncClient) -> None:
    before = ids(await search(client, "dog"))
    override_id = await added(client, effect="promote", photo_id=before[2], boost=1)
    answer = await search(client, "dog")
    assert ids(answer)[:3] == [before[0], before[2], before[1]]
    assert [one["id"] for one in answer["overrides"]] == [override_id]


@pytest.mark.parametrize(
    "fields",
    [
        {"effect": "pin", "photo_id": "a", "position": 1},
        {"effect": "pin", "photo_id": "a", "query": "dog"},
        {"effect": "pin", "photo_id": "a", "query": "dog", "position": 0},
        {"effect": "pin", "photo_id": "a", "query": "!?", "position": 1},
        {"effect": "ban", "photo_id": "a", "boost": 2},
        {"effect": "promote", "photo_id": "a"},
        {"effect": "promote", "photo_id": "../a", "boost": 2},
        {"effect": "hide", "photo_id": "a"},
        {"effect": "ban", "photo_id": "a", "query": "\ufdfa" * 300},
        {"effect": "ban", "photo_id": "a", "reason": "because\0"},
        {"effect": "ban", "photo_id": "a", "ends_at": "2020-01-01T00:00:00Z"},
        {"effect": "ban", "photo_id": "a", "ends_at": "9999-12-31T23:59:59-12:00"},
    ],
)
async def test_what_makes_no_sense_is_refused_in_a_preview_as_well(
    client: httpx.AsyncClient, fields: dict[str, Any]
) -> None:
    for path, body in ((URL, wish(**fields)), (f"{URL}/preview", {"override": wish(**fields)})):
        assert (await client.post(path, json=body, headers=ADMIN)).status_code == 422


def test_the_longest_target_that_is_taken_fits_into_its_column() -> None:
    longest = NewPhotoOverride.model_validate_json(
        json.dumps(wish(effect="ban", photo_id="a" * 128, query="\u00bd" * 126))
    )
    target, column = PhotoRules().target(longest), overrides.c.target.type
    assert isinstance(column, String)
    assert column.length is not None
    assert 500 < len(target) <= column.length


async def test_two_about_the_same_photo_and_query_are_refused(client: httpx.AsyncClient) -> None:
    first = await added(client, effect="pin", photo_id="beach-dog", query="dog", position=1)
    again = wish(effect="ban", photo_id="beach-dog", query="DOG")
    refused = await client.post(URL, json=again, headers=ADMIN)
    assert (refused.status_code, refused.json()["errors"][0]["what"]) == (409, first)
    assert (await client.post(URL, json=again | {"replaces": first}, headers=ADMIN)).status_code == 201


async def test_a_preview_shows_what_moves_and_saves_nothing(client: httpx.AsyncClient) -> None:
    before = ids(await search(client, "dog"))
    body = {"override": wish(effect="ban", photo_id=before[0]), "queries": ["dog"]}
    preview = (await client.post(f"{URL}/preview", json=body, headers=ADMIN)).json()
    [one] = preview["searches"]
    assert (one["query"], one["results"][-1]["id"], one["results"][-1]["move"]) == ("dog", before[0], "gone")
    assert ids(await search(client, "dog")) == before


async def test_the_page_lists_previews_and_adds(client: httpx.AsyncClient) -> None:
    here = {"Sec-Fetch-Site": "same-origin"}
    await client.post("/admin/login", data={"token": "operator-token"}, headers=here)
    form = {"effect": "pin", "photo_id": "beach-dog", "query": "dog", "position": "2", "owner": "Ann", "reason": "why"}
    form["reason"], form["ends_on"] = "a campaign", (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    tried = await client.post("/admin/overrides", data=form | {"action": "preview", "try": "cat"}, headers=here)
    assert tried.status_code == 200
    assert "searches would change" in tried.text
    form |= {"ticket": "SHOP-7", "plan": "retrain the reranker"}
    assert (await client.post("/admin/overrides", data=form, headers=here)).status_code == 303
    assert "beach-dog at place 2" in (await client.get("/admin/overrides")).text


async def test_a_decision_about_a_query_holds_for_what_was_corrected_to_it(client: httpx.AsyncClient) -> None:
    first = ids(await search(client, "lighthouse"))[0]
    wrong = await search(client, "lighthuose")
    assert wrong["corrected"] is not None
    assert first in ids(wrong)
    await added(client, effect="ban", photo_id=first, query="lighthouse")
    assert first not in ids(await search(client, "lighthuose"))


async def test_answers_that_no_override_shaped_stay_kept_while_some_are_in_force(var_dir: Path) -> None:
    async with service(var_dir) as client:
        engine = client._transport.app.state.engine  # type: ignore[attr-defined]
        whole = ids(await search(client, "dog"))
        await added(client, effect="ban", photo_id="nobody")
        await added(client, effect="promote", photo_id="nobody-else", boost=3)
        for _ in range(2):
            assert ids(await search(client, "dog")) == whole
        assert any(entry.answer is not None for entry in engine.searcher.kept._entries.values())
        await added(client, effect="ban", photo_id=whole[0])
        assert ids(await search(client, "dog")) == whole[1:]


def test_which_ones_win_is_told_of_pins_at_one_place_and_of_promotions_for_all() -> None:
    ends_at = "2099-01-01T00:00:00.000+00:00"

    def override(override_id: str, **value: object) -> Override:
        return Override(override_id, "", value, "Ann", "why", ends_at, ends_at)

    pins = [override(name, effect="pin", photo_id=name, query="dog", value=1) for name in "abc"]
    everywhere = override("d", effect="promote", photo_id="x", query=None, value=3)
    never = override("e", effect="ban", photo_id="x", query="dog", value=None)
    found = PhotoRules().shadows([*pins, everywhere, never])
    assert found == {"a": ["b", "c"], "b": ["c"], "d": ["e"]}
