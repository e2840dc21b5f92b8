"""Locust's users: callers of both services who read what comes back, and callers whom nobody wishes for."""

from __future__ import annotations

import json
import os
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from locust import FastHttpUser, constant, constant_throughput, task

from loadtests.checks import Answer, Reading
from loadtests.figures import SILENCE
from loadtests.locust_house import HouseDesk
from loadtests.services import api_key, var_dir
from loadtests.traffic import Ask, Caller, Subjects, forecast, forecasts, read_subjects, searches

DEGRADED = " (degraded)"
BY_FAULT = " (degraded by a fault)"  # of the page /faults
BUDGET_MS = 300
LOOP_ITEMS = 50
GARBAGE = (
    b"",
    b"{",
    b"\xff\xfe",
    b"[]",
    b'{"items": []}',
    b'{"items": [{"store": 1, "sku": NaN}]}',
    b'{"items": [{"store": "a", "sku": "b"}], "horizon": 7}',
    b"[" * 5_000,
)


class MeaningfulUser(FastHttpUser):  # type: ignore[misc]  # locust is not typed
    """At most two requests a second: whoever waits for an answer longer than half a second asks less often."""

    abstract = True
    wait_time = constant_throughput(2)
    connection_timeout = network_timeout = 2.0

    def on_start(self) -> None:
        """Every user asks for other things in another order."""
        self.subjects = read_subjects(Path(os.environ.get("LOADTEST_SUBJECTS") or var_dir(os.environ) / "demo.json"))
        seed = random.getrandbits(32)
        self.caller = Caller(f"locust-{seed:08x}", BUDGET_MS, api_key(os.environ))
        self._asks = self.asks(self.subjects, self.caller, seed)
        time.sleep(random.random())  # noqa: S311 - else all users knock at the same moments

    def asks(self, subjects: Subjects, caller: Caller, seed: int) -> Iterator[Ask]:
        """What this kind of user asks for."""
        raise NotImplementedError

    @task  # type: ignore[untyped-decorator]  # locust is not typed
    def ask(self) -> None:
        """One request, judged by its meaning."""
        self.put(next(self._asks))

    def under_fault(self) -> bool:
        """Is a fault of the house on, or was it until a moment ago? Workers of a distributed run have no house."""
        desk: HouseDesk | None = getattr(self.environment, "house", None)
        return desk is not None and desk.lately

    def put(self, ask: Ask) -> None:
        """Sends it and tells Locust what came of it."""
        with self.client.request(
            ask.method, ask.path, name=ask.kind, data=ask.body, headers=dict(ask.headers), catch_response=True
        ) as response:
            headers = {name.lower(): value for name, value in (response.headers or {}).items()}
            answer = Answer(response.status_code, headers, response.content or b"")
            reading = ask.check(answer) if answer.status else Reading(problem=SILENCE)
            if reading.degraded:
                response.request_meta["name"] += BY_FAULT if self.under_fault() else DEGRADED
            if reading.problem is None:
                response.success()
            else:
                response.failure(reading.problem)


class SupermegaretailUser(MeaningfulUser):
    """Asks for forecasts, one by one and in bulk."""

    weight = 10
    host = os.environ.get("SUPERMEGARETAIL_URL", "http://127.0.0.1:8001")

    def asks(self, subjects: Subjects, caller: Caller, seed: int) -> Iterator[Ask]:
        """Forecasts."""
        return forecasts(subjects.items, caller=caller, seed=seed)


class PhotoStockUser(MeaningfulUser):
    """Searches for photos."""

    weight = 10
    host = os.environ.get("PHOTOSTOCK_URL", "http://127.0.0.1:8003")

    def asks(self, subjects: Subjects, caller: Caller, seed: int) -> Iterator[Ask]:
        """Searches."""
        return searches(subjects.queries, caller=caller, seed=seed)


class ClosedUser(SupermegaretailUser):
    """A closed workload: asks again as soon as it has its answer."""

    weight = 1
    wait_time = constant(0)


class LoopingUser(SupermegaretailUser):
    """Asks for fifty items one after the other, where one request would do."""

    weight = 1
    wait_time = constant(5)

    @task  # type: ignore[untyped-decorator]  # locust is not typed
    def ask(self) -> None:
        """The loop."""
        for place in range(LOOP_ITEMS):
            item = self.subjects.items[place % len(self.subjects.items)]
            self.put(forecast((item,), 7, self.caller))


class LeavingUser(SupermegaretailUser):
    """Sends a request and hangs up before the answer: nothing is expected, and nothing may break."""

    weight = 1

    @task  # type: ignore[untyped-decorator]  # locust is not typed
    def ask(self) -> None:
        """No row in Locust's table: there is no answer to judge."""
        ask, where = next(self._asks), urlsplit(self.host)
        body = ask.body or b""
        lines = "".join(f"{name}: {value}\r\n" for name, value in ask.headers.items())
        head = f"{ask.method} {ask.path} HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((where.hostname, where.port), timeout=2.0) as connection:
            connection.sendall(head.encode() + body)
            time.sleep(random.random() / 50)  # noqa: S311 - not cryptography


class GarbageUser(MeaningfulUser):
    """Sends what is no request of the contract; the right answer is a 4xx problem document."""

    weight = 1
    host = os.environ.get("SUPERMEGARETAIL_URL", "http://127.0.0.1:8001")

    def asks(self, subjects: Subjects, caller: Caller, seed: int) -> Iterator[Ask]:
        """One kind of garbage after the other."""
        while True:
            for body in GARBAGE:
                headers = caller.headers() | {"Content-Type": "application/json"}
                yield Ask("garbage", "POST", "/v1/forecasts", problem_is_told, headers, body)


def problem_is_told(answer: Answer) -> Reading:
    """Whether this is a 4xx in the form of a problem document."""
    if not 400 <= answer.status < 500:
        return Reading(problem=f"garbage was answered with status {answer.status}")
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return Reading(problem="a refusal that is no problem document")
    try:
        told = json.loads(answer.body)
        whole = told["status"] == answer.status and bool(told["title"])
    except (ValueError, KeyError, TypeError):
        whole = False
    return Reading(problem=None if whole else "a problem document without status or title")
