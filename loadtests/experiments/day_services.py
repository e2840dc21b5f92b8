"""The four processes of a mixed day over one folder: asked, changed, stopped and started again."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import aiohttp

from loadtests.processes import Fleet, Program, free_ports

TOKEN = "mixed-day-operator"  # noqa: S105  of processes that live for minutes, on loopback
CALLERS = ("web", "mobile", "batch")
COMMANDS = {
    "model": ("supermegaretail", "model"),
    "retail": ("supermegaretail", "api"),
    "reranker": ("photostock", "reranker"),
    "photos": ("photostock", "api"),
}
APIS = ("retail", "photos")
READY_WITHIN_S = 300.0  # on a busy machine
PATIENCE = aiohttp.ClientTimeout(total=60)


class DayServices:
    """Both APIs and their models. `folder` is their `VAR_DIR`."""

    def __init__(self, folder: Path, fleet: Fleet, session: aiohttp.ClientSession) -> None:
        self.folder, self._fleet, self._session = folder, fleet, session
        ports = dict(zip(COMMANDS, free_ports(len(COMMANDS)), strict=True))
        self.environment = {"VAR_DIR": str(folder), "HOST": "127.0.0.1", "DATABASE_URL": "", "ADMIN_TOKEN": TOKEN} | {
            "API_KEYS": ",".join(f"{name}:{name}-key" for name in CALLERS),
            "LOW_TIMEOUT_MS": "3000",
            "SUPERMEGARETAIL_PORT": str(ports["retail"]),
            "SUPERMEGARETAIL_MODEL_PORT": str(ports["model"]),
            "SUPERMEGARETAIL_MODEL_URL": f"http://127.0.0.1:{ports['model']}",
            "PHOTOSTOCK_PORT": str(ports["photos"]),
            "PHOTOSTOCK_RERANKER_PORT": str(ports["reranker"]),
            "PHOTOSTOCK_RERANKER_URL": f"http://127.0.0.1:{ports['reranker']}",
        }
        self._programs = {
            name: Program(name, ("-m", *COMMANDS[name]), port, environment=self.environment)
            for name, port in ports.items()
        }
        self.retail, self.photos = (self._programs[name].url for name in APIS)

    async def start(self, *names: str, wholly: bool = True) -> None:
        """Returns when they answer; `wholly`: with every part well."""
        for name in names:
            self._fleet.start(self._programs[name])
        for name in names:
            await self._fleet.ready(self._programs[name], within_seconds=READY_WITHIN_S, wholly=wholly)

    async def stop(self, *names: str) -> None:
        """SIGTERM; gone when it returns."""
        await asyncio.to_thread(self._fleet.stop, *names)

    def start_without_waiting(self, name: str) -> None:
        """Of a model: its API answers meanwhile, degraded."""
        self._fleet.start(self._programs[name])

    async def call(
        self, method: str, url: str, body: Any = None, *, key: str = TOKEN, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body."""
        headers = {"Authorization": f"Bearer {key}", **(headers or {})}
        async with self._session.request(method, url, json=body, headers=headers, timeout=PATIENCE) as response:
            return response.status, await response.read()

    async def command(self, *arguments: str) -> tuple[int, bytes, str]:
        """Exit code, standard output and last words of `python ARGUMENTS` over the same folder."""
        ran = await asyncio.create_subprocess_exec(
            *(sys.executable, *arguments),
            env={**os.environ, **self.environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, words = await ran.communicate()
        assert ran.returncode is not None
        return ran.returncode, out, words.decode(errors="replace").strip().rpartition("\n")[2]

    def bugs(self) -> list[str]:
        """Lines of the APIs' logs about our own mistakes."""
        lines = [line for name in APIS for line in self._fleet.log_of(name).read_text().splitlines()]
        return [line for line in lines if '.bug"' in line]


def as_document(answered: bytes) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    try:
        document = json.loads(answered)
    except ValueError:  # a page, or nothing
        return {}
    return document if isinstance(document, dict) else {}
