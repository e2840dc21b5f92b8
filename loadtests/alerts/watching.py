"""A real Prometheus and a real Alertmanager beside services that run: what do they say just now?"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from common.incidents import rules
from loadtests.murphy.house import ADMIN_TOKEN
from loadtests.processes import Fleet, ProcessError, Program, free_ports

PROGRAMS = ("prometheus", "prometheus-alertmanager")
BECOME = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"  # `Program` starts Python, which becomes another one
READY_SECONDS = 30.0
ASK_SECONDS = 3.0  # each time
ASK_TIMES = 3
LOOK_SECONDS = 0.5

Shown = frozenset[tuple[str, str]]  # (service, alert)
Target = tuple[str, str]  # (service, role)


@dataclass(frozen=True, slots=True)
class Watching:
    """Addresses of the two; `shown` asks Alertmanager."""

    prometheus: str
    alertmanager: str
    fleet: Fleet
    folder: Path
    targets: Mapping[Target, Sequence[str]]
    window_s: int
    more: list[tuple[Target, str]] = field(default_factory=list)  # asked for a while, by either lane

    async def shown(self) -> Shown:
        """Alerts that fire and that no other one explains."""
        query = {"active": "true", "inhibited": "false", "silenced": "false"}
        told = await _get(f"{self.alertmanager}/api/v2/alerts", query)
        return frozenset((one["labels"].get("service", ""), one["labels"]["alertname"]) for one in told)

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus says to a PromQL expression."""
        told = await _get(f"{self.prometheus}/api/v1/query", {"query": expression})
        result: list[dict[str, Any]] = told["data"]["result"]
        return result

    @asynccontextmanager
    async def also(self, target: Target, address: str) -> AsyncIterator[None]:
        """Prometheus asks one more process of this service and role, for the length of a block."""
        try:
            self.more.append((target, address))
            self._ask()
            yield
        finally:
            self.more.remove((target, address))
            self._ask()

    def _ask(self) -> None:
        """SIGHUP: it reads its settings again."""
        targets = {
            target: [*addresses, *(address for whose, address in self.more if whose == target)]
            for target, addresses in self.targets.items()
        }
        address = self.alertmanager.removeprefix("http://")
        text = rules.prometheus(window_s=self.window_s, targets=targets, alertmanager=address)
        (self.folder / "prometheus.yml").write_text(text)
        os.kill(self.fleet.pid(PROGRAMS[0]), signal.SIGHUP)


def missing_programs() -> list[str]:
    """Which of the two are not installed."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


async def watch(fleet: Fleet, folder: Path, targets: Mapping[Target, Sequence[str]], *, window_s: int) -> Watching:
    """Starts both with these windows and waits until they are ready; `ProcessError` if they don't get there.

    `targets` are addresses (host:port), one for each replica, by service and role.
    """
    if missing := missing_programs():
        raise ProcessError(f"not installed: {', '.join(missing)} (Debian: apt-get install prometheus {PROGRAMS[1]})")
    ports = dict(zip(PROGRAMS, free_ports(len(PROGRAMS)), strict=True))
    addresses = [f"127.0.0.1:{ports[name]}" for name in PROGRAMS]
    await asyncio.to_thread(_write_settings, folder, targets, addresses[1], window_s=window_s)
    arguments = (
        (f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'prometheus'}"),
        (f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'alertmanager'}"),
    )
    more = (("--storage.tsdb.retention.time=2h",), ("--cluster.listen-address=",))
    for name, address, given, own in zip(PROGRAMS, addresses, arguments, more, strict=True):
        listen = (f"--web.listen-address={address}", "--log.level=warn")
        fleet.start(Program(name, ("-c", BECOME, name, *given, *own, *listen), ports[name]))
    prometheus, alertmanager = (f"http://{address}" for address in addresses)
    watching = Watching(prometheus, alertmanager, fleet, folder, targets, window_s)
    await _until_ready(fleet, watching)
    return watching


def _write_settings(folder: Path, targets: Mapping[Target, Sequence[str]], alertmanager: str, *, window_s: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    token = folder / "token"
    token.write_text(ADMIN_TOKEN)
    (folder / "rules.yml").write_text(rules.rules(window_s=window_s))
    (folder / "prometheus.yml").write_text(
        rules.prometheus(window_s=window_s, targets=targets, alertmanager=alertmanager)
    )
    (folder / "alertmanager.yml").write_text(
        rules.alertmanager(window_s=window_s, targets=targets, token_file=str(token))
    )


async def _until_ready(fleet: Fleet, watching: Watching) -> None:
    try:
        async with asyncio.timeout(READY_SECONDS):
            while not await _answers(watching):
                if ended := fleet.bury():
                    raise ProcessError("; ".join(ended))
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError as error:
        raise ProcessError(f"Prometheus or Alertmanager is not ready after {READY_SECONDS:.0f} s") from error


async def _answers(watching: Watching) -> bool:
    try:
        return bool(await watching.query("count(up)")) and await watching.shown() is not None
    except ProcessError:
        return False


async def _get(url: str, query: Mapping[str, str]) -> Any:
    """Asks again where one answer is slow or none: the machine is busy; `ProcessError` after the last time."""
    timeout, troubles = aiohttp.ClientTimeout(total=ASK_SECONDS), list[str]()
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for _ in range(ASK_TIMES):
            try:
                async with session.get(url, params=query) as response:
                    response.raise_for_status()
                    return await response.json()
            except (aiohttp.ClientError, OSError) as error:  # also TimeoutError
                troubles.append(f"{type(error).__name__} {error}".strip())
            await asyncio.sleep(LOOK_SECONDS)
    raise ProcessError(f"{url} does not answer: {', '.join(troubles)}")
