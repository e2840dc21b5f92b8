"""What leaks is told, and what only wobbles is not; a short soak of real processes ends with its page."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from loadtests.murphy.house import House
from loadtests.processes import Fleet, Program, free_ports
from loadtests.services import Service
from loadtests.soak.command import soaked
from loadtests.soak.drive import FAULTS, fault_at
from loadtests.soak.gauges import of_process
from loadtests.soak.judge import LIMITS, Trend, theil_sen, trend
from loadtests.soak.outcome import OF_EACH_PROCESS, unread
from loadtests.soak.page import save_page
from loadtests.traffic import Subjects

REQUESTS, SAMPLES = 36_000, 120


def judged(gauge: str, value: Callable[[float], float], *, noise: float = 0.0) -> Trend:
    """The verdict over `value(requests)` plus noise."""
    dice = random.Random(7)
    places = [REQUESTS * number / SAMPLES for number in range(SAMPLES + 1)]
    return trend("api", gauge, [(x, value(x) + dice.uniform(-noise, noise)) for x in places])


@pytest.mark.parametrize(
    ("gauge", "per_request", "level", "noise"),
    [
        ("memory", 1 / 1024, 250.0, 5.0),  # 1 KiB
        ("files", 1 / 1000, 35.0, 4.0),
        ("threads", 1 / 5000, 30.0, 1.0),
        ("tasks", 1 / 1000, 10.0, 3.0),
        ("log ahead", 1 / 4096, 4.0, 1.0),
    ],
)
def test_a_leak_is_found_in_spite_of_noise(gauge: str, per_request: float, level: float, noise: float) -> None:
    found = judged(gauge, lambda requests: level + per_request * requests, noise=noise)
    assert found.grows
    assert found.growth == pytest.approx(per_request * REQUESTS, rel=0.25)
    assert "grows by" in found.sentence


@pytest.mark.parametrize("gauge", list(LIMITS))
def test_noise_alone_is_no_leak(gauge: str) -> None:
    assert not judged(gauge, lambda _: 100.0, noise=10.0).grows


def test_what_fills_in_the_first_half_is_no_leak() -> None:
    assert not judged("memory", lambda requests: 200.0 + min(requests, REQUESTS / 2) / 100, noise=1.0).grows


def test_a_few_high_readings_are_no_leak() -> None:
    assert not judged("memory", lambda requests: 900.0 if requests > 0.9 * REQUESTS else 250.0).grows


def test_growth_within_what_is_allowed_is_no_leak() -> None:
    found = judged("memory", lambda requests: 250.0 + requests / REQUESTS)
    assert found.at_least > 0
    assert not found.grows


def test_the_slope_is_the_median_of_all_pairs() -> None:
    slope, low = theil_sen([(0, 0), (1, 2), (2, 4), (3, 600), (4, 8)])
    assert slope == pytest.approx(2.0)
    assert low <= slope


def test_each_fault_is_on_in_both_halves_and_off_at_both_ends() -> None:
    halves = [{fault_at((half + place / 1000) / 2) for place in range(1000)} for half in (0, 1)]
    assert halves == [{None, *FAULTS}, {None, *FAULTS}]
    assert fault_at(0.0) is None
    assert fault_at(0.9999) is None


def test_a_gauge_that_was_never_read_does_not_pass() -> None:
    read = {("api", gauge) for gauge in OF_EACH_PROCESS} | {("state database", "log ahead")}
    assert unread(read) == []
    assert unread(read - {("api", "tasks")}) == ["api: tasks could not be read"]


def test_this_process_can_be_read() -> None:
    assert set(of_process(os.getpid())) == {"memory", "files", "threads", "readers"}


def test_the_threads_with_which_polars_reads_files_are_counted_by_themselves(tmp_path: Path) -> None:
    pl.DataFrame({"sales": [1]}).write_parquet(tmp_path / "sales.parquet")
    pl.scan_parquet(tmp_path / "sales.parquet").collect()
    found = of_process(os.getpid())
    assert found["readers"] > 0
    assert found["threads"] > 0


def fake(name: str) -> Service:
    """A service of two hundred lines and its model; a proxy will stand between them."""
    here = Path(__file__).parent
    environment = {"PYTHONPATH": str(here.parents[1])}
    api, proxied, model = free_ports(3)

    def program(what: str, port: int, *rest: str) -> Program:
        arguments = (str(here / "fake_services.py"), what, str(port), *rest)
        return Program(f"{name}-{what}", arguments, port, environment=environment)

    return Service(
        name,
        program("api", api, str(proxied)),
        Program(f"{name}-proxied", (), proxied),
        program("model", model, "0"),
    )


async def test_a_soak_of_real_processes_counts_every_request_and_ends_with_a_page(tmp_path: Path) -> None:
    subjects = Subjects((("CA_1", "A"), ("CA_1", "B")), ("dog", "beach"))
    lines: list[str] = []
    with Fleet(tmp_path / "logs") as fleet:
        services = [fake(name) for name in ("supermegaretail", "photostock")]
        house = House(services, var_dir=tmp_path, fleet=fleet)
        outcome = await soaked(house, subjects, requests=600, show=lines.append)
    assert outcome.readings[-1].requests == 600
    assert "0 missing or malformed" in outcome.told, outcome.broken
    assert "0 acknowledged writes lost" in outcome.told, outcome.broken
    assert {fault for fault, _, _ in outcome.stretches} == set(FAULTS)
    assert {one.gauge for one in outcome.trends} >= {"memory", "files", "threads"}
    assert lines[-1].startswith("600 of 600 requests")
    save_page(outcome, tmp_path / "soak.html")
    page = (tmp_path / "soak.html").read_text()
    assert page.count("<svg") > len(LIMITS)
    assert "<script" not in page
