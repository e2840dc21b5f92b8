"""Some people amid many events and photos are forgotten: is anything of theirs left, has anybody else lost anything?

A real PhotoStock API with SQLite takes photos, pictures and some events by HTTP, answers searches, and is asked to
forget the people all at once; most events are put into its table, many at a time. The name of every second of them is
the beginning of somebody else's. When all certificates are there and the API has ended, every file is read and every
table dumped, by code that shares nothing with the erasure.
The promise: the ids of the people, and bytes of their pictures, are nowhere; and what others have is as it was.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image
from rich.console import Console

from common.command_line import positive_int, seed
from loadtests.experiments.photo_service import photo_service, session, started
from loadtests.experiments.remains import Everybody, everybody_else, remains
from loadtests.experiments.verdict import verdict
from loadtests.processes import Fleet, ProcessError

DONE = "finished"
TOKEN = "erasures-operator"  # noqa: S105  of a process that lives for minutes, on loopback
PHOTOS_EACH = 4
PHOTOS_AT_A_TIME = 500
BY_HTTP = 1_000  # events; so many in a request
IN_TABLE = 20_000  # in a transaction
MOST_EVENTS = 50_000_000
OTHERS_PER_PERSON = 20
PICTURE = (96, 64)
BUSY_S = 30.0
TRIES = 600  # one a second, of a request that is refused for now
FINISHED_WITHIN_S = 1_800.0
LOOK_EVERY_S = 0.5
SLOWLY = {"X-Timeout-Ms": "30000"}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument("--events", type=positive_int, default=1_000_000, metavar="N", help="default: %(default)s")
    command.add_argument("--photos", type=positive_int, default=20_000, metavar="N", help="default: %(default)s")
    command.add_argument(
        "--people", type=positive_int, default=50, metavar="N", help="to be forgotten (default: %(default)s)"
    )
    command.add_argument("--seed", type=seed, default=7, metavar="N", help="of what they do (default: %(default)s)")
    command.epilog = "The state is new and in a temporary folder. Exit code 1 if the promise broke."


def run(arguments: argparse.Namespace) -> int:
    """Fills, forgets, searches and shows; 1 if the promise broke."""
    with tempfile.TemporaryDirectory(prefix="erasures-") as folder:
        return asyncio.run(_Run(arguments, Path(folder), Console()).done())


class _Run:
    def __init__(self, arguments: argparse.Namespace, folder: Path, console: Console) -> None:
        self._asked, self._console, self._state = arguments, console, folder / "var"
        self._logs = folder / "logs"
        self._dice = random.Random(arguments.seed)  # noqa: S311 - repeatable, not secret
        self._people = [f"person-{number}.x" for number in range(arguments.people)]
        others = range(arguments.people * OTHERS_PER_PERSON)
        self._others = [f"{one}0" for one in self._people[::2]] + [f"somebody-{number}" for number in others]
        self._everybody = self._people + self._others
        self._begun_s = time.monotonic()

    async def done(self) -> int:
        environment = {"ADMIN_TOKEN": TOKEN, "DATABASE_URL": "", "FEEDBACK_ROWS": str(MOST_EVENTS)}
        program = photo_service("photostock-api", self._state, models=None, environment=environment)
        with Fleet(self._logs) as fleet:
            async with session() as client:
                await started(fleet, program, client)
                self._client, self._url = client, program.url
                pictures = await self._filled()
                before = everybody_else(self._state / "state.sqlite3", self._people)
                certificates = await self._erased()
            fleet.stop(program.name)
        return verdict(self._broken(certificates, pictures, before), self._console)

    def _broken(self, certificates: list[dict[str, Any]], pictures: list[bytes], before: Everybody) -> list[str]:
        self._told("certified; now every file and table is read")
        after = everybody_else(self._state / "state.sqlite3", self._people)
        told = [f"a certificate says {one['state']}: {one['proof']}" for one in certificates if one["state"] != DONE]
        told += [f"{place} still has something" for place in remains(self._state, self._people, pictures)]
        for table, (rows, content) in before.items():
            now, now_content = after.get(table, (0, 0))
            self._console.print(f"{table}: {rows:,} rows of everybody else before, {now:,} after")
            if (rows, content) != (now, now_content):
                told.append(f"rows of others in {table} were changed")
        self._told("done")
        return told

    async def _filled(self) -> list[bytes]:
        """Bytes out of the pictures of those who are to be forgotten, as they are stored."""
        theirs = [one for one in self._people for _ in range(PHOTOS_EACH)]
        photographers = theirs + self._dice.choices(self._others, k=max(self._asked.photos - len(theirs), len(theirs)))
        for start in range(0, len(photographers), PHOTOS_AT_A_TIME):
            page = list(enumerate(photographers[start : start + PHOTOS_AT_A_TIME], start))
            photos = [{"id": f"p{n}", "title": f"harbour {n}", "photographer": by} for n, by in page]
            await self._sent("POST", "/v1/photos", {"photos": photos})
        await self._pictured(range(len(theirs)))
        stored = [path.read_bytes() for path in (self._state / "photostock" / "pictures").rglob("*.jpg")]
        if len(stored) != len(theirs):
            raise ProcessError(f"{len(stored)} pictures are stored, of {len(theirs)}")
        await self._pictured(range(len(theirs), 2 * len(theirs)))
        self._told(f"{len(photographers):,} photos, {2 * len(theirs)} with pictures of their own")
        events = (self._event(number, len(photographers)) for number in range(self._asked.events))
        await self._sent("POST", "/v1/feedback", {"events": list(islice(events, BY_HTTP))})
        while some := list(islice(events, IN_TABLE)):
            await asyncio.to_thread(self._put, some)
        for one in self._people:
            await self._sent("POST", "/v1/searches", {"queries": [{"query": f"harbour by {one}"}]})
        self._told(f"{self._asked.events:,} events")
        return [stored[n][at : at + 48] for n in range(len(stored)) for at in _places(len(stored[n]))]

    def _put(self, events: Sequence[dict[str, str]]) -> None:
        query = (
            "INSERT INTO photostock_events (user_id, query, photo_id, kind, at)"
            " VALUES (:user_id, :query, :photo_id, :kind, :at)"
        )
        with closing(sqlite3.connect(self._state / "state.sqlite3", timeout=BUSY_S)) as database, database:
            database.executemany(query, events)

    async def _pictured(self, numbers: range) -> None:
        for number in numbers:
            await self._sent("PUT", f"/v1/photos/p{number}/image", _picture(self._dice))

    def _event(self, number: int, photos: int) -> dict[str, str]:
        user_id = self._everybody[number % len(self._everybody)]
        at = time.strftime("%Y-%m-%dT%H:%M:%S.000+00:00", time.gmtime(time.time() - 86_400 - number % 86_000))
        # Now and then somebody else looks for one of the people: that row stays, without the name.
        named = number % 1_009 == 0 and user_id not in self._people
        query = f"photos of {self._dice.choice(self._people)}" if named else f"harbour {number}"
        return {"user_id": user_id, "query": query, "photo_id": f"p{number % photos}", "kind": "click", "at": at}

    async def _erased(self) -> list[dict[str, Any]]:
        begun_s = time.monotonic()
        answers = await asyncio.gather(*(self._wished(one) for one in self._people))
        self._console.print(f"all rows gone after {time.monotonic() - begun_s:.1f} s")
        people = [answer["certificate"]["person"] for answer in answers]
        found = [await self._sent("GET", f"/v1/admin/erasures/{person}") for person in people]
        while any(one["state"] == "under_way" for one in found):
            if time.monotonic() - begun_s > FINISHED_WITHIN_S:
                raise ProcessError("some erasures are under way for too long")
            await asyncio.sleep(LOOK_EVERY_S)
            found = [await self._sent("GET", f"/v1/admin/erasures/{person}") for person in people]
        self._console.print(f"all certified after {time.monotonic() - begun_s:.1f} s")
        return found

    async def _wished(self, user_id: str) -> dict[str, Any]:
        wish = {"user_id": user_id, "owner": "Eve", "reason": "wished by letter"}
        return await self._sent("POST", "/v1/admin/erasures", wish)

    async def _sent(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        admin = {"Authorization": f"Bearer {TOKEN}"} if "/admin/" in path else {}
        is_picture = isinstance(body, bytes)
        sent: dict[str, Any] = {"data" if is_picture else "json": body}
        sent["headers"] = SLOWLY | admin | ({"Content-Type": "image/jpeg"} if is_picture else {})
        patience = aiohttp.ClientTimeout(total=60)
        for _ in range(TRIES):
            async with self._client.request(method, self._url + path, timeout=patience, **sent) as response:
                if response.status < 300:
                    answer: dict[str, Any] = await response.json()
                    return answer
                refused = f"{method} {path.partition('?')[0]}: {response.status} {(await response.text())[:300]}"
                if response.status not in (429, 503, 504):
                    break
            await asyncio.sleep(1)
        raise ProcessError(refused)

    def _told(self, what: str) -> None:
        self._console.print(f"{time.monotonic() - self._begun_s:6.1f} s  {what}")


def _places(length: int) -> Iterator[int]:
    """Neither at the beginning, where all pictures are alike, nor in the middle, where the erasure looks itself."""
    yield from (length * 2 // 5, length * 4 // 5)


def _picture(dice: random.Random) -> bytes:
    out = io.BytesIO()
    Image.frombytes("RGB", PICTURE, dice.randbytes(PICTURE[0] * PICTURE[1] * 3)).save(out, "JPEG")
    return out.getvalue()
