"""The API process through HTTP, with a reranker on a real socket that is well, wrong or gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest

from photostock.app import create_app
from photostock.contract import MAX_QUERIES
from photostock.settings import PhotoSettings
from tests.json_server import Answer, json_server
from tests.photostock.conftest import PHOTOS, WordEncoder, by_id_backwards
from tests.waiting import eventually

ADMIN = {"Authorization": "Bearer operator-token"}
NOBODY = "http://127.0.0.1:1"


@asynccontextmanager
async def service(
    var_dir: Path, reranker_url: str = NOBODY, *, encoder: bool = True, **options: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """The application with a small catalogue, started and stopped as a server would."""
    settings = PhotoSettings.model_validate(
        {"var_dir": var_dir, "reranker_url": reranker_url, "admin_token": "operator-token", "low_timeout_ms": 2_000}
        | options
    )
    app = create_app(settings, raise_bugs=True)
    async with app.router.lifespan_context(app):
        library = app.state.engine.library
        await asyncio.to_thread(library.add, PHOTOS)
        if encoder:
            await asyncio.to_thread(library.use_encoder, WordEncoder())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://photos") as client:
            yield client


@pytest.fixture
async def client(var_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with service(var_dir) as client:
        yield client


async def search(client: httpx.AsyncClient, query: str = "dog on a beach", **fields: Any) -> dict[str, Any]:
    response = await client.get("/v1/search", params={"query": query, **fields})
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    assert response.headers["X-Served-By"] == document["served_by"]
    return document


def ids(answer: dict[str, Any]) -> list[str]:
    return [result["id"] for result in answer["results"]]


async def test_a_shadow_reranker_is_compared_and_never_used(var_dir: Path) -> None:
    def forwards(request: dict[str, Any]) -> Any:
        assert request["version"] == "champion"
        document = by_id_backwards(request)
        for ranking in document["rankings"]:
            for score in ranking:
                score["score"] = -score["score"]
        return document

    async def report(client: httpx.AsyncClient) -> Any:
        return (await client.get("/v1/admin/shadow", headers=ADMIN)).json()["shadow"]

    async def compared(client: httpx.AsyncClient) -> Any:
        seen = await report(client)
        return seen if seen["compared"] else None

    with json_server(by_id_backwards) as url, json_server(forwards) as other:
        async with service(var_dir, url) as client:
            alone = await search(client)
            assert await report(client) is None
        async with service(var_dir, url, shadow_url=other) as client:
            beside = await search(client)
            seen = await eventually(lambda: compared(client))
    assert ids(beside) == ids(alone)
    assert 0 < seen["mean_difference"] <= 1


async def test_the_reranker_puts_the_photos_in_its_order_and_nothing_is_degraded(var_dir: Path) -> None:
    with json_server(by_id_backwards) as url:
        async with service(var_dir, url) as client:
            answer = await search(client)
    assert ids(answer) == ["park-dog", "cat", "bridge", "beach-dog"]
    assert (answer["served_by"], answer["degraded"], answer["reason"]) == ("reranker", False, None)
    assert answer["versions"]["reranker"] == "1.0.0"
    scores = [result["score"] for result in answer["results"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("text", ["犬が海岸を走る。" * 100, '"' * 5_000, "\x01" * 5_000, "\n" * 4_999 + "a"])
async def test_a_bulk_over_long_texts_of_any_kind_fits_into_what_the_reranker_takes(var_dir: Path, text: str) -> None:
    sizes = []

    def measured(request: dict[str, Any]) -> Any:
        sizes.append(len(json.dumps(request, ensure_ascii=False).encode()))
        [ranking] = request["rankings"]
        scores = [{"id": one["id"], "score": one["retrieval_score"]} for one in ranking["documents"]]
        return {"version": "1.0.0", "rankings": [scores]}

    photos = [{"id": f"j{number:0>127}", "title": "海", "description": text} for number in range(20)]
    with json_server(measured) as url:
        async with service(var_dir, url) as client:
            assert (await client.post("/v1/photos", json={"photos": photos})).status_code == 201
            answer = await search(client, "海")
    assert answer["served_by"] == "reranker"
    assert MAX_QUERIES * sizes[0] < 4 * 2**20


async def test_without_the_reranker_the_first_stage_answers_and_says_so(client: httpx.AsyncClient) -> None:
    answer = await search(client)
    assert ids(answer)[0] == "beach-dog"
    assert (answer["served_by"], answer["degraded"]) == ("semantic", True)
    assert answer["reason"] == "reranker:unreachable"


def with_foreign_id(request: dict[str, Any]) -> Any:
    answer = by_id_backwards(request)
    answer["rankings"][0][0]["id"] = "somebody-elses"
    return answer


def with_nan(request: dict[str, Any]) -> Any:
    answer = by_id_backwards(request)
    answer["rankings"][0][0]["score"] = float("nan")
    return answer


def huge(request: dict[str, Any]) -> Any:
    answer = by_id_backwards(request)
    answer["rankings"][0][0]["score"] = 1e308
    return answer


def shuffled(request: dict[str, Any]) -> Any:
    answer = by_id_backwards(request)
    answer["rankings"][0].reverse()
    return answer


def too_few(request: dict[str, Any]) -> Any:
    answer = by_id_backwards(request)
    answer["rankings"][0].pop()
    return answer


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (with_foreign_id, "reranker:meaning"),
        (shuffled, "reranker:meaning"),
        (too_few, "reranker:meaning"),
        (with_nan, "reranker:schema"),
        (huge, "reranker:out_of_range"),
        (lambda _: {"scores": [1]}, "reranker:schema"),
        (lambda _: {"version": "1.0.0", "rankings": []}, "reranker:meaning"),
    ],
)
async def test_a_reranker_that_lies_is_not_believed(var_dir: Path, lie: Answer, reason: str) -> None:
    with json_server(lie) as url:
        async with service(var_dir, url) as client:
            answer = await search(client)
    assert (answer["served_by"], answer["degraded"], answer["reason"]) == ("semantic", True, reason)
    assert ids(answer)[0] == "beach-dog"


async def test_without_an_encoder_words_are_searched(var_dir: Path) -> None:
    async with service(var_dir, encoder=False) as client:
        answer = await search(client, "terrier")
    assert (ids(answer), answer["served_by"], answer["total"]) == (["park-dog"], "lexical", 1)
    assert answer["reason"] == "semantic:not_loaded"


async def test_without_a_word_in_common_popular_photos_are_shown(var_dir: Path) -> None:
    async with service(var_dir, encoder=False) as client:
        answer = await search(client, "xylophone")
    assert ids(answer) == ["park-dog", "cat", "beach-dog", "bridge"]
    assert answer["reason"] == "semantic:not_loaded, lexical:no_match"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"orientation": "portrait"}, {"park-dog"}),
        ({"licence": "CC0"}, {"beach-dog"}),
        ({"color": "red"}, {"cat"}),
        ({"color": "#cc2222"}, {"cat"}),
        ({"exclude": "dog"}, {"cat", "bridge"}),
        ({"exclude": "dog,cat"}, {"bridge"}),
        ({"as_of": "2026-04-30"}, {"beach-dog", "park-dog", "cat"}),
        ({"per_page": "2", "page": "3"}, set()),
    ],
)
@pytest.mark.parametrize("encoder", [True, False])
async def test_only_photos_that_fit_are_shown_by_whichever_tier(
    var_dir: Path, fields: dict[str, str], expected: set[str], encoder: bool
) -> None:
    async with service(var_dir, encoder=encoder) as client:
        answer = await search(client, "dog cat bridge", **fields)
    assert set(ids(answer)) == expected


async def test_photos_below_the_minimum_score_are_left_out_and_not_counted(client: httpx.AsyncClient) -> None:
    everything = await search(client)
    cut = everything["results"][1]["score"]
    good = await search(client, min_score=cut - 1e-4)
    assert (ids(good), good["total"]) == (ids(everything)[:2], 2)


async def test_pages_follow_each_other_without_gap_or_repetition(client: httpx.AsyncClient) -> None:
    pages = [ids(await search(client, per_page=1, page=page)) for page in (1, 2, 3, 4, 5)]
    assert sorted(chain.from_iterable(pages)) == ["beach-dog", "bridge", "cat", "park-dog"]


async def test_the_order_can_be_by_fame_or_by_date(client: httpx.AsyncClient) -> None:
    popular = await search(client, order_by="popular", min_score=-1)
    assert ids(popular) == ["park-dog", "cat", "beach-dog", "bridge"]
    assert (popular["degraded"], popular["reason"]) == (False, "reranker:other_order")
    assert ids(await search(client, order_by="latest", min_score=-1))[0] == "bridge"


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"query": ""},
        {"query": "   "},
        {"query": "dog", "pgae": "1"},
        {"query": "dog", "page": "0"},
        {"query": "dog", "per_page": "81"},
        {"query": "dog", "page": "100", "per_page": "80"},
        {"query": "dog", "orientation": "diagonal"},
        {"query": "dog", "min_score": "nan"},
        {"query": "dog", "color": "nosuchcolour"},
    ],
)
async def test_a_search_that_makes_no_sense_is_told_why(client: httpx.AsyncClient, params: dict[str, str]) -> None:
    response = await client.get("/v1/search", params=params)
    assert (response.status_code, response.headers["Content-Type"]) == (422, "application/problem+json")
    assert response.json()["errors"][0]["what"]


async def test_an_unknown_version_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/search", params={"query": "dog", "version": "9.9.9"})).status_code == 404


async def test_the_same_request_twice_is_the_same_answer(client: httpx.AsyncClient) -> None:
    headers = {"X-Request-ID": "same"}
    first, second = [await client.get("/v1/search?query=dog&seed=7", headers=headers) for _ in range(2)]
    assert first.content == second.content


async def test_many_searches_in_one_request_are_answered_in_order(var_dir: Path) -> None:
    with json_server(by_id_backwards) as url:
        async with service(var_dir, url) as client:
            queries = [{"query": "cat on a sofa"}, {"query": "bridge at night", "per_page": 1}]
            response = await client.post("/v1/searches", json={"queries": queries})
    answers = response.json()["searches"]
    assert [len(answer["results"]) for answer in answers] == [4, 1]
    assert response.json()["degraded"] is False


async def test_an_explanation_tells_what_each_stage_did(var_dir: Path) -> None:
    with json_server(by_id_backwards) as url:
        async with service(var_dir, url) as client:
            answer = await search(client, explain="true")
    best = answer["results"][0]
    assert best["ranks"] == {"semantic": best["ranks"]["semantic"], "reranker": 1}
    assert set(best["scores"]) == {"semantic", "reranker"}
    assert set(answer["stages_ms"]) >= {"filter", "semantic", "reranker"}
    assert answer["hints"] == []


async def test_a_photo_is_found_by_the_next_search_and_gone_after_its_deletion(client: httpx.AsyncClient) -> None:
    new = {"id": "otter", "title": "Otter with a pebble"}
    assert (await client.post("/v1/photos", json={"photos": [new]})).status_code == 201
    assert ids(await search(client, "otter with a pebble"))[0] == "otter"
    assert (await client.get("/v1/photos/otter")).json()["title"] == "Otter with a pebble"
    assert (await client.delete("/v1/photos/otter")).status_code == 204
    assert "otter" not in ids(await search(client, "otter with a pebble"))
    assert (await client.get("/v1/photos/otter")).status_code == 404
    assert (await client.delete("/v1/photos/otter")).status_code == 404


async def test_a_photo_that_is_replaced_is_found_by_its_new_words_only_once(client: httpx.AsyncClient) -> None:
    await client.post("/v1/photos", json={"photos": [{"id": "cat", "title": "Heron by a lake"}]})
    found = ids(await search(client, "heron by a lake"))
    assert (found[0], found.count("cat")) == ("cat", 1)


async def test_what_was_acknowledged_is_there_after_a_restart(var_dir: Path) -> None:
    async with service(var_dir) as client:
        await client.post("/v1/photos", json={"photos": [{"id": "otter", "title": "Otter with a pebble"}]})
        await client.delete("/v1/photos/cat")
    app = create_app(PhotoSettings.model_validate({"var_dir": var_dir, "admin_token": "operator-token"}))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://photos") as client,
    ):
        assert ids(await search(client, "otter")) == ["otter"]
        assert (await client.get("/v1/photos/cat")).status_code == 404


@pytest.mark.parametrize(
    "photo",
    [
        {"id": "x"},
        {"title": "no id"},
        {"id": "../etc", "title": "t"},
        {"id": "x", "title": "t", "height": 0},
        {"id": "x", "title": "t", "created_at": "soon"},
    ],
)
async def test_a_photo_that_makes_no_sense_is_refused_whole(client: httpx.AsyncClient, photo: dict[str, Any]) -> None:
    response = await client.post("/v1/photos", json={"photos": [{"id": "good", "title": "Good"}, photo]})
    assert response.status_code == 422
    assert (await client.get("/v1/photos/good")).status_code == 404


async def test_similar_photos_do_not_include_the_photo_itself(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/v1/photos/beach-dog/similar", params={"per_page": 2})).json()
    assert ids(answer)[0] == "park-dog"
    assert "beach-dog" not in ids(answer)


async def test_a_picture_is_a_jpeg_and_an_unsafe_one_is_not_shown(client: httpx.AsyncClient) -> None:
    picture = await client.get("/v1/photos/beach-dog/image", params={"width": 320})
    assert (picture.headers["Content-Type"], picture.content[:3]) == ("image/jpeg", b"\xff\xd8\xff")
    assert (await client.get("/v1/photos/hidden/image")).status_code == 404


async def test_a_hint_changes_the_search_at_once_and_can_be_taken_back(client: httpx.AsyncClient) -> None:
    hint = {"when": "pooch", "then": "terrier ball", "owner": "Ann", "reason": "a word that people use"}
    made = await client.post("/v1/admin/hints", json=hint, headers=ADMIN)
    assert made.status_code == 201
    hinted = await search(client, "my pooch", explain="true")
    assert (ids(hinted)[0], hinted["hints"][0]["when"]) == ("park-dog", "pooch")
    assert (await client.delete(f"/v1/admin/hints/{made.json()['id']}", headers=ADMIN)).status_code == 204
    plain = await search(client, "my pooch", explain="true")
    assert (plain["hints"], plain["versions"]["hints"]) == ([], "none")


async def test_hints_are_for_operators_only(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/admin/hints")).status_code == 401
    assert (await client.get("/v1/admin/hints", headers={"Authorization": "Bearer guess"})).status_code == 403


async def test_feedback_is_accepted_and_the_same_event_twice_is_one(client: httpx.AsyncClient) -> None:
    event = {"query": "dog", "photo_id": "cat", "kind": "click", "user_id": "u1", "at": "2026-06-01T12:00:00Z"}
    for _ in range(2):
        response = await client.post("/v1/feedback", json={"events": [event, event]})
        assert (response.status_code, response.json()["accepted"]) == (201, 2)


async def test_a_filter_that_fails_means_an_error_and_never_unfiltered_photos(var_dir: Path) -> None:
    settings = PhotoSettings.model_validate({"var_dir": var_dir, "admin_token": "operator-token"})
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        app.state.engine.library._filter = None  # whatever may break it
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://photos") as client:
            response = await client.get("/v1/search", params={"query": "dog"})
    assert (response.status_code, "results" in response.json()) == (500, False)


async def test_equal_scores_leave_the_order_of_the_first_stage(var_dir: Path) -> None:
    def indifferent(request: dict[str, Any]) -> Any:
        answer = by_id_backwards(request)
        for score in answer["rankings"][0]:
            score["score"] = 1.0
        return answer

    with json_server(indifferent) as url:
        async with service(var_dir, url) as client:
            reranked = await search(client)
    async with service(var_dir) as client:
        assert ids(reranked) == ids(await search(client))
