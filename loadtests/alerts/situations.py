"""What raises an alert and is on no menu of faults: each is brought about by real means, at real services."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from loadtests.alerts import own_state
from loadtests.alerts.asking import READS, ask_to, asking_without_pause, sending
from loadtests.alerts.house import WatchedHouse
from loadtests.inside.machine import meanwhile, stutter
from loadtests.inside.storage import locked
from loadtests.murphy.house import House
from loadtests.murphy.trial import RETAIL, Trial
from loadtests.processes import free_port
from loadtests.traffic import Ask

LOOPING = 120  # connections of the caller that loops
AT_ONCE, STOPPED_S, FREE_S = 6, 0.3, 0.3
SEEN_WITHIN_S = 1.5  # by Prometheus: a life that nobody saw is no restart


@asynccontextmanager
async def _apis_frozen(house: House) -> AsyncIterator[None]:
    for api in house.apis:
        house.fleet.freeze(api.name)
    try:
        yield
    finally:
        for api in house.apis:
            house.fleet.thaw(api.name)


@asynccontextmanager
async def _replica_killed(house: House) -> AsyncIterator[None]:
    assert isinstance(house, WatchedHouse)
    async with AsyncExitStack() as stack:
        for name, service in house.services.items():
            port = free_port()
            second = replace(
                service.api,
                name=f"{service.api.name}-second",
                port=port,
                environment={**service.api.environment, f"{name.upper()}_PORT": str(port)},
            )
            await house.start(second)
            await stack.enter_async_context(house.watching.also((name, "api"), f"{second.host}:{port}"))
            await house.kill(second)
        yield


@asynccontextmanager
async def _killed_again_and_again(house: House) -> AsyncIterator[None]:
    async def kill_and_start() -> None:
        while True:
            await house.kill(*house.models)
            await house.start(*house.models, path="/live", wholly=False)
            await asyncio.sleep(SEEN_WITHIN_S)

    try:
        async with meanwhile(kill_and_start()):
            yield
    finally:
        await house.restart(*house.models)


@asynccontextmanager
async def _writes_fail(house: House) -> AsyncIterator[None]:
    async with locked(house), sending(house, _writes):
        yield


@asynccontextmanager
async def _no_time_for_apis(house: House) -> AsyncIterator[None]:
    async with asking_without_pause(house, AT_ONCE), stutter(house, house.apis, stopped_s=STOPPED_S, free_s=FREE_S):
        yield


@asynccontextmanager
async def _mistakes(house: House) -> AsyncIterator[None]:
    async with sending(house, _mistaken):
        yield


@asynccontextmanager
async def _loops(house: House) -> AsyncIterator[None]:
    async with asking_without_pause(house, LOOPING):
        yield


def _mistaken(service: str) -> Iterator[Ask]:
    path, _ = READS[service]
    while True:
        yield ask_to(path, b'{"itmes": []}')


def _writes(service: str) -> Iterator[Ask]:
    today = datetime.now(UTC).date().isoformat()
    sale = {"store": "situation", "sku": "one", "date": "2026-06-01", "sales": 1}
    click = {"query": "a dog", "photo_id": "p-1", "user_id": "u-1", "kind": "click", "at": f"{today}T00:00:00Z"}
    path, body = ("/v1/sales", {"sales": [sale]}) if service == RETAIL else ("/v1/feedback", {"events": [click]})
    while True:
        yield ask_to(path, json.dumps(body).encode())


SITUATIONS: tuple[Trial, ...] = (
    Trial(name="api_frozen", sentence="The APIs are stopped (SIGSTOP).", level="process", applied=_apis_frozen),
    Trial(
        name="api_replica_killed",
        sentence="Of two processes of an API one is killed.",
        level="process",
        applied=_replica_killed,
    ),
    Trial(
        name="kill_loop",
        sentence="The models are killed and start, again and again.",
        level="process",
        applied=_killed_again_and_again,
    ),
    Trial(
        name="writes_fail",
        sentence="Callers write while the database is locked.",
        level="inside",
        applied=_writes_fail,
    ),
    Trial(
        name="answers_after_the_deadline",
        sentence="The machine has no time for the APIs: they stand still for 0.3 s, again and again.",
        level="process",
        applied=_no_time_for_apis,
    ),
    Trial(
        name="better_tier_refuses",
        sentence="Products that are asked for sell as no product ever did; the models do not judge them.",
        level="inside",
        applied=own_state.single_items_strange,
        services=(RETAIL,),
    ),
    Trial(
        name="caller_that_loops",
        sentence="One caller asks over 120 connections at once, without a pause.",
        level="load",
        applied=_loops,
    ),
    Trial(
        name="callers_send_mistakes",
        sentence="Three of four requests have a misspelt field.",
        level="load",
        applied=_mistakes,
    ),
    Trial(
        name="part_unwell",
        sentence="The log of forecasts can't be written.",
        level="inside",
        applied=own_state.predictions_not_kept,
        services=(RETAIL,),
    ),
    Trial(
        name="inputs_drifted",
        sentence="The sales of a week arrive once more, in another unit.",
        level="inside",
        applied=own_state.inputs_drifted,
        services=(RETAIL,),
    ),
    Trial(
        name="plausible_and_wrong",
        sentence="Three times as much is sold as was forecast.",
        level="inside",
        applied=own_state.forecasts_off,
        services=(RETAIL,),
    ),
    Trial(
        name="bad_challenger",
        sentence="A version that says half as much again as the champion is released.",
        level="inside",
        applied=own_state.bad_challenger,
        services=(RETAIL,),
    ),
    Trial(
        name="override_ends",
        sentence="An override that was decided a week ago ends in an hour.",
        level="inside",
        applied=own_state.override_ends,
        services=(RETAIL,),
    ),
)
