"""What can happen to the state of an API: locked, gone, read only, no more space."""

from __future__ import annotations

import asyncio
import resource
import shutil
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from loadtests.inside.mounts import can_mount, filled, only_to_be_read, size_of, small_disk
from loadtests.processes import ProcessError

if TYPE_CHECKING:
    from loadtests.murphy.house import House

STATE_FILE = "state.sqlite3"
GET_LOCK_S = 30.0
CHECKPOINTS = 100  # that are tried while a reader is in the way
REGISTRY = "registry"
ROOM_BYTES = 4 * 2**20  # on the small disk, before it is filled
GROWN_BYTES = 4_096  # no file of the process may grow beyond


@asynccontextmanager
async def locked(house: House) -> AsyncIterator[None]:
    """Another process has the database to itself."""
    holder = sqlite3.connect(
        house.var_dir / STATE_FILE, timeout=GET_LOCK_S, isolation_level=None, check_same_thread=False
    )
    with closing(holder):
        await asyncio.to_thread(holder.execute, "BEGIN EXCLUSIVE")
        yield


@asynccontextmanager
async def locked_at_the_start(house: House) -> AsyncIterator[None]:
    """Both APIs are killed, and start while the database is locked."""
    async with locked(house):
        await house.restart(*house.apis, wholly=False)
        yield


@asynccontextmanager
async def gone(house: House) -> AsyncIterator[None]:
    """The file is moved away under the processes, and comes back."""
    path, away = house.var_dir / STATE_FILE, house.var_dir / "moved-away.sqlite3"
    path.rename(away)
    try:
        yield
    finally:
        away.rename(path)


@asynccontextmanager
async def read_only(house: House, *, wholly: bool = True) -> AsyncIterator[None]:
    """Both APIs start over a file that they can't write to, and start again when they can."""
    try:
        with only_to_be_read(house.var_dir / STATE_FILE):
            await house.restart(*house.apis, wholly=False)
            yield
    finally:
        await house.restart(*house.apis, wholly=wholly)


@asynccontextmanager
async def disk_full(house: House, *, wholly: bool = True) -> AsyncIterator[None]:
    """Both APIs go on with their state on a small disk, which then fills up; who isn't root can only stop files."""
    if not can_mount():
        print("no small disk without root: files of the APIs can't grow instead", file=sys.stderr)
        with _files_that_cannot_grow(house):
            yield
        return
    disk = house.var_dir.parent / "small-disk"
    disk.mkdir()
    with ExitStack() as mounts:
        with house.away(house.apis):
            await house.kill(*house.apis)
            mounts.enter_context(
                small_disk(disk, size_of(house.var_dir) - size_of(house.var_dir / REGISTRY) + ROOM_BYTES)
            )
            await asyncio.to_thread(_copy, house.var_dir, disk)
            (disk / REGISTRY).symlink_to(house.var_dir / REGISTRY)  # the models have it open, too
        try:
            await house.start(*house.apis, environment={"VAR_DIR": str(disk)}, wholly=wholly)
            await asyncio.to_thread(_leave_no_room_in_the_log, disk / STATE_FILE)
            with filled(disk):
                yield
        finally:
            with house.away(house.apis):
                await house.kill(*house.apis)
                await asyncio.to_thread(_copy, disk, house.var_dir)
                mounts.close()
                disk.rmdir()
                await house.start(*house.apis, wholly=wholly)


def _leave_no_room_in_the_log(database: Path) -> None:
    """SQLite writes over what it has in its log already, and would not need the disk for many writes."""
    with closing(sqlite3.connect(database, timeout=GET_LOCK_S, isolation_level=None)) as connection:
        for _ in range(CHECKPOINTS):
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return
            time.sleep(0.05)  # a reader is in the way
    raise ProcessError(f"SQLite's log beside {database} could not be emptied")


def _copy(source: Path, target: Path) -> None:
    """All but the registry, over what is there: also what is there no more."""
    for path in target.iterdir():
        if path.name != REGISTRY:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(REGISTRY), dirs_exist_ok=True)


@contextmanager
def _files_that_cannot_grow(house: House) -> Iterator[None]:
    pids = [house.fleet.pid(api.name) for api in house.apis]
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    try:
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (GROWN_BYTES, before[pid][1]))
        yield
    finally:
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before[pid])
