"""A PhotoStock API over a new state folder, and the few calls that experiments make to it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from loadtests.processes import Fleet, ProcessError, Program, free_port

CALL_TIMEOUT_S = 10.0
STARTS_WITHIN_S = 90.0
POLL_S = 0.02


class NotAnswered(Exception):
    """Nothing is known of what became of the request."""


def photo_service(
    name: str, state: Path, *, models: Path | None, environment: Mapping[str, str] | None = None
) -> Program:
    """The program, with its state in a folder of its own; without `models`, a registry, it knows words only."""
    state.mkdir(parents=True, exist_ok=True)
    if models is not None and models.exists() and not (state / "registry").exists():
        (state / "registry").symlink_to(models.resolve())
    port = free_port()
    settings = {
        "VAR_DIR": str(state),
        "PHOTOSTOCK_PORT": str(port),
        "PHOTOSTOCK_RERANKER_URL": "http://127.0.0.1:9",  # nobody listens on the discard port
        "DATABASE_URL": os.environ.get("DATABASE_URL", ""),
        **(environment or {}),
    }
    return Program(name, ("-m", "photostock", "api"), port, environment=settings)


class PhotoApi:
    """Calls to one API; each raises `NotAnswered` where the process died in the midst of it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def add(self, photos: Sequence[Mapping[str, Any]]) -> bool:
        """True once acknowledged; False if it was refused, and may have been stored nevertheless."""
        status, _ = await self._call("POST", "/v1/photos", {"photos": list(photos)})
        return status == 201

    async def delete(self, photo_id: str) -> bool:
        """True once acknowledged, also if there was nothing to delete."""
        status, _ = await self._call("DELETE", f"/v1/photos/{photo_id}")
        return status in (204, 404)

    async def title(self, photo_id: str) -> str | None:
        """None if there is no such photo."""
        status, answer = await self._call("GET", f"/v1/photos/{photo_id}")
        if status not in (200, 404):
            raise NotAnswered(f"status {status}")
        return None if status == 404 else str(answer["title"])

    async def search(self, query: str, *, per_page: int = 20) -> dict[str, Any]:
        status, answer = await self._call("POST", "/v1/searches", {"queries": [{"query": query, "per_page": per_page}]})
        if status != 200:
            raise NotAnswered(f"status {status}")
        found: dict[str, Any] = answer["searches"][0]
        return found

    async def parts(self) -> dict[str, Any]:
        """What `/ready` says of each part."""
        parts: dict[str, Any] = (await self._call("GET", "/ready"))[1]["parts"]
        return parts

    async def _call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        try:
            async with self._session.request(method, self._url + path, json=body) as response:
                is_json = "json" in response.headers.get("Content-Type", "")
                return response.status, await response.json() if is_json else None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise NotAnswered(type(error).__name__) from error


def session() -> aiohttp.ClientSession:
    """For calls to a process that may die at any time."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT_S))


async def started(
    fleet: Fleet, program: Program, client: aiohttp.ClientSession, *, with_encoder: bool = False
) -> float:
    """Starts it and waits until it answers; how many seconds that took. The reranker may be dead."""
    begun_s = time.monotonic()
    fleet.start(program)
    api = PhotoApi(client, program.url)
    while time.monotonic() < begun_s + STARTS_WITHIN_S:
        if dead := fleet.bury():
            raise ProcessError("; ".join(dead))
        try:
            parts = await api.parts()
            if not (parts["catalogue"]["reason"] or (with_encoder and parts["encoder"]["reason"])):
                return time.monotonic() - begun_s
        except (NotAnswered, KeyError, TypeError):
            pass
        await asyncio.sleep(POLL_S)
    raise ProcessError(
        f"{program.name} does not answer after {STARTS_WITHIN_S:.0f} s, see {fleet.log_of(program.name)}"
    )
