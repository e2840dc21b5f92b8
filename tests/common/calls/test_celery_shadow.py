"""Shadow mode through a real Redis broker and a real Celery worker, and with a broker that is not there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from common import AnswerModel, RequestModel, SafeClient, Upstream
from common.calls.celery_shadow import CeleryShadow, CeleryShadowPolicy
from loadtests.processes import free_port
from loadtests.proxy import proxy_in_thread
from tests.json_server import json_server

WITHIN_S = 30


class Question(RequestModel):
    number: float


class Doubled(AnswerModel):
    doubled: float


def double(question: dict[str, Any]) -> dict[str, Any]:
    return {"doubled": 2 * question["number"]}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """A real Redis, from Debian's package."""
    server = shutil.which("redis-server")
    if server is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is not installed; .ci/run installs it")
        pytest.skip("NOT TESTED: redis-server is not installed (Debian: apt-get install redis-server)")
    port = free_port()
    redis = subprocess.Popen(
        [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        redis.terminate()
        redis.wait()


WORKER = """
from celery import Celery
from common import AnswerModel, Upstream
from common.calls.celery_shadow import comparing_task

class Doubled(AnswerModel):
    doubled: float

app = Celery(broker={broker!r})
comparing_task(app, Upstream("shadow", {shadow!r}), answer=Doubled,
               difference=lambda primary, shadow: abs(primary.doubled - shadow.doubled))
"""


@contextmanager
def worker(folder: Path, broker: str, shadow: str) -> Iterator[Path]:
    """A real worker process; yields the file with what it writes."""
    (folder / "shadow_worker.py").write_text(WORKER.format(broker=broker, shadow=shadow))
    output = folder / "worker.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "shadow_worker", "worker", "--pool=solo", "--loglevel=INFO"],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(Path.cwd())])},
        )
    try:
        yield output
    finally:
        process.terminate()
        process.wait(20)


def wait_for(condition: Any) -> None:
    until_s = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.05)


async def ask(url: str, shadow: CeleryShadow[Doubled], *, times: int) -> list[float]:
    upstream = Upstream("primary", url, extra_share=1)
    endpoint = SafeClient(upstream, timeout_ms=1_000).endpoint(
        "/double", answer=Doubled, default=Doubled(doubled=-1.0), mirror=shadow
    )
    values = [(await endpoint(Question(number=number))).value.doubled for number in range(times)]
    await upstream.aclose()
    return values


async def test_a_worker_asks_the_shadow_and_compares(broker: str, tmp_path: Path) -> None:
    shadow: CeleryShadow[Doubled] = CeleryShadow(Celery(broker=broker))
    with (
        json_server(double) as url,
        json_server(lambda question: {"doubled": 2 * question["number"] + 0.5}) as other,
        worker(tmp_path, broker, other) as output,
    ):
        assert await ask(url, shadow, times=5) == [0, 2, 4, 6, 8]
        wait_for(lambda: output.read_text().count("shadow.compared") == 5)
    assert output.read_text().count("difference=0.5") == 5
    assert (shadow.published, dict(shadow.missing)) == (5, {})


async def test_a_shadow_that_does_not_answer_is_told_in_the_workers_log(broker: str, tmp_path: Path) -> None:
    shadow: CeleryShadow[Doubled] = CeleryShadow(Celery(broker=broker))
    with json_server(double) as url, worker(tmp_path, broker, "http://127.0.0.1:1") as output:
        await ask(url, shadow, times=1)
        wait_for(lambda: "shadow.not_answered" in output.read_text())


@pytest.mark.parametrize("fault", ["hang", "refused"])
async def test_a_broker_that_hangs_or_is_dead_is_not_felt_and_what_is_lost_is_counted(fault: str) -> None:
    with json_server(double) as url, proxy_in_thread(fault=fault) as dead:
        app = Celery(broker=dead.url.replace("http", "redis"))
        shadow: CeleryShadow[Doubled] = CeleryShadow(app, policy=CeleryShadowPolicy(max_waiting=3))
        assert await ask(url, shadow, times=20) == [2.0 * number for number in range(20)]
        assert shadow.missing["queue_full"] + shadow.missing["broker"] >= 16
        assert shadow.published == 0


async def test_what_is_too_large_for_the_broker_is_dropped() -> None:
    with json_server(double) as url:
        shadow: CeleryShadow[Doubled] = CeleryShadow(
            Celery(broker="redis://127.0.0.1:1"), policy=CeleryShadowPolicy(max_bytes=5)
        )
        await ask(url, shadow, times=2)
    assert dict(shadow.missing) == {"bytes_full": 2}
