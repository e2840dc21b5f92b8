"""The house that faults are applied to: two services, their models behind chaos proxies, and a copy of the state."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from loadtests.murphy.trial import PHOTOS, RETAIL
from loadtests.processes import Fleet, Program, free_port
from loadtests.proxy import ChaosProxy
from loadtests.services import MODEL_HOST, Service, photostock, supermegaretail

READY_SECONDS = 180.0
ADMIN_TOKEN = "only-for-the-length-of-this-run"  # noqa: S105 - of processes that end with the run
NOT_COPIED = ("logs", "demo*.html")

PROXY_PORTS = (18002, 18004)  # where running APIs look for their models, unless told otherwise
PORTS = ("SUPERMEGARETAIL_PORT", "SUPERMEGARETAIL_MODEL_PORT", "PHOTOSTOCK_PORT", "PHOTOSTOCK_RERANKER_PORT")
MODEL_URLS = {RETAIL: "SUPERMEGARETAIL_MODEL_URL", PHOTOS: "PHOTOSTOCK_RERANKER_URL"}


@dataclass(frozen=True, slots=True)
class Absence:
    """A stretch in which a service's API was away on purpose; seconds on the event loop's clock."""

    service: str
    since: float
    until: float


class House:
    """What a fault may touch. `var_dir` is a copy: whatever is broken in it is gone with the run."""

    rush_times = 20.0  # the steady load, when everybody comes at once

    def __init__(self, services: Sequence[Service], *, var_dir: Path, fleet: Fleet, owned: bool = True) -> None:
        self.services: Mapping[str, Service] = {service.name: service for service in services}
        self.var_dir, self.fleet, self.owned = var_dir, fleet, owned
        self.proxies: Mapping[str, ChaosProxy] = {
            name: ChaosProxy(host=service.model.host, port=service.model.port, upstream=service.moved_model.url)
            for name, service in self.services.items()
        }
        self.absences: list[Absence] = []
        self.times = 1.0  # how many times the steady load is sent now

    @property
    def apis(self) -> tuple[Program, ...]:
        return tuple(service.api for service in self.services.values())

    @property
    def models(self) -> tuple[Program, ...]:
        """The model processes, on their real ports behind the proxies."""
        return tuple(service.moved_model for service in self.services.values())

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Proxies, and where they are ours the four processes, for the length of a block."""
        for proxy in self.proxies.values():
            await proxy.start()
        try:
            if self.owned:
                await self.start(*self.models, *self.apis)
            yield
        finally:
            for proxy in self.proxies.values():
                await proxy.stop()

    async def link(self, fault: str | None, services: Sequence[str] = (RETAIL, PHOTOS)) -> None:
        """Switch what happens between these APIs and their models; None: nothing."""
        for name in services:
            await self.proxies[name].set_fault(fault)

    async def start(
        self,
        *programs: Program,
        environment: Mapping[str, str] | None = None,
        path: str = "/ready",
        wholly: bool = True,
    ) -> None:
        """Start, and wait (not for ever) until `path` answers, `wholly` with every part well; else `ProcessError`."""
        changed = [replace(one, environment={**one.environment, **(environment or {})}) for one in programs]
        for program in changed:
            self.fleet.start(program)
        with self.away(programs):
            await asyncio.gather(
                *(self.fleet.ready(one, path=path, within_seconds=READY_SECONDS, wholly=wholly) for one in changed)
            )

    async def kill(self, *programs: Program) -> None:
        """SIGKILL: they are gone when this returns."""
        await asyncio.to_thread(self.fleet.kill, *(program.name for program in programs))

    async def restart(
        self, *programs: Program, environment: Mapping[str, str] | None = None, wholly: bool = True
    ) -> None:
        """SIGKILL, and a new start with `environment` on top of the usual one."""
        with self.away(programs):
            await self.kill(*programs)
            await self.start(*programs, environment=environment, wholly=wholly)

    @asynccontextmanager
    async def rush(self, times: float) -> AsyncIterator[None]:
        """So many times the steady load, for the length of a block."""
        self.times = times
        try:
            yield
        finally:
            self.times = 1.0

    def is_away(self, service: str, since: float, until: float) -> bool:
        """Was this API away on purpose at some point of this stretch?"""
        return any(
            absence.service == service and absence.since <= until and since <= absence.until
            for absence in self.absences
        )

    def away(self, programs: Sequence[Program]) -> _Away:
        """For the length of a block these are away on purpose."""
        return _Away(self, [name for name, service in self.services.items() if _named(service.api, programs)])


class _Away:
    """Books an absence for the length of a block; it counts while it lasts."""

    def __init__(self, house: House, services: Sequence[str]) -> None:
        self._house, self._services = house, services
        self._since, self._open = 0.0, list[Absence]()

    def __enter__(self) -> None:
        self._since = time.monotonic()
        self._open = [Absence(name, self._since, float("inf")) for name in self._services]
        self._house.absences += self._open

    def __exit__(self, *_: object) -> None:
        until = time.monotonic()
        for absence in self._open:
            self._house.absences.remove(absence)
            self._house.absences.append(replace(absence, until=until))


def _named(program: Program, among: Sequence[Program]) -> bool:
    return any(program.name == other.name for other in among)


def own_services(environ: Mapping[str, str], var_dir: Path) -> tuple[Service, Service]:
    """Both services on ports that are free now, with their state in `var_dir` and a token of this run alone."""
    ports = {name: str(free_port()) for name in PORTS}
    common = {**ports, "VAR_DIR": str(var_dir), "DATABASE_URL": "", "HOST": MODEL_HOST, "ADMIN_TOKEN": ADMIN_TOKEN}
    return (
        _within(supermegaretail({**environ, **common}), common),
        _within(photostock({**environ, **common}), common),
    )


def running_services(environ: Mapping[str, str], listen: Sequence[int], host: str) -> tuple[Service, Service]:
    """Services that run already, by SUPERMEGARETAIL_URL, PHOTOSTOCK_URL and their models' URLs.

    The APIs must look for their models at the ports `listen` of `host`, an address of ours, where the proxies will be.
    """
    return (
        _at(RETAIL, environ, api="http://127.0.0.1:8001", model="http://127.0.0.1:8002", listen=(host, listen[0])),
        _at(PHOTOS, environ, api="http://127.0.0.1:8003", model="http://127.0.0.1:8004", listen=(host, listen[1])),
    )


def copy_of(var_dir: Path, where: Path) -> Path:
    """A copy of all state and artifacts that nobody else uses; ends with an `OSError` if there is none."""
    with suppress(FileExistsError):
        where.mkdir(parents=True)
    shutil.copytree(var_dir, where, ignore=shutil.ignore_patterns(*NOT_COPIED), dirs_exist_ok=True)
    return where


def _within(service: Service, environment: Mapping[str, str]) -> Service:
    api, model, moved = (
        replace(program, environment={**environment, **program.environment})
        for program in (service.api, service.model, service.moved_model)
    )
    return Service(service.name, api, model, moved)


def _at(name: str, environ: Mapping[str, str], *, api: str, model: str, listen: tuple[str, int]) -> Service:
    api = environ.get(f"{name.upper()}_URL", api)
    model = environ.get(MODEL_URLS[name], model)
    host, port = listen
    proxy = Program(f"{name}-proxy", (), port, host)
    return Service(name, _program(f"{name}-api", api), proxy, _program(f"{name}-model", model))


def _program(name: str, url: str) -> Program:
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    return Program(name, (), int(port or 80), host)
