"""The pages through HTTP: the same search as the API's, told in words, and never an empty page."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from photostock.contract import SearchAnswer
from photostock.page_query import page_query
from photostock.told import who_answered, why
from tests.json_server import json_server
from tests.photostock.conftest import by_id_backwards
from tests.photostock.test_api import ids, search, service


@pytest.fixture
async def client(var_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with service(var_dir) as client:
        yield client


async def page(client: httpx.AsyncClient, path: str = "/", *, status: int = 200, **parameters: object) -> str:
    answer = await client.get(path, params={name: str(value) for name, value in parameters.items()})
    assert answer.status_code == status, answer.text
    return answer.text


def shown(html: str) -> list[str]:
    """The photos of the page in their order."""
    return re.findall(r'<li data-id="([^"]+)"', html)


async def test_the_page_shows_what_the_api_answers_with_the_same_provenance(var_dir: Path) -> None:
    with json_server(by_id_backwards) as url:
        async with service(var_dir, url) as client:
            answer = await search(client, "dog on a beach")
            told = await client.get("/", params={"query": "dog on a beach"})
    assert shown(told.text) == ids(answer)
    assert told.headers["x-served-by"] == "reranker"
    assert told.headers["x-degraded"] == "false"
    assert "put in order by a closer look" in told.text


async def test_without_a_reranker_the_page_says_so_in_words(client: httpx.AsyncClient) -> None:
    html = await page(client, query="dog on a beach")
    assert "Found by meaning. Not as good as usual: the closer look can&#39;t be reached." in html


async def test_without_an_encoder_the_page_is_found_by_words(var_dir: Path) -> None:
    async with service(var_dir, encoder=False) as client:
        html = await page(client, query="spaniel")
        assert shown(html) == ["beach-dog"]
        assert "Found by the words you typed." in html
        assert shown(await page(client, query="zebra")) != []


async def test_the_start_shows_popular_photos_that_fit_the_filters(client: httpx.AsyncClient) -> None:
    assert shown(await page(client)) == ["park-dog", "cat", "beach-dog", "bridge"]
    assert shown(await page(client, orientation="portrait", query="")) == ["park-dog"]
    assert len(shown(await page(client, min_score="0.3"))) == 4, "of photos that nobody searched for, none has a score"


async def test_the_start_turns_pages_that_no_photographer_fills_in_the_order_that_was_asked_for(var_dir: Path) -> None:
    new = [
        {
            "id": f"x{number:02}",
            "title": "Harbour",
            "photographer": "Ada" if number < 30 else f"P{number}",
            "popularity": 100 - number,
            "created_at": f"20{10 + number % 50}-01-01",
        }
        for number in range(60)
    ]
    async with service(var_dir) as client:
        assert (await client.post("/v1/photos", json={"photos": new})).status_code == 201
        pages = [await page(client, page=number) for number in (1, 2, 3)]
        everyone = [one for html in pages for one in shown(html)]
        assert len(everyone) == len(set(everyone)) == 64
        assert sum(one < "x30" for one in shown(pages[0])[:20] if one.startswith("x")) == 3
        assert 'rel="next"' in pages[0]
        assert "There are no more photos" in await page(client, page=9)
        assert shown(await page(client, order_by="latest"))[:2] == ["x49", "x48"]
        assert "park-dog" not in shown(await page(client, exclude="harbour, park"))
        instead = shown(await page(client, query="dog", licence="nobody's"))
        assert sum(one < "x30" for one in instead) == 3


async def test_a_photo_that_nobody_may_see_is_on_no_page(client: httpx.AsyncClient) -> None:
    for html in (await page(client), await page(client, query="dog nobody see"), await page(client, "/photos/cat")):
        assert "hidden&" not in html
        assert "hidden" not in shown(html)
    await page(client, "/photos/hidden", status=404)


async def test_the_page_explains_places_scores_hints_and_times(var_dir: Path) -> None:
    with json_server(by_id_backwards) as url:
        async with service(var_dir, url) as client:
            html = await page(client, query="dog on a beach", explain=1)
    for told in ("Place by semantic", "Place by reranker", "Time per stage", "Hints applied", "moved up by"):
        assert told in html


async def test_what_finds_nothing_says_why_and_shows_popular_photos(client: httpx.AsyncClient) -> None:
    html = await page(client, query="dog", licence="nobody's")
    assert "No photos of dog" in html
    assert 'href="/?query=dog"' in html  # without the filter
    assert len(shown(html)) == 4
    assert "nothing" not in await page(client, query="dog", page=9, per_page=20)


async def test_what_is_wrong_in_an_address_is_told_beside_the_form_which_keeps_the_rest(
    client: httpx.AsyncClient,
) -> None:
    html = await page(client, query="dog", orientation="round", status=422)
    assert 'value="dog"' in html
    assert 'aria-describedby="orientation-mistake"' in html
    assert "colour" in await page(client, query="dog", colour="red", status=422)  # it is spelled color


async def test_a_query_is_text_to_the_page_whatever_it_holds(client: httpx.AsyncClient) -> None:
    html = await page(client, query='"><script>alert(1)</script>')
    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html


async def test_a_photo_page_tells_its_facts_shows_others_like_it_and_leads_back(client: httpx.AsyncClient) -> None:
    html = await page(client, "/photos/beach-dog", query="dog", orientation="landscape")
    for fact in ("Dog on a beach", "A wet spaniel runs along the sea", "CC0", "1,600 × 1,067", "landscape"):
        assert fact in html
    assert 'href="/?query=dog&amp;orientation=landscape"' in html
    assert "beach-dog" not in shown(html)
    assert len(shown(html)) == 3


async def test_every_picture_says_its_size_and_what_it_shows(client: httpx.AsyncClient) -> None:
    pictures = re.findall(r"<img\s[^>]*>", await page(client, query="dog"))
    assert len(pictures) == 4
    assert all(re.search(r'width="\d+" height="\d+" alt="[^"]+"', picture) for picture in pictures)


@pytest.mark.parametrize("path", ["/", "/?query=dog", "/?query=dog&explain=1", "/photos/cat", "/admin/login"])
async def test_no_page_holds_inline_code(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert not re.search(r"<style|\sstyle=|<script>|\son\w+=|javascript:", answer.text)
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_a_browser_may_send_a_callers_key_as_a_password_but_no_other_site_may_use_it(var_dir: Path) -> None:
    key = "Basic " + base64.b64encode(b"anything:key-of-the-web").decode()
    async with service(var_dir, api_keys={"web": "key-of-the-web"}) as client:
        refused = await client.get("/", headers={"Accept": "text/html"})
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith('Basic realm="PhotoStock"')
        assert (await client.get("/v1/search?query=dog")).headers["www-authenticate"] == "Bearer"
        assert (await client.get("/", headers={"Authorization": key})).status_code == 200
        assert (await client.get("/v1/photos/cat/image", headers={"Authorization": key})).status_code == 200
        forged = {"Authorization": key, "Sec-Fetch-Site": "cross-site"}
        assert (await client.delete("/v1/photos/cat", headers=forged)).status_code == 403
        ours = {"Authorization": key, "Sec-Fetch-Site": "same-origin"}
        assert (await client.delete("/v1/photos/cat", headers=ours)).status_code == 204
        for wrong in ("Basic !", "Basic " + base64.b64encode(b"me:guess").decode(), "Basic " + "Zg=="):
            assert (await client.get("/", headers={"Authorization": wrong})).status_code == 401


def test_an_address_changes_one_thing_at_a_time_and_begins_at_the_first_page_again() -> None:
    asked = page_query({"query": "dog", "color": "red", "licence": " ", "page": "3"})
    assert asked.address(color=None) == "/?query=dog"
    assert asked.address(page=4) == "/?query=dog&color=red&page=4"
    assert asked.conditions == [("color", "red")]
    assert page_query({"query": "dog", "seed": "7"}).carried == [("seed", "7")]


@pytest.mark.parametrize(("total", "last"), [(0, 1), (24, 1), (25, 2), (1_000_000, 41)])
def test_one_can_turn_as_far_as_the_api_lets_one(total: int, last: int) -> None:
    assert page_query({"query": "dog"}).last_page(total) == last


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (None, []),
        ("reranker:other_order", []),
        ("reranker:breaker_open", ["the closer look was in trouble a moment ago and is left alone"]),
        ("semantic:not_loaded, lexical:no_match", ["the search by meaning is not ready", "no photo has these words"]),
        ("reranker:some_new_code", ["the closer look gave no answer that could be used"]),
    ],
)
def test_reasons_are_told_in_words(reason: str | None, told: list[str]) -> None:
    assert why(reason) == told


def test_an_answer_that_lacks_nothing_is_told_without_excuses() -> None:
    answer = SearchAnswer(
        results=[],
        total=0,
        page=1,
        per_page=20,
        served_by="semantic",
        degraded=False,
        reason="reranker:too_few",
        versions={},
        request_id="r",
    )
    assert who_answered(answer) == "Found by meaning."
