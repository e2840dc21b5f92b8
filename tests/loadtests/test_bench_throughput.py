"""Throughput next to bare FastAPI: the arithmetic, and that the comparison validates and answers what it should."""

from __future__ import annotations

from fastapi.testclient import TestClient

from loadtests.bench.throughput import CACHED, CASES, FORECASTS, Pace, Played, below_share, results_table
from loadtests.bench.validating_server import Route, create_app
from photostock.contract import SearchQuery
from supermegaretail.contract import ForecastRequest


def played(case: str, ours: float, bare: float = 1_000.0) -> Played:
    return Played(case, Pace(ours, ours / 2), Pace(bare, bare / 2))


def test_one_disturbed_round_does_not_miss_a_share() -> None:
    rounds = [played(CACHED.name, 600), played(CACHED.name, 100), played(CACHED.name, 550)]
    assert below_share(rounds) == []
    assert below_share([*rounds, played(FORECASTS.name, 499)]) == [FORECASTS]


def test_a_machine_that_slows_both_down_changes_no_ratio() -> None:
    assert played(CACHED.name, 600).ratio == played(CACHED.name, 60, 100.0).ratio == 0.6


def test_only_what_was_measured_is_shown() -> None:
    assert results_table([played(CACHED.name, 600)]).row_count == 1
    assert results_table([played(case.name, 600) for case in CASES]).row_count == len(CASES)


def test_the_comparison_takes_what_the_services_take_and_refuses_what_they_refuse() -> None:
    routes: list[Route] = [("POST", ForecastRequest, b'{"one": 1}'), ("GET", SearchQuery, b'{"two": 2}')]
    with TestClient(create_app(routes)) as client:
        items = [{"store": "north", "sku": "milk"}]
        assert client.post("/0", json={"items": items, "horizon_days": 7}).json() == {"one": 1}
        assert client.post("/0", json={"items": items, "horizon": 7}).status_code == 422
        assert client.get("/1", params={"query": "a dog"}).json() == {"two": 2}
        assert client.get("/1", params={"querry": "a dog"}).status_code == 422
