"""What every model process does around its model: load the version that is asked for, run it, say plainly why not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Generic, ParamSpec, TypeVar

from fastapi import FastAPI

from common.deadline import Deadline
from common.errors import PoolFull
from common.service.problems import Problem
from common.state.snapshot import kept_fresh
from common.versions.registry import RegistryError, UnknownVersion
from common.versions.slots import ModelSlots
from common.workers import WorkerPool

Model = TypeVar("Model")
P = ParamSpec("P")
R = TypeVar("R")
LOOK_EVERY_MS = 250  # for another champion, or one whose files were mended: 0.2 ms of CPU time
MAX_WAITING_FOR_READING = 8  # requests for versions that are not in memory


class ModelHost(Generic[Model]):
    """Versions in memory, the threads that run them, and one more that reads versions: no answer waits behind that."""

    def __init__(self, slots: ModelSlots[Model], pool: WorkerPool) -> None:
        self.slots = slots
        self._pool = pool
        self._reading = WorkerPool("reading", threads=1, queue=MAX_WAITING_FOR_READING)

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """The champion is loaded and warm before the process listens, and followed as long as it lives."""
        await asyncio.to_thread(self.slots.refresh)
        try:
            async with kept_fresh(self.slots.refresh, every_ms=LOOK_EVERY_MS):
                yield
        finally:
            self._pool.close()
            self._reading.close()

    async def model(self, name: str, deadline: Deadline) -> tuple[str, Model]:
        """Version and model behind a version or an alias; `Problem` 404 if there is none, 503 if it can't be loaded."""
        with _told():
            try:
                return await self.loaded(name, deadline)
            except ValueError as error:  # the artifact makes no sense: not the caller's fault
                raise Problem(503, str(error)) from error

    async def loaded(self, name: str, deadline: Deadline) -> tuple[str, Model]:
        """The same, raising what `ModelSlots.load` and the thread that reads raise."""
        loaded = self.slots.get(name)
        return await self._reading.run(self.slots.load, name, deadline=deadline) if loaded is None else loaded

    async def run(self, work: Callable[P, R], *args: P.args, deadline: Deadline, **kwargs: P.kwargs) -> R:  # type: ignore[valid-type]  # keyword-only beside a ParamSpec
        """The result of `work`, in a thread; `Problem` 503 at once when there is no time for it."""
        with _told():
            return await self._pool.run(work, *args, deadline=deadline, **kwargs)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except UnknownVersion as error:
        raise Problem(404, str(error)) from error
    except RegistryError as error:
        raise Problem(503, str(error)) from error
    except (PoolFull, TimeoutError) as error:
        raise Problem(503, "no time for it within the deadline", headers={"Retry-After": "1"}) from error
