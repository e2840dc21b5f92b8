"""What was acknowledged, and whether it is still there: read back through the APIs and from the state database."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from loadtests.inside.acknowledged import GONE, said

READ_SECONDS = 5.0
AT_A_TIME = 8
ROWS_AT_A_TIME = 500


@dataclass(slots=True)
class Ledger:
    """What must be there, by what was acknowledged last. Ids and people are of this run alone."""

    sold: dict[tuple[str, str, str], float] = field(default_factory=dict)  # (store, sku, date) → units
    planned: dict[tuple[str, str, str], float] = field(default_factory=dict)  # → price
    photos: dict[str, str | None] = field(default_factory=dict)  # id → title, or gone
    events: set[tuple[str, str]] = field(default_factory=set)  # (person, time)
    doubtful: set[str] = field(default_factory=set)  # photos whose last change was not answered: either is right
    acknowledged: int = 0

    def photo(self, photo_id: str, title: str | None) -> None:
        """This photo is so from now on."""
        self.photos[photo_id] = title
        self.doubtful.discard(photo_id)
        self.acknowledged += 1


@dataclass(frozen=True, slots=True)
class Checker:
    """Reads everything back that was acknowledged since the last check."""

    ledger: Ledger
    photos_url: str
    database: Path | None  # None: the services are not ours, and only what HTTP shows is checked
    headers: Mapping[str, str]

    async def check(self) -> list[str]:
        """A sentence for each acknowledged change that is not there; forgets what it has seen."""
        ledger = self.ledger
        photos = {key: value for key, value in ledger.photos.items() if key not in ledger.doubtful}
        lost = await self._photos(photos)
        if self.database is not None:
            lost += await asyncio.to_thread(self._rows, self.database)
        for photo_id in photos:
            if ledger.photos.get(photo_id) == photos[photo_id]:
                del ledger.photos[photo_id]
        return lost

    async def _photos(self, photos: Mapping[str, str | None]) -> list[str]:
        gate = asyncio.Semaphore(AT_A_TIME)
        timeout = aiohttp.ClientTimeout(total=READ_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, headers=dict(self.headers)) as session:
            told = await asyncio.gather(*(self._photo(session, gate, one, title) for one, title in photos.items()))
        return [sentence for sentence in told if sentence is not None]

    async def _photo(
        self, session: aiohttp.ClientSession, gate: asyncio.Semaphore, photo_id: str, title: str | None
    ) -> str | None:
        async with gate:
            try:
                async with session.get(f"{self.photos_url}/v1/photos/{photo_id}") as response:
                    found = (await response.json())["title"] if response.status == 200 else GONE
                    known = response.status in (200, 404)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError) as error:
                return f"photo {photo_id} could not be read back: {type(error).__name__}"
        if not known:
            return f"photo {photo_id} could not be read back: status {response.status}"
        if self.ledger.photos.get(photo_id, title) != title or photo_id in self.ledger.doubtful:
            return None  # it was changed meanwhile
        return None if found == title else f"photo {photo_id} is {said(found)}, and acknowledged was {said(title)}"

    def _rows(self, database: Path) -> list[str]:
        """Of sales, plans and events; each table is asked for what was acknowledged and for nothing else."""
        ledger = self.ledger
        sold, planned, events = dict(ledger.sold), dict(ledger.planned), set(ledger.events)
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=READ_SECONDS)) as connection:
            lost = _arrived(connection, "sales", sold) + _arrived(connection, "price", planned)
            people = {person for person, _ in events}
            query = "SELECT user_id, at FROM photostock_events WHERE user_id IN ({})"
            there = {(str(person), str(at)[:19]) for person, at in _ask(connection, query, sorted(people))}
        lost += [f"the event of {person} at {at} is gone" for person, at in sorted(events - there)]
        for table, seen in ((ledger.sold, sold), (ledger.planned, planned)):
            for key in seen:
                table.pop(key, None)
        ledger.events -= events
        return lost


def _arrived(connection: sqlite3.Connection, name: str, wanted: Mapping[tuple[str, str, str], float]) -> list[str]:
    query = f"SELECT store, sku, date, value FROM supermegaretail_arrivals WHERE field = '{name}' AND sku IN ({{}})"  # noqa: S608 - ours
    rows = _ask(connection, query, sorted({sku for _, sku, _ in wanted}))
    there = {(str(store), str(sku), str(date)): float(value) for store, sku, date, value in rows}
    return [
        f"{name} of {' '.join(key)}: acknowledged {value:g}, there is {there.get(key)}"
        for key, value in wanted.items()
        if there.get(key) != value
    ]


def _ask(connection: sqlite3.Connection, query: str, names: list[str]) -> Iterable[tuple[Any, ...]]:
    for start in range(0, len(names), ROWS_AT_A_TIME):
        some = names[start : start + ROWS_AT_A_TIME]
        yield from connection.execute(query.format(",".join("?" * len(some))), some)
