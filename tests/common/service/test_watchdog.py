"""A blocked event loop is noticed: what it was doing in the log, how long it was in the metrics."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from common.metrics import HttpMetrics
from common.service.admission import Admission
from common.service.loop_watch import watching_loop
from common.service.vitals import REMEMBERED_S, Vitals
from common.service.watchdog import Watchdog
from tests.waiting import eventually

LONGEST = "event_loop_longest_block_seconds"


def hold_up_everybody() -> None:
    time.sleep(0.8)


async def test_a_block_is_told_with_the_place_in_the_code_and_its_length() -> None:
    with capture_logs() as lines:

        async def told() -> bool:
            return any(line["event"] == "loop.free_again" for line in lines)

        async with Watchdog(blocked_s=0.05).watching():
            hold_up_everybody()
            await eventually(told)
    blocked = next(line for line in lines if line["event"] == "loop.blocked")
    assert "hold_up_everybody" in blocked["stack"]
    assert next(line for line in lines if line["event"] == "loop.free_again")["blocked_ms"] >= 300


async def test_the_metrics_tell_of_a_block_when_it_is_over(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    vitals = Vitals(registry, tuple, tmp_path)

    async def told() -> bool:
        return registry.get_sample_value(LONGEST) != 0

    async with watching_loop(Admission(most=9), HttpMetrics(registry), vitals):
        await asyncio.sleep(0)  # it begins to look
        hold_up_everybody()
        await eventually(told)
    assert (registry.get_sample_value(LONGEST) or 0) >= 0.7
    assert (registry.get_sample_value("event_loop_late_seconds_total") or 0) >= 0.7


def test_the_longest_block_is_that_of_the_last_minute_and_short_waits_are_none(tmp_path: Path) -> None:
    registry, now_s = CollectorRegistry(), [1000.0]
    vitals = Vitals(registry, tuple, tmp_path, steady=lambda: now_s[0])
    vitals.waited(0.09)
    assert registry.get_sample_value(LONGEST) == 0
    vitals.waited(3.0)
    now_s[0] += REMEMBERED_S / 2
    vitals.waited(1.0)
    assert registry.get_sample_value(LONGEST) == 3
    now_s[0] += REMEMBERED_S / 2 + 1
    assert registry.get_sample_value(LONGEST) == 1
    assert registry.get_sample_value("event_loop_late_seconds_total") == 4
