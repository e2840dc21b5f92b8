"""Searches among many photos and of long texts: what the event loop does not do, how many there are, what is sent."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from common.deadline import Deadline
from photostock import wanting
from photostock.filter.filter import Conditions
from photostock.hints import Hint, Hints
from photostock.index.vectors import VectorIndex
from photostock.photo import Photo
from photostock.ranking import Mask
from tests.json_server import json_server
from tests.photostock.conftest import by_id_backwards
from tests.photostock.test_api import client as client
from tests.photostock.test_api import ids, search, service


def engine_of(client: httpx.AsyncClient) -> Any:
    return client._transport.app.state.engine  # type: ignore[attr-defined]


async def test_dear_conditions_among_many_photos_never_hold_up_the_event_loop(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wanting, "DEAR_ON_THE_LOOP", 0)
    engine, threads = engine_of(client), []
    decide = engine.library.allowed

    def watched(conditions: Conditions, **bans: Any) -> Mask:
        if conditions.color is not None:
            threads.append(threading.current_thread())
        mask: Mask = decide(conditions, **bans)
        return mask

    monkeypatch.setattr(engine.library, "allowed", watched)
    assert ids(await search(client, color="#cc2222")) == ["cat"]
    assert (await search(client, color="#00ff00"))["zero_results"]["suggestions"]
    assert (await client.get("/", params={"color": "#cc2222"})).status_code == 200
    assert len(threads) == 3
    assert threading.main_thread() not in threads
    started, release = threading.Event(), threading.Event()

    def hold() -> None:
        started.set()
        release.wait(30)

    held = asyncio.create_task(engine.searcher.fallback_pool.run(hold, deadline=Deadline.after_ms(30_000)))
    try:
        await asyncio.to_thread(started.wait)
        params = {"query": "dog", "color": "#cc2222"}
        refused = await client.get("/v1/search", params=params, headers={"X-Timeout-Ms": "150"})
    finally:
        release.set()
        await held
    assert refused.status_code == 503


async def test_the_same_conditions_of_many_searches_are_decided_once(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, asked = engine_of(client), []
    decide = engine.library.allowed

    def watched(conditions: Conditions, **bans: Any) -> Mask:
        asked.append(conditions)
        mask: Mask = decide(conditions, **bans)
        return mask

    monkeypatch.setattr(engine.library, "allowed", watched)
    queries = [{"query": f"dog {n}", "licence": "CC0"} for n in range(20)]
    assert (await client.post("/v1/searches", json={"queries": queries})).status_code == 200
    assert asked == [Conditions(licence="CC0")]


async def test_a_search_by_words_counts_all_that_have_them_on_every_page(var_dir: Path) -> None:
    photos = [Photo(f"f{n:03}", f"A fox {n}") for n in range(300)]
    async with service(var_dir, encoder=False) as client:
        await asyncio.to_thread(engine_of(client).library.add, photos)
        pages = [await search(client, "fox", page=page) for page in (1, 10, 15)]
    assert [page["total"] for page in pages] == [300] * 3
    assert [len(page["results"]) for page in pages] == [20] * 3


async def test_long_texts_are_cut_before_they_are_sent_and_cost_no_answer(var_dir: Path) -> None:
    sent: list[Any] = []

    def answer(request: dict[str, Any]) -> Any:
        sent.extend(document for ranking in request["rankings"] for document in ranking["documents"])
        return by_id_backwards(request)

    long = [Photo(f"long{n}", "Dog on a beach", "sea " * 7_000, tags=("otter",)) for n in range(2)]
    with json_server(answer) as url:
        async with service(var_dir, url) as client:
            await asyncio.to_thread(engine_of(client).library.add, long)
            assert (await search(client, "sea"))["served_by"] == "reranker"
            similar = (await client.get("/v1/photos/long0/similar")).json()
    assert max(len(document["text"]) for document in sent) <= 2_000
    assert (similar["results"][0]["id"], similar["degraded"]) == ("long1", False)


async def test_similar_photos_are_found_by_the_vector_and_no_words_are_read_as_a_query(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(client)
    minus = Photo("minus", "Spaniel -beach dog", "pooch along the sea")
    await asyncio.to_thread(engine.library.add, [minus])
    hint = Hint("1", "pooch", "cat sofa tabby", "Ann", "a test", "", "replacement")
    monkeypatch.setattr(engine.active_hints, "value", Hints((hint,)))
    encoder = engine.library.encoder
    monkeypatch.setattr(type(encoder), "encode", lambda *_: pytest.fail("the vector is there already"))
    answer = (await client.get("/v1/photos/minus/similar")).json()
    assert ids(answer)[0] == "beach-dog"
    assert (answer["served_by"], answer["degraded"], answer["total"]) == ("semantic", False, 4)


async def test_versions_are_those_that_the_search_was_made_with(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(client)
    before = engine.active_hints.value.version
    popular = engine.library.allowed

    def meanwhile(conditions: Conditions, **bans: Any) -> Mask:
        engine.active_hints.value = Hints((Hint("1", "couch", "sofa", "Ann", "a test", ""),))
        mask: Mask = popular(conditions, **bans)
        return mask

    monkeypatch.setattr(engine.library, "allowed", meanwhile)
    assert (await search(client))["versions"]["hints"] == before


def test_the_vector_of_a_row_is_about_what_was_put_there() -> None:
    vectors = np.random.default_rng(1).normal(size=(5, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = VectorIndex(dimensions=64)
    index.add(range(5), vectors)
    kept = index.vector_of(3)
    assert kept is not None
    assert float(kept @ vectors[3]) > 0.999
    index.remove([3])
    assert index.vector_of(3) is None
