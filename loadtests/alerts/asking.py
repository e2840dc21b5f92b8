"""Requests beside the usual load, for what callers do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

import aiohttp

from loadtests.checks import Reading
from loadtests.load import PATIENCE_SECONDS, Lane, Load, answer_to
from loadtests.murphy.house import House
from loadtests.murphy.trial import PHOTOS, RETAIL
from loadtests.traffic import Ask

PER_SECOND = 25.0
JSON = {"Content-Type": "application/json", "X-Timeout-Ms": "200"}
READS: Mapping[str, tuple[str, bytes]] = {
    RETAIL: ("/v1/forecasts", b'{"items": [{"store": "east-1", "sku": "bakery-001"}], "horizon_days": 28}'),
    PHOTOS: ("/v1/searches", b'{"queries": [{"query": "a dog"}, {"query": "a boat"}, {"query": "a street"}]}'),
}


@asynccontextmanager
async def asking_without_pause(house: House, connections: int) -> AsyncIterator[None]:
    """Over so many connections to each API the next request follows upon the answer, for the length of a block."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        tasks = [
            asyncio.create_task(_loop(service.api.url, ask_to(*READS[name]), session))
            for name, service in house.services.items()
            for _ in range(connections)
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def sending(house: House, asks: Callable[[str], Iterator[Ask]]) -> AsyncIterator[None]:
    """Requests beside the usual ones, for the length of a block."""
    lanes = [Lane(name, one.api.url, PER_SECOND, asks(name)) for name, one in house.services.items()]
    async with Load(lanes).running():
        yield


async def _loop(url: str, ask: Ask, session: aiohttp.ClientSession) -> None:
    while True:
        await answer_to(url + ask.path, ask, session)


def ask_to(path: str, body: bytes, headers: Mapping[str, str] = JSON) -> Ask:
    """A POST of which the answer is not judged."""
    return Ask("situation", "POST", path, lambda _: Reading(), headers, body)
