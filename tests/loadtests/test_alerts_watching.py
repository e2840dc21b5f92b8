"""A look at Alertmanager that fails now and then costs nothing; one that fails for good is told, and not as silence."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from loadtests.alerts.house import WatchedHouse
from loadtests.alerts.playing import WITHIN_S, Lane, Raised
from loadtests.alerts.watching import ASK_TIMES, Shown, Watching
from loadtests.inside.artifacts import missing, models_with
from loadtests.murphy.house import own_services
from loadtests.murphy.trial import PHOTOS, RETAIL, Trial
from loadtests.processes import Fleet, ProcessError, Program
from loadtests.stalls import StallWatch

ALERT = {"labels": {"service": RETAIL, "alertname": "ModelDown"}}


@asynccontextmanager
async def alertmanager(*, failures: int, folder: Path) -> AsyncIterator[Watching]:
    """One that answers nothing useful for the first so many times."""
    statuses = iter([503] * failures)

    async def alerts(_request: web.Request) -> web.Response:
        return web.json_response([ALERT], status=next(statuses, 200))

    app = web.Application()
    app.router.add_get("/api/v2/alerts", alerts)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield Watching("http://nowhere", url, Fleet(folder), folder, {}, 10)
    finally:
        await runner.cleanup()


async def test_alertmanager_is_asked_again_before_it_is_said_to_be_silent(tmp_path: Path) -> None:
    async with alertmanager(failures=ASK_TIMES - 1, folder=tmp_path) as watching:
        assert await watching.shown() == {(RETAIL, "ModelDown")}
    async with alertmanager(failures=ASK_TIMES, folder=tmp_path) as watching:
        with pytest.raises(ProcessError, match="does not answer: ClientResponseError 503"):
            await watching.shown()


async def test_what_one_lane_has_looked_at_for_a_while_goes_on_when_the_other_comes_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[int]()
    monkeypatch.setattr(os, "kill", lambda pid, _: told.append(pid))
    prometheus = cast(Fleet, SimpleNamespace(pid=lambda _: 1))
    targets = {(name, "api"): [f"{name}-one:1"] for name in (RETAIL, PHOTOS)}
    watching = Watching("http://nowhere", "http://nowhere", prometheus, tmp_path, targets, 10)
    async with watching.also((RETAIL, "api"), "retail-two:2"):
        async with watching.also((PHOTOS, "api"), "photos-two:2"):
            both = (tmp_path / "prometheus.yml").read_text()
        one = (tmp_path / "prometheus.yml").read_text()
    none = (tmp_path / "prometheus.yml").read_text()
    seen = [[address in text for address in ("retail-two:2", "photos-two:2")] for text in (both, one, none)]
    assert seen == [[True, True], [True, False], [False, False]]
    assert told == [1] * 4


class NoProcesses(Fleet):
    """Starts and kills nobody."""

    def start(self, program: Program) -> None:
        pass

    def kill(self, *names: str) -> None:
        pass

    async def ready(self, *_: object, **__: object) -> None:
        pass


async def test_an_alert_about_a_model_that_started_over_spoiled_files_is_not_excused_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtests.alerts.house.AFTERMATH_S", 0.0)
    (tmp_path / "registry").mkdir()
    house = WatchedHouse(
        own_services({}, tmp_path)[:1],
        var_dir=tmp_path,
        fleet=NoProcesses(tmp_path),
        watching=cast(Watching, None),
        window_s=0,
    )
    await house.kill(*house.models)
    assert house.true_of_us() == {(RETAIL, "ModelDown"), (RETAIL, "ModelUnreachable")}
    async with models_with(house, missing, [RETAIL]):
        assert house.true_of_us() == set()


class Blinks:
    """Shows nothing, and fails once: when the fault is on."""

    def __init__(self) -> None:
        self.on, self.healed = False, False

    async def shown(self) -> Shown:
        if self.on:
            raise ProcessError("Alertmanager does not answer")
        return frozenset()

    @asynccontextmanager
    async def applied(self, _house: Any) -> AsyncIterator[None]:
        self.on = True
        try:
            yield
        finally:
            self.on, self.healed = False, True


async def test_that_nobody_could_look_is_told_and_not_taken_for_an_alert_that_was_not_raised() -> None:
    blinks, told, began = Blinks(), list[Raised](), time.monotonic()
    house = cast(WatchedHouse, SimpleNamespace(watching=blinks, true_of_us=frozenset))
    trial = Trial(name="killed", sentence="it dies", level="process", applied=blinks.applied)
    [raised] = await Lane(RETAIL, house, StallWatch(), told.append).play([trial])
    expected = "killed at supermegaretail: could not be brought on, watched or healed: Alertmanager does not answer"
    assert raised.broken == [expected]
    assert blinks.healed
    assert time.monotonic() - began < WITHIN_S / 2
