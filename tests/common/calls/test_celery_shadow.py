"""Shadow mode through a real Redis broker and a real Celery worker, and with a broker that is not there."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from common import AnswerModel, RequestModel, SafeClient, Upstream
from common.calls.celery_comparing import comparing_task
from common.calls.celery_shadow import CeleryShadow, CeleryShadowPolicy
from common.calls.mirror import Pair
from common.outcome import Outcome
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
import json

from celery import Celery
from celery.signals import worker_shutdown
from common import AnswerModel, Upstream
from common.calls.celery_comparing import comparing_task

class Doubled(AnswerModel):
    doubled: float

app = Celery(broker={broker!r})
comparing = comparing_task(app, Upstream("shadow", {shadow!r}), answer=Doubled,
                           difference=lambda primary, shadow: abs(primary.doubled - shadow.doubled))

@worker_shutdown.connect
def tell(**_):
    print("REPORT " + json.dumps(comparing.report.as_json()), flush=True)
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
    report = json.loads(output.read_text().split("REPORT ")[1].splitlines()[0])
    assert (report["compared"], report["agreed"], report["mean_difference"], report["missing"]) == (5, 0, 0.5, {})
    assert {pair["request"]["number"] for pair in report["worst"]} == {0, 1, 2, 3, 4}
    await shadow.drain()
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


async def test_the_answer_counts_towards_what_is_too_large() -> None:
    shadow: CeleryShadow[Doubled] = CeleryShadow(NOWHERE, policy=CeleryShadowPolicy(max_bytes=20))
    shadow.offer(pair(), primary())
    await shadow.drain()
    assert dict(shadow.missing) == {"bytes_full": 1}


async def test_a_drain_publishes_what_waits_and_takes_no_more(broker: str) -> None:
    app = Celery(broker=broker)
    shadow: CeleryShadow[Doubled] = CeleryShadow(app, policy=CeleryShadowPolicy(share=0.5))
    for _ in range(20):
        shadow.offer(pair(), primary())
    await shadow.drain(timeout_ms=20_000)
    shadow.offer(pair(), primary())
    shadow.offer(pair(), primary())
    assert (shadow.published, shadow.not_sampled, dict(shadow.missing)) == (10, 11, {"closing": 1})
    assert waiting_in(broker) == 10
    wait_for(lambda: no_publisher_of(shadow))


async def test_what_a_drain_can_not_publish_in_time_is_counted_once() -> None:
    with proxy_in_thread(fault="hang") as dead:
        app = Celery(broker=dead.url.replace("http", "redis"))
        shadow: CeleryShadow[Doubled] = CeleryShadow(app)
        for _ in range(5):
            shadow.offer(pair(), primary())
        begun_s = time.monotonic()
        await shadow.drain(timeout_ms=50)
        took_s = time.monotonic() - begun_s
    assert took_s < 5
    wait_for(lambda: no_publisher_of(shadow))  # the proxy is gone: the thread's last copy fails now
    assert (shadow.published, dict(shadow.missing)) == (0, {"closing": 5})


async def test_what_the_shadow_is_asked_may_be_prepared_and_what_fails_is_a_bug() -> None:
    def broken(_payload: Question) -> Question:
        threads.append(threading.current_thread().name)
        raise ZeroDivisionError

    threads: list[str] = []
    shadow: CeleryShadow[Doubled] = CeleryShadow(NOWHERE, prepare=broken)
    shadow.offer(pair(), primary())
    await shadow.drain()
    assert dict(shadow.missing) == {"bug": 1}
    assert threads == ["shadow-publisher"]


async def test_a_prepared_request_is_what_is_published(broker: str) -> None:
    shadow: CeleryShadow[Doubled] = CeleryShadow(
        Celery(broker=broker), prepare=lambda question: Question(number=question.number + 41)
    )
    shadow.offer(pair(), primary())
    await shadow.drain(timeout_ms=20_000)
    assert published_to(broker)[0]["request"] == '{"number":42.0}'


def test_a_thread_that_can_not_start_is_a_bug_that_is_counted_and_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    shadow: CeleryShadow[Doubled] = CeleryShadow(NOWHERE)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    shadow.offer(pair(), primary())
    assert dict(shadow.missing) == {"bug": 1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_process_publishes_from_a_thread_of_its_own(broker: str) -> None:
    shadow: CeleryShadow[Doubled] = CeleryShadow(Celery(broker=broker))
    shadow.offer(pair(), primary())
    wait_for(lambda: shadow.published == 1)
    child = os.fork()
    if child == 0:
        shadow.offer(pair(), primary())
        shadow.drain_blocking(timeout_ms=20_000)
        os._exit(0 if (shadow.published, shadow.missing.total()) == (1, 0) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    shadow.offer(pair(), primary())
    shadow.drain_blocking(timeout_ms=20_000)
    assert (shadow.published, dict(shadow.missing)) == (2, {})
    assert waiting_in(broker) == 3


def test_a_worker_process_reports_what_it_compared_and_what_it_could_not() -> None:
    def broken(_primary: Doubled, shadow: Doubled) -> float:
        return 0.0 if shadow.doubled == 2 else 1 / 0

    copy = {"path": "/double", "request": '{"number":1}', "primary": '{"doubled":2}', "request_id": "request"}
    with json_server(double) as url:
        comparing = comparing_task(Celery(), Upstream("shadow", url), answer=Doubled, difference=broken)
        assert comparing.compare(copy) == 0
        assert comparing.compare(copy | {"request": '{"number":2}'}) is None
    lost = comparing_task(Celery(), Upstream("shadow", "http://127.0.0.1:1"), answer=Doubled)
    assert lost.compare(copy) is None
    assert (comparing.report.agreed, dict(comparing.report.missing)) == (1, {"bug": 1})
    assert dict(lost.report.missing) == {"unreachable": 1}


NOWHERE = Celery(broker="redis://127.0.0.1:1")


def primary() -> Upstream:
    return Upstream("primary", "http://127.0.0.1:1")


def pair() -> Pair[Doubled]:
    question = Question(number=1)
    outcome = Outcome(
        value=Doubled(doubled=2.0), reason=None, version=None, attempts=1, elapsed_ms=1.0, request_id="request"
    )
    return Pair("/double", question, question.model_dump_json().encode(), outcome)


def waiting_in(broker: str) -> int:
    return len(published_to(broker))


def published_to(broker: str) -> list[dict[str, str]]:
    """The copies in the queue, which is left as it is."""
    with Celery(broker=broker).connection_for_read() as connection:
        messages = connection.default_channel.client.lrange("celery", 0, -1)
    bodies = [base64.b64decode(json.loads(message)["body"]) for message in messages]
    return [json.loads(body)[0][0] for body in bodies]


def no_publisher_of(shadow: CeleryShadow[Doubled]) -> bool:
    return shadow._thread is not None and not shadow._thread.is_alive()
