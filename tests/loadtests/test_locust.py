"""Locust over real sockets: distributed over two workers, and shaped."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.processes import Fleet, Program, free_port

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
USERS = ("SupermegaretailUser", "PhotoStockUser")
PATIENCE_S = 90


@pytest.fixture
def places(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A fake service, and where Locust finds it."""
    subjects = tmp_path / "demo.json"
    subjects.write_text('{"items": [{"store": "CA_1", "sku": "A"}], "queries": ["dog"]}')
    port = free_port()
    service = Program("api", (str(HERE / "fake_services.py"), "api", str(port), str(free_port())), port)
    with Fleet(tmp_path) as fleet:
        fleet.start(service)
        asyncio.run(fleet.ready(service))
        yield {
            **os.environ,
            "SUPERMEGARETAIL_URL": service.url,
            "PHOTOSTOCK_URL": service.url,
            "LOADTEST_SUBJECTS": str(subjects),
        }


def locust(places: dict[str, str], *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"), *options],
        cwd=ROOT,
        env=places,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def any_speed(tmp_path: Path) -> str:
    path = tmp_path / "any-speed.toml"
    path.write_text("[all]\nmin_requests = 5\nerror_share = 0\n")
    return str(path)


def test_two_workers_share_the_users_and_their_master_judges_the_whole(places: dict[str, str], any_speed: str) -> None:
    port = str(free_port())
    gate = ("--thresholds", any_speed)
    options = ("--expect-workers", "2", "--master-bind-port", port, "--run-time", "4s", "--users", "6")
    master = locust(places, "--headless", "--master", *options, *gate, *USERS)
    workers = [locust(places, "--worker", "--master-port", port, *gate) for _ in range(2)]
    try:
        told, _ = master.communicate(timeout=PATIENCE_S)
        words = [worker.communicate(timeout=PATIENCE_S)[0] for worker in workers]
    finally:
        for process in (master, *workers):
            process.kill()
            process.wait()
    assert master.returncode == 0, told
    assert "2 workers connected" in told or "2 connected" in told or told.count("ready") >= 2, told
    assert " 0 missing or malformed" in told
    assert not any("missing or malformed" in word for word in words)


def test_a_shape_ends_by_itself(places: dict[str, str], any_speed: str) -> None:
    shaped = locust(
        places,
        "--headless",
        "--users",
        "2",
        "--shape",
        "spike",
        "--shape-seconds",
        "5",
        "--thresholds",
        any_speed,
        *USERS,
    )
    try:
        told, _ = shaped.communicate(timeout=PATIENCE_S)
    finally:
        shaped.kill()
        shaped.wait()
    assert shaped.returncode == 0, told
    assert " 0 missing or malformed" in told
