"""Throughput next to bare FastAPI: the arithmetic, and that the comparison validates and answers what it should."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import common.deadline
import supermegaretail.forecast
from loadtests.bench.parts import SERVER, part_of
from loadtests.bench.profile import REST, percents, profile_of, profile_table, watched
from loadtests.bench.profiled import Watch, clock_of, stack
from loadtests.bench.throughput import CACHED, CASES, FORECASTS, Pace, Played, below_share, results_table
from loadtests.bench.validating_server import Route, create_app
from loadtests.processes import Program
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


def test_shares_sum_to_a_hundred_and_small_ones_are_all_else() -> None:
    assert percents({"a": 1.0, "b": 1.0, "c": 1.0}) == {"a": 34, "b": 33, "c": 33, REST: 0}
    found = percents({"a": 500.0, "b": 496.0, "c": 4.0})
    assert found == {"a": 50, "b": 50, REST: 0}
    assert percents({}) == {}
    profile = profile_of("search", 2, {"a": 1.0}, {"a": 4.0, "b": 1.0})
    assert (profile.ms_by_part, profile.ms_a_request) == ({"a": 3.0, "b": 1.0}, 2.0)
    assert profile_table([profile]).row_count == 5


def test_a_library_works_for_the_innermost_part_that_called_it() -> None:
    inner, outer = ("/x/pydantic/main.py", "validate"), ("/x/asyncio/events.py", "_run")
    routes, gateway = ("/x/common/service/routes.py", "_answer"), ("/x/common/service/gateway.py", "_answer")
    assert part_of([inner, routes, gateway, outer]) == "validation"
    assert part_of([inner, gateway, outer]) == "gateway"
    assert part_of([("/x/common/service/app.py", "json_response"), routes]) == "answer and its JSON"
    assert part_of([inner, outer]) == SERVER
    files = [(str(module.__file__), "f") for module in (supermegaretail.forecast, common.deadline)]
    assert [part_of([place]) for place in files] == ["chain", "gateway"]


def test_a_thread_is_booked_for_what_it_works_and_not_for_what_it_waits() -> None:
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            sum(range(1000))

    watch, started_s = Watch(), time.monotonic()
    waiting, working = threading.Thread(target=over.wait), threading.Thread(target=work)
    waiting.start()
    working.start()
    watch.look()
    before_ms = sum(watch.ms_by_part.values())
    while (booked_ms := sum(watch.ms_by_part.values()) - before_ms) < 20.0 and time.monotonic() < started_s + 30:
        time.sleep(0.005)
        watch.look()
    over.set()
    assert 20.0 <= booked_ms <= 1e3 * (time.monotonic() - started_s)
    assert sum(watch.told().values()) == pytest.approx(1e3 * (time.process_time() - time.thread_time()), rel=0.2)


def test_the_clock_of_a_thread_that_has_ended_is_refused() -> None:
    over = threading.Event()
    waiting = threading.Thread(target=over.wait)
    waiting.start()
    kernel_id = waiting.native_id or 0
    clock = clock_of(kernel_id)
    assert time.clock_gettime_ns(clock) > 0
    over.set()
    waiting.join()
    while Path(f"/proc/self/task/{kernel_id}").exists():  # the kernel's thread ends a little later
        time.sleep(0.01)
    with pytest.raises(OSError, match="Invalid argument"):
        time.clock_gettime_ns(clock)


def test_a_watched_program_is_the_same_module_with_the_same_arguments() -> None:
    program = watched(Program("api", ("-m", "photostock", "api"), 1), Path("ms.json"))
    assert program.arguments == ("-m", "loadtests.bench.profiled", "ms.json", "photostock", "api")
    assert stack(None) == []
