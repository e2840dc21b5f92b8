"""Locust's entry: users who read what the answers mean, shapes of load, and a gate that sets the exit code.

    locust -f loadtests/locustfile.py --headless --users 40 --run-time 60s
    locust -f loadtests/locustfile.py --headless --users 40 --shape spike --shape-seconds 60

Degraded answers are successes with rows of their own, "... (degraded)", so that their share and speed can be seen;
those of a fault brought on at /faults (`--house own`) have others.
Where the services are: SUPERMEGARETAIL_URL, PHOTOSTOCK_URL; with which key: LOADTEST_API_KEY; what to ask about:
LOADTEST_SUBJECTS, by default VAR_DIR/demo.json.
"""

from __future__ import annotations

import atexit
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gevent
from locust import events
from locust.runners import DistributedRunner, WorkerRunner

from loadtests.gate import THRESHOLDS_FILE, Row, broken, read_gate
from loadtests.locust_faults import add_faults_page
from loadtests.locust_house import HouseDesk, HouseError
from loadtests.locust_shapes import SHAPES
from loadtests.locust_users import (
    BY_FAULT,
    DEGRADED,
    ClosedUser,
    GarbageUser,
    LeavingUser,
    LoopingUser,
    PhotoStockUser,
    SupermegaretailUser,
)
from loadtests.murphy.house import PROXY_PORTS

__all__ = ["ClosedUser", "GarbageUser", "LeavingUser", "LoopingUser", "PhotoStockUser", "SupermegaretailUser"]

if any(one.split("=")[0] in ("--shape", "--class-picker") for one in sys.argv):  # Locust obeys any shape it sees
    from loadtests.locust_shapes import ChosenShape as ChosenShape


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # locust is not typed
def _options(parser: ArgumentParser) -> None:
    """So that `--headless` alone ends by itself."""
    parser.set_defaults(num_users=20, spawn_rate=10, run_time="30s")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="steady", help="of the load")
    parser.add_argument("--shape-seconds", type=float, default=60.0, help="length of the whole shape")
    parser.add_argument(
        "--house",
        choices=("own", "running"),
        default=None,
        include_in_web_ui=False,
        help="open one for the page /faults: services of its own on a copy of VAR_DIR, or those that run already",
    )
    parser.add_argument(
        "--house-ports",
        type=int,
        nargs=2,
        default=PROXY_PORTS,
        include_in_web_ui=False,
        help="where running services look for their models, and the proxies are to listen",
    )
    parser.add_argument("--thresholds", default=str(THRESHOLDS_FILE), help="the file of the gate")


@events.init.add_listener  # type: ignore[untyped-decorator]  # locust is not typed
def _tell_the_time(**_: Any) -> None:
    """gevent counts `--run-time` from when its loop last looked at the clock, which was before all imports."""
    gevent.get_hub().loop.update_now()


@events.init.add_listener  # type: ignore[untyped-decorator]  # locust is not typed
def _open_house(environment: Any, web_ui: Any = None, **_: Any) -> None:
    """With `--house`, and before anybody asks for anything."""
    if environment.parsed_options.house is None:
        return
    if isinstance(environment.runner, DistributedRunner):
        sys.exit("--house is for a run in one process: workers would not know where its services are")
    environment.house = desk = HouseDesk(*_house_options(environment.parsed_options))
    atexit.register(desk.close)
    try:
        desk.open()
    except HouseError as error:
        sys.exit(str(error))
    SupermegaretailUser.host = GarbageUser.host = desk.urls["supermegaretail"]
    PhotoStockUser.host = desk.urls["photostock"]
    if web_ui is not None:
        add_faults_page(web_ui, desk)
        print(f"faults: http://127.0.0.1:{environment.parsed_options.web_port}/faults")


def _house_options(options: Any) -> list[str]:
    """For `python -m loadtests house`."""
    if options.house == "own":
        return []
    return ["--running", "--proxy-ports", *map(str, options.house_ports)]


@events.quitting.add_listener  # type: ignore[untyped-decorator]  # locust is not typed
def _gate(environment: Any, **_: Any) -> None:
    """Judges the whole run; with distributed workers only their master does."""
    if isinstance(environment.runner, WorkerRunner):
        return
    gate = read_gate(Path(environment.parsed_options.thresholds))
    entries = list(environment.stats.entries.values())
    whole = _row("all", entries)
    names = sorted({_endpoint(entry) for entry in entries})
    rows = [_row(name, (one for one in entries if _endpoint(one) == name)) for name in names]
    print(f"{whole.requests:,} requests, {whole.errors:,} missing or malformed, {whole.degraded:,} degraded")
    sentences = broken(gate, whole, rows)
    for sentence in sentences:
        print(f"threshold broken: {sentence}")
    if sentences:
        environment.process_exit_code = 1


def _endpoint(entry: Any) -> str:
    """Whose row this is, however well it was answered."""
    name: str = entry.name
    return name.removesuffix(DEGRADED).removesuffix(BY_FAULT)


def _row(name: str, entries: Iterable[Any]) -> Row:
    """Locust's entries as one row; degraded by a fault is not counted as degraded.

    Locust keeps times rounded to two digits, so that 304 ms count as 300.
    """
    requests = errors = degraded = 0
    counts: Counter[int] = Counter()
    for entry in entries:
        requests += entry.num_requests
        errors += entry.num_failures
        degraded += entry.num_requests if entry.name.endswith(DEGRADED) else 0
        counts.update(entry.response_times)
    return Row(name, requests, errors, degraded, counts)
