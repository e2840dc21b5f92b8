"""The load is open-loop: it keeps its schedule whatever the services do, and no request is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from loadtests import load as load_module
from loadtests.checks import Answer, Reading
from loadtests.load import Lane, Load
from loadtests.proxy import ChaosProxy
from loadtests.traffic import Ask


def read(answer: Answer) -> Reading:
    return Reading(("popular",), problem=None if answer.status == 200 else f"status {answer.status}")


def asks() -> Iterator[Ask]:
    while True:
        yield Ask("question", "GET", "/x?y=%2F", read, {})


async def loaded(proxy: ChaosProxy, *, seconds: float, per_second: float = 50) -> Load:
    await proxy.start()
    load = Load([Lane("photos", proxy.url, per_second, asks())])
    load.phase = "first"
    async with load.running():
        await asyncio.sleep(seconds)
    await proxy.stop()
    return load


async def test_requests_leave_at_the_rate_asked_for() -> None:
    load = await loaded(ChaosProxy(), seconds=1.0)
    assert 25 <= len(load.samples) <= 150
    assert all(sample.well_formed and sample.phase == "first" for sample in load.samples)


async def test_a_service_that_hangs_does_not_slow_the_load_down_and_nothing_goes_missing() -> None:
    proxy = ChaosProxy(fault="hang")
    load = await loaded(proxy, seconds=0.5)
    assert len(load.samples) == proxy.requests >= 12
    assert {sample.reading.problem for sample in load.samples} == {"no answer within 2 s"}
    assert load_module.PATIENCE_SECONDS == 2.0


async def test_a_refused_connection_is_a_missing_answer() -> None:
    load = await loaded(ChaosProxy(fault="refused"), seconds=0.2)
    assert {sample.reading.problem for sample in load.samples} == {"no answer: ClientConnectorError"}


async def test_a_bad_status_is_read_and_told() -> None:
    load = await loaded(ChaosProxy(fault="http_503"), seconds=0.2)
    assert {sample.reading.problem for sample in load.samples} == {"status 503"}


async def test_samples_belong_to_the_phase_in_which_they_were_sent_and_a_phase_can_be_waited_for() -> None:
    proxy = ChaosProxy()
    await proxy.start()
    load = Load([Lane("photos", proxy.url, 100, asks())])
    load.phase = "before"
    async with load.running():
        await asyncio.sleep(0.2)
        load.phase = "after"
        await load.settled("before")
        before = sum(sample.phase == "before" for sample in load.samples)
        await asyncio.sleep(0.2)
    await proxy.stop()
    assert 0 < before == sum(sample.phase == "before" for sample in load.samples) < len(load.samples)
