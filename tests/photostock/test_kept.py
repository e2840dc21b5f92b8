"""What is kept of a search is given again as long as nothing has changed, and not a moment longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from common.settings import ServiceSettings
from common.state.database import open_state
from photostock import replay_notes
from photostock.answering import Answered
from photostock.catalogue import Catalogue
from photostock.contract import SearchQuery
from photostock.finding import Found, Wanted
from photostock.hints.rewriting import Rewritten
from photostock.kept import KeptSearches, epoch_of
from photostock.library import Library
from tests.photostock.test_api import ADMIN, ids, search, service
from tests.photostock.test_library import TextEncoder, photos

ASKED = "otter with a pebble"
ROWS, SCORES = np.arange(3), np.array([0.9, 0.8, 0.7])


@pytest.fixture
async def client(var_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with service(var_dir) as client:
        yield client


def wanted(query: str = "a dog") -> Wanted:
    fields = SearchQuery(query=query)
    return Wanted(fields, query, Rewritten(query, query), np.ones(3, dtype=np.bool_))


def found() -> Found:
    return Found(ROWS, SCORES)


def kept_at(epoch: tuple[object, ...], one: Wanted, result: Found, **limits: int) -> KeptSearches:
    searches = KeptSearches(**limits)
    assert searches.wanted(epoch, one.fields) is None
    searches.keep(epoch, one, result)
    return searches


def test_the_same_search_finds_what_was_found_before() -> None:
    one, result = wanted(), found()
    searches = kept_at((1,), one, result)
    assert searches.wanted((1,), SearchQuery(query="a dog")) is one
    assert searches.found(one) is result
    assert searches.wanted((1,), SearchQuery(query="a dog", page=2)) is None


def test_whatever_changes_all_is_forgotten() -> None:
    one = wanted()
    searches = kept_at((1,), one, found())
    assert searches.wanted((2,), one.fields) is None
    assert searches.found(one) is None
    assert searches.wanted((1,), one.fields) is None


def test_what_was_found_before_a_change_is_not_kept_after_it() -> None:
    one, searches = wanted(), KeptSearches()
    searches.wanted((1,), one.fields)
    searches.wanted((2,), wanted("a cat").fields)  # another request, after the change
    searches.keep((1,), one, found())
    assert searches.wanted((2,), one.fields) is None


def test_an_answer_is_given_again_only_for_the_same_photos_and_the_same_words_beside_them() -> None:
    one, result = wanted(), found()
    searches = kept_at((1,), one, result)
    searches.keep_answer(one, result, ("semantic", False), "an answer")
    assert searches.answer(one, result, ("semantic", False)) == "an answer"
    assert searches.answer(one, result, ("semantic", True)) is None
    assert searches.answer(one, found(), ("semantic", False)) is None


def test_the_oldest_go_when_there_is_no_more_room() -> None:
    first, second = wanted("a dog"), wanted("a cat")
    searches = kept_at((1,), first, found(), most_bytes=15_000)
    searches.keep((1,), second, found())
    assert searches.wanted((1,), first.fields) is None
    assert searches.wanted((1,), second.fields) is second


def test_the_text_of_an_answer_takes_as_much_room_as_it_has_bytes() -> None:
    first, second, result = wanted("a dog"), wanted("a cat"), found()
    searches = kept_at((1,), first, found(), most_bytes=50_000)
    searches.keep((1,), second, result)
    searches.keep_answer(second, result, "told", "an answer")
    searches.weigh(second, "an answer", 40_000)
    assert searches.wanted((1,), first.fields) is None
    assert searches.wanted((1,), second.fields) is second
    searches.weigh(second, "an answer", 60_000)
    assert searches.wanted((1,), second.fields) is None


def test_what_was_found_for_an_explanation_is_not_kept() -> None:
    fields = SearchQuery(query="a dog", explain=True)
    one = Wanted(fields, "a dog", Rewritten("a dog", "a dog"), np.ones(3, dtype=np.bool_))
    assert kept_at((1,), one, found()).wanted((1,), fields) is None


def test_searches_go_on_while_photos_are_replaced_and_the_index_is_tidied(tmp_path: Path) -> None:
    engine = open_state(ServiceSettings(var_dir=tmp_path))
    library = Library(Catalogue(engine), None, graph_from=50, kept_for_s=0)
    library.refresh()
    library.use_encoder(TextEncoder())
    library.add(photos(0, 120))
    searches, fields, result = KeptSearches(), SearchQuery(query="a dog"), found()

    def search() -> Wanted | None:
        epoch = epoch_of(library, library.semantic, None)
        known = searches.wanted(epoch, fields)
        if known is None:
            searches.keep(epoch, wanted(), result)
        return known

    def change() -> None:
        for number in range(10):
            library.add(photos(number, number + 1, f"round {number}"))
            library.tidy()
            library.add(photos(200 + 60 * number, 260 + 60 * number))
            library.tidy()

    with ThreadPoolExecutor(1) as changing:
        changes = changing.submit(change)
        while not changes.done():
            search()
    changes.result()
    before = search() or search()
    assert before is not None
    assert search() is before
    library.add(photos(5, 6, "replaced"))
    search()
    library.tidy()  # the row of the replaced photo goes, with no change of a photo
    assert search() is None
    assert search() is not None
    engine.dispose()


async def test_a_preview_of_a_hint_forgets_nothing_of_what_others_searched_for(client: httpx.AsyncClient) -> None:
    await search(client, ASKED)
    kept = client._transport.app.state.engine.searcher.kept  # type: ignore[attr-defined]
    before = list(kept._entries)
    hint = {"when": "otter", "then": "dog", "owner": "Ann", "reason": "a test of it"}
    answer = await client.post("/v1/admin/hints/preview", json={"hint": hint, "queries": [ASKED]}, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    assert [change["query"] for change in answer.json()["changed"]] == [ASKED]
    assert before
    assert list(kept._entries) == before


async def test_the_second_answer_is_the_first_but_for_its_request_id(client: httpx.AsyncClient) -> None:
    await search(client, ASKED)  # while the breaker of the reranker, which nobody is, opens
    for _ in range(6):
        first = await search(client, ASKED)
    second = await search(client, ASKED)
    assert first.pop("request_id") != second.pop("request_id")
    assert first == second


async def test_answers_of_a_search_that_is_kept_share_what_is_noted_for_their_replays(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, replays = list[str](), client._transport.app.state.engine.replays  # type: ignore[attr-defined]

    def noted(library: Library, one: Answered, *rest: Any) -> dict[str, Any]:
        notes.append(one.wanted.fields.query)
        return tape(library, one, *rest)

    tape = replay_notes._tape
    monkeypatch.setattr(replay_notes, "_tape", noted)
    for _ in range(6):  # while the breaker of the reranker opens
        await search(client, ASKED)
    assert await asyncio.to_thread(replays.log.flush, 10)
    notes.clear()
    asked = [await search(client, query) for query in [ASKED] * 5 + ["dog"] * 5]
    again = [(await client.get(f"/v1/admin/replays/{one['request_id']}", headers=ADMIN)).json() for one in asked]
    assert [one["same_bytes"] for one in again] == [True] * 10
    assert set(notes) == {ASKED, "dog"}
    assert len(notes) < 10, "answers that are written down together are noted once"


async def test_an_added_photo_is_in_the_next_answer_and_a_deleted_one_in_none(client: httpx.AsyncClient) -> None:
    before = ids(await search(client, ASKED))
    await client.post("/v1/photos", json={"photos": [{"id": "otter", "title": ASKED}]})
    assert ids(await search(client, ASKED))[0] == "otter"
    assert ids(await search(client, ASKED))[0] == "otter"
    await client.delete("/v1/photos/otter")
    assert ids(await search(client, ASKED)) == before


async def test_a_tier_that_is_switched_off_does_not_serve_what_is_kept(client: httpx.AsyncClient) -> None:
    assert (await search(client))["served_by"] == "semantic"
    ends_at = datetime.now(UTC) + timedelta(hours=1)
    wish = {"state": "off", "owner": "Ann", "reason": "a test of it", "ends_at": ends_at.isoformat()}
    answer = await client.put("/v1/admin/switches/semantic", json=wish, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    assert (await search(client))["served_by"] == "lexical"
