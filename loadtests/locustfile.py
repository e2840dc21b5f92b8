"""Locust users that read what the answers mean, and a gate: the exit code is not 0 when a threshold is broken.

    locust -f loadtests/locustfile.py --headless --users 40 --run-time 60s

Degraded answers are successes with rows of their own, "... (degraded)", so that their share and speed can be seen.
Where the services are: SUPERMEGARETAIL_URL, PHOTOSTOCK_URL; with which key: LOADTEST_API_KEY; what to ask about:
LOADTEST_SUBJECTS, by default VAR_DIR/demo.json.
"""

from __future__ import annotations

import os
import random
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from locust import FastHttpUser, constant_throughput, events, task
from locust.runners import WorkerRunner

from loadtests.checks import Answer, Reading
from loadtests.figures import SILENCE, Figures
from loadtests.promises import Thresholds, broken_answers, too_few
from loadtests.services import api_key, var_dir
from loadtests.traffic import Ask, Caller, Subjects, forecasts, read_subjects, searches

DEGRADED = " (degraded)"
THRESHOLDS = Thresholds()


class MeaningfulUser(FastHttpUser):  # type: ignore[misc]  # locust is not typed
    """A caller with two requests a second, however long the answers take, who reads what comes back."""

    abstract = True
    wait_time = constant_throughput(2)
    connection_timeout = network_timeout = 2.0

    def on_start(self) -> None:
        """Every user asks for other things in another order."""
        subjects = read_subjects(Path(os.environ.get("LOADTEST_SUBJECTS") or var_dir(os.environ) / "demo.json"))
        seed = random.getrandbits(32)
        caller = Caller(f"locust-{seed:08x}", round(THRESHOLDS.budget_ms), api_key(os.environ))
        self._asks = self.asks(subjects, caller, seed)
        time.sleep(random.random())  # noqa: S311 - else all users knock at the same moments

    def asks(self, subjects: Subjects, caller: Caller, seed: int) -> Iterator[Ask]:
        """What this kind of user asks for."""
        raise NotImplementedError

    @task  # type: ignore[untyped-decorator]  # locust is not typed
    def ask(self) -> None:
        """One request, judged by its meaning."""
        ask = next(self._asks)
        with self.client.request(
            ask.method, ask.path, name=ask.kind, data=ask.body, headers=dict(ask.headers), catch_response=True
        ) as response:
            headers = {name.lower(): value for name, value in (response.headers or {}).items()}
            answer = Answer(response.status_code, headers, response.content or b"")
            reading = ask.check(answer) if answer.status else Reading(problem=SILENCE)
            if reading.degraded:
                response.request_meta["name"] += DEGRADED
            if reading.problem is None:
                response.success()
            else:
                response.failure(reading.problem)


class SupermegaretailUser(MeaningfulUser):
    """Asks for forecasts, one by one and in bulk."""

    host = os.environ.get("SUPERMEGARETAIL_URL", "http://127.0.0.1:8001")

    def asks(self, subjects: Subjects, caller: Caller, seed: int) -> Iterator[Ask]:
        """Forecasts."""
        return forecasts(subjects.items, caller=caller, seed=seed)


class PhotoStockUser(MeaningfulUser):
    """Searches for photos."""

    host = os.environ.get("PHOTOSTOCK_URL", "http://127.0.0.1:8003")

    def asks(self, subjects: Subjects, caller: Caller, seed: int) -> Iterator[Ask]:
        """Searches."""
        return searches(subjects.queries, caller=caller, seed=seed)


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # locust is not typed
def _defaults(parser: ArgumentParser) -> None:
    """So that `--headless` alone ends by itself."""
    parser.set_defaults(num_users=20, spawn_rate=10, run_time="30s")


@events.quitting.add_listener  # type: ignore[untyped-decorator]  # locust is not typed
def _gate(environment: Any, **_: Any) -> None:
    """Judges the whole run; with distributed workers only their master does."""
    if isinstance(environment.runner, WorkerRunner):
        return
    figures = _figures(environment.stats)
    broken = too_few(figures, THRESHOLDS) + broken_answers(figures, THRESHOLDS)
    missing = figures.requests - figures.well_formed
    print(f"{figures.requests:,} requests, {missing:,} missing or malformed, {figures.degraded:,} degraded")
    for sentence in broken:
        print(f"threshold broken: {sentence}")
    if broken:
        environment.process_exit_code = 1


def _figures(stats: Any) -> Figures:
    """Locust's totals in our terms; it keeps times rounded to two digits, so that 304 ms count as 300."""
    total = stats.total
    well_formed = total.num_requests - total.num_failures
    return Figures(
        requests=total.num_requests,
        well_formed=well_formed,
        in_budget=well_formed - _slower(total.response_times, THRESHOLDS.budget_ms),
        beyond_limit=_slower(total.response_times, THRESHOLDS.limit_ms),
        degraded=sum(row.num_requests for row in stats.entries.values() if row.name.endswith(DEGRADED)),
    )


def _slower(counts_by_ms: Mapping[int, int], limit_ms: float) -> int:
    return sum(count for took_ms, count in counts_by_ms.items() if took_ms > limit_ms)
