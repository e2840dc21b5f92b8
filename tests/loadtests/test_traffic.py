"""The traffic: varied, endless, the same for the same seed, and never asking the unaskable."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from loadtests.traffic import BULK_ITEMS, Ask, Caller, NoDemoError, forecasts, read_subjects, searches

ITEMS = (("CA_1", "A"), ("CA_1", "B & C"), ("TX/2", "ü"))
QUERIES = ("a dog on the beach", "50% off?", "кот")


def some_forecasts(seed: int = 1, count: int = 200) -> list[Ask]:
    return list(islice(forecasts(ITEMS, caller=Caller("t", 300), seed=seed), count))


def some_searches(seed: int = 1, count: int = 200) -> list[Ask]:
    return list(islice(searches(QUERIES, caller=Caller("t", 300), seed=seed), count))


def test_the_same_seed_makes_the_same_requests() -> None:
    def wire(asks: list[Ask]) -> list[tuple[str, str, bytes | None]]:
        return [(ask.method, ask.path, ask.body) for ask in asks]

    assert wire(some_forecasts()) == wire(some_forecasts())
    assert wire(some_searches()) == wire(some_searches())
    assert wire(some_forecasts(seed=2)) != wire(some_forecasts())


def test_every_request_has_its_own_id_and_the_budget() -> None:
    asks = some_forecasts()
    assert len({ask.headers["X-Request-ID"] for ask in asks}) == len(asks)
    assert {ask.headers["X-Timeout-Ms"] for ask in asks} == {"300"}


def test_forecasts_come_one_by_one_both_ways_and_in_bulk() -> None:
    kinds = Counter(ask.kind for ask in some_forecasts())
    assert set(kinds) == {"one forecast", "one forecast by GET", f"{BULK_ITEMS} forecasts"}
    assert min(kinds.values()) > 20
    bulk = next(ask for ask in some_forecasts() if ask.kind.startswith(str(BULK_ITEMS)))
    assert len(json.loads(bulk.body or b"")["items"]) == BULK_ITEMS


def test_items_and_queries_survive_the_address_whatever_is_in_them() -> None:
    asked = {parse_qs(urlsplit(ask.path).query)["sku"][0] for ask in some_forecasts() if ask.method == "GET"}
    assert asked == {sku for _, sku in ITEMS}
    assert {parse_qs(urlsplit(ask.path).query)["query"][0] for ask in some_searches()} == set(QUERIES)


def test_searches_differ_in_page_size_and_filter() -> None:
    fields = [parse_qs(urlsplit(ask.path).query) for ask in some_searches()]
    assert {field["per_page"][0] for field in fields} == {"5", "10", "20"}
    assert {field.get("orientation", ["any"])[0] for field in fields} == {"any", "landscape", "portrait"}


def test_a_key_is_sent_when_there_is_one() -> None:
    assert Caller("t", 300, "secret").headers()["Authorization"] == "Bearer secret"
    assert "Authorization" not in Caller("t", 300).headers()


def test_subjects_are_read_from_the_file_of_the_demo(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    path.write_text('{"items": [{"store": "CA_1", "sku": "A", "note": 1}], "queries": ["dog"], "more": []}')
    subjects = read_subjects(path)
    assert (subjects.items, subjects.queries) == ((("CA_1", "A"),), ("dog",))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "is not there"),
        ("{", "is not of the form"),
        ('{"items": []}', "is not of the form"),
        ('{"items": [["CA_1", "A"]], "queries": []}', "is not of the form"),
        ('{"items": [], "queries": ["dog"]}', "0 items"),
    ],
)
def test_without_subjects_there_is_a_plain_error(tmp_path: Path, text: str | None, problem: str) -> None:
    path = tmp_path / "demo.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(NoDemoError, match=problem):
        read_subjects(path)
