"""Real APIs whose database, disk, clock or log fails under them: what was acknowledged stays, and they get well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial

import aiohttp
import pytest

from loadtests.inside import machine, storage
from loadtests.inside.caller import Caller, NotAnswered, session
from loadtests.murphy.alerts import events_since, log_size
from loadtests.murphy.house import ADMIN_TOKEN, House, own_services
from loadtests.processes import Fleet
from tests.waiting import eventually

FAULTS: dict[str, Callable[[House], AbstractAsyncContextManager[None]]] = {
    "locked": storage.locked,
    "gone": storage.gone,
    "read only": partial(storage.read_only, wholly=False),
    "disk full": partial(storage.disk_full, wholly=False),
}
RETAIL, PHOTOS = 0, 1
STARTS_WITHIN_S = 120.0


class Shop:
    """Both APIs, without models, and what they acknowledged."""

    def __init__(self, house: House, client: aiohttp.ClientSession) -> None:
        self.house = house
        self.retail, self.photos = (Caller(client, api.url, token=ADMIN_TOKEN) for api in house.apis)
        self.acknowledged: set[str] = set()

    async def add(self, name: str) -> int:
        photo = {"id": name, "title": f"photo {name}"}
        status, told = await self.photos.call("POST", "/v1/photos", {"photos": [photo]})
        if status == 201:
            self.acknowledged.add(name)
        else:
            assert told["status"] == status == 503, told
        return status

    async def sell(self, sku: str) -> int:
        sale = {"store": "S", "sku": sku, "date": "2026-01-05", "sales": 3}
        return (await self.retail.call("POST", "/v1/sales", {"sales": [sale]}))[0]

    async def writes(self, name: str) -> bool:
        return (await self.add(name), await self.sell(name)) == (201, 201)

    async def found(self) -> set[str]:
        status, told = await self.photos.call("GET", "/v1/search", query={"query": "photo", "per_page": "80"})
        assert status == 200, told
        return {one["id"] for one in told["results"]}

    async def forecast(self) -> None:
        wish = {"items": [{"store": "S", "sku": "gone"}], "horizon_days": 1}
        status, told = await self.retail.call("POST", "/v1/forecasts", wish)
        assert status == 200, told

    async def well(self) -> bool:
        """Both know their data."""
        try:
            told = [(await one.call("GET", "/ready"))[1]["parts"] for one in (self.retail, self.photos)]
        except NotAnswered:
            return False
        return bool(told[RETAIL]["sales"]["ok"] and told[PHOTOS]["catalogue"]["ok"])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for all: a start takes seconds."""
    folder = tmp_path_factory.mktemp("house")
    var_dir = folder / "var"
    with Fleet(folder / "logs") as fleet:
        house = House(own_services({"DRAIN_NOTICE_MS": "0"}, var_dir), var_dir=var_dir, fleet=fleet)
        for api in house.apis:
            fleet.start(api)
        yield house


@pytest.fixture
async def shop(house: House) -> AsyncIterator[Shop]:
    async with session() as client:
        shop = Shop(house, client)
        for api in house.apis:
            await house.fleet.ready(api, path="/live", within_seconds=STARTS_WITHIN_S)
        await eventually(shop.well)
        yield shop


async def test_a_database_or_disk_that_fails_costs_writes_only_and_nothing_that_was_acknowledged(shop: Shop) -> None:
    for number, (name, fault) in enumerate(FAULTS.items()):
        assert await shop.writes(f"before-{number}")
        async with fault(shop.house):
            await eventually(shop.well)
            for _ in range(2):
                refused = await shop.add(f"during-{number}"), await shop.sell(f"during-{number}")
                assert refused == (503, 503), name
            assert shop.acknowledged <= await shop.found(), name
            await shop.forecast()

        async def writes_again(number: int = number) -> bool:
            return await shop.writes(f"after-{number}")

        await eventually(writes_again)
        assert shop.acknowledged <= await shop.found(), name

    async with storage.locked_at_the_start(shop.house):
        await shop.forecast()
        await shop.found()
    await eventually(shop.well)
    assert shop.acknowledged == await shop.found()
    assert await shop.writes("last")


async def test_an_event_loop_that_is_blocked_costs_no_request_and_is_told_by_metrics_and_log(shop: Shop) -> None:
    assert await shop.writes("unblocked")
    apis = shop.house.apis
    logs = {api.name: log_size(shop.house.fleet.log_of(api.name)) for api in apis}
    async with machine.loop_blocked(shop.house, wholly=False):
        await eventually(shop.well)
        for _ in range(10):
            assert shop.acknowledged <= await shop.found()
            await asyncio.sleep(0.3)
    for api in apis:
        async with aiohttp.request("GET", f"{api.url}/metrics") as response:
            lines = (await response.text()).splitlines()
        longest = next(line for line in lines if line.startswith("event_loop_longest_block_seconds "))
        assert float(longest.split()[1]) > 0.4, api.name
        events = set(events_since(shop.house.fleet.log_of(api.name), logs[api.name]))
        assert {"loop.blocked", "loop.free_again"} <= events, api.name
