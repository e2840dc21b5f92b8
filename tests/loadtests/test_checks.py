"""The meaning of answers: one good answer of each kind, and everything that can be wrong with it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from loadtests.checks import Answer, ForecastsAsked, SearchAsked

Change = Callable[[dict[str, Any]], object]

FORECASTS_ASKED = ForecastsAsked((("CA_1", "A"), ("CA_1", "B")), 2, "r-1")
FORECASTS: dict[str, Any] = {
    "forecasts": [
        {
            "store": "CA_1",
            "sku": sku,
            "dates": ["2016-04-25", "2016-04-26"],
            "demand": [1.5, 0],
            "served_by": tier,
            "degraded": reason is not None,
            "reason": reason,
        }
        for sku, tier, reason in (("A", "correction", None), ("B", "constant", "unknown_item"))
    ],
    "as_of": "2016-04-24",
    "versions": {"core": "1.0.0", "api": "1"},
    "degraded": True,
    "request_id": "r-1",
}

SEARCH_ASKED = SearchAsked(3, "r-2", "landscape")
SEARCH: dict[str, Any] = {
    "results": [{"id": f"p{number}", "score": 0.5, "width": 16, "height": 9} for number in range(3)],
    "total": 40,
    "served_by": "reranker",
    "degraded": False,
    "reason": None,
    "versions": {"api": "1"},
    "request_id": "r-2",
}


def forecasts(document: dict[str, Any] | None = None, **headers: str) -> Answer:
    document = FORECASTS if document is None else document
    expected = {"x-request-id": "r-1", "x-degraded": "true", "x-served-by": "correction,constant"}
    return Answer(200, expected | headers, json.dumps(document).encode())


def search(document: dict[str, Any] | None = None, **headers: str) -> Answer:
    document = SEARCH if document is None else document
    expected = {"x-request-id": "r-2", "x-degraded": "false", "x-served-by": "reranker"}
    return Answer(200, expected | headers, json.dumps(document).encode())


def changed(document: dict[str, Any], change: Change) -> dict[str, Any]:
    changed_copy = copy.deepcopy(document)
    change(changed_copy)
    return changed_copy


def test_a_good_forecast_is_read_with_its_tiers_and_reasons() -> None:
    reading = FORECASTS_ASKED.check(forecasts())
    assert reading.problem is None
    assert reading.tiers == ("correction", "constant")
    assert (reading.degraded, reading.reasons) == (True, ("unknown_item",))


def test_a_good_search_is_read_with_its_tier() -> None:
    reading = SEARCH_ASKED.check(search())
    assert (reading.problem, reading.tiers, reading.degraded) == (None, ("reranker",), False)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d["forecasts"].pop(), "not the 2 asked for"),
        (lambda d: d["forecasts"].append(d["forecasts"][0]), "not the 2 asked for"),
        (lambda d: d["forecasts"].reverse(), "in order"),
        (lambda d: d["forecasts"][0].update(sku="C"), "in order"),
        (lambda d: d["forecasts"][0].update(demand=[1.0]), "1 numbers for 2 days"),
        (lambda d: d["forecasts"][0].update(demand=[1.0, -0.1]), "from 0 up"),
        (lambda d: d["forecasts"][0].update(demand=[1.0, None]), "finite"),
        (lambda d: d["forecasts"][0].update(demand=[1.0, "2"]), "finite"),
        (lambda d: d["forecasts"][0].update(demand=[1.0, True]), "finite"),
        (lambda d: d["forecasts"][0].update(demand=[1.0, float("nan")]), "NaN is not JSON"),
        (lambda d: d["forecasts"][0].update(dates=["2016-04-24", "2016-04-25"]), "days asked for"),
        (lambda d: d["forecasts"][0].update(served_by="oracle"), "no tier"),
        (lambda d: d["forecasts"][0].update(served_by="moving_average"), "does not say degraded"),
        (lambda d: d["forecasts"][0].update(reason="timeout"), "not degraded, with the reason"),
        (lambda d: d["forecasts"][1].update(reason=None), "without a reason"),
        (lambda d: d["forecasts"][1].update(reason=""), "without a reason"),
        (lambda d: d["forecasts"][1].update(served_by="correction"), "says degraded"),
        (lambda d: d["forecasts"][1].pop("degraded"), "another shape"),
        (lambda d: d.update(degraded=False), "not that of its entries"),
        (lambda d: d.update(request_id="r-0"), "request_id"),
        (lambda d: d.update(versions={}), "versions"),
        (lambda d: d.update(forecasts={"A": 1}), "no list"),
        (lambda d: d.clear(), "request_id"),
    ],
)
def test_a_bad_forecast_is_told_from_a_good_one(change: Change, problem: str) -> None:
    assert problem in (FORECASTS_ASKED.check(forecasts(changed(FORECASTS, change))).problem or "nothing found")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d["results"].pop(), "2 results of 40 on a page of 3"),
        (lambda d: d.update(results=[]), "0 results of 40"),
        (lambda d: d["results"][0].update(id="p1"), "twice"),
        (lambda d: d["results"][0].update(id=7), "`id` is no text"),
        (lambda d: d["results"][0].update(score=None), "score"),
        (lambda d: d["results"][0].update(width=9, height=16), "not landscape"),
        (lambda d: d["results"][0].pop("width"), "another shape"),
        (lambda d: d.update(total=2), "`total`"),
        (lambda d: d.update(served_by="lexical", degraded=True), "without a reason"),
        (lambda d: d.update(degraded="no"), "neither true nor false"),
    ],
)
def test_a_bad_search_is_told_from_a_good_one(change: Change, problem: str) -> None:
    assert problem in (SEARCH_ASKED.check(search(changed(SEARCH, change))).problem or "nothing found")


def test_the_last_page_may_be_short() -> None:
    document = changed(SEARCH, lambda d: (d["results"].pop(), d.update(total=2)))
    assert SEARCH_ASKED.check(search(document)).problem is None


@pytest.mark.parametrize("header", ["x-request-id", "x-degraded", "x-served-by"])
def test_headers_must_say_what_the_body_says(header: str) -> None:
    assert FORECASTS_ASKED.check(forecasts(None, **{header: "something else"})).problem is not None
    assert SEARCH_ASKED.check(search(None, **{header: "something else"})).problem is not None


@pytest.mark.parametrize("status", [429, 500, 503, 302])
def test_only_a_200_is_an_answer(status: int) -> None:
    answer = forecasts()
    assert FORECASTS_ASKED.check(Answer(status, answer.headers, answer.body)).problem == f"status {status}"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"forecasts"', b"\xff\xfe", b"[" * 100_000])
def test_a_body_of_any_other_kind_is_a_problem_and_no_exception(body: bytes) -> None:
    assert FORECASTS_ASKED.check(Answer(200, {}, body)).problem is not None
    assert SEARCH_ASKED.check(Answer(200, {}, body)).problem is not None
