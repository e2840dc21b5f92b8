"""What can happen around an API: its clock jumps, its loop stands still, its shadow hangs, nobody reads its log."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from loadtests.processes import ProcessError, Program

if TYPE_CHECKING:
    from loadtests.murphy.house import House

LIBRARIES = (Path("/usr/lib"), Path("/usr/lib64"))
FAKETIME = "faketime/libfaketime.so.1"  # below one of them, from Debian's package libfaketime
BLOCKER = Path(__file__).with_name("blocker")  # Python runs its sitecustomize.py at the start
BLOCK_EVERY_S = 2.0
MOVED_WITHIN_S, ASKED_EVERY_S, ASKED_FOR_S = 20.0, 0.1, 2.0
ABOUT_S = 60.0  # two clocks that tell the same time
PIPE_BYTES = 4_096  # the smallest that Linux makes
SHADOWS = ("SUPERMEGARETAIL_SHADOW_URL", "PHOTOSTOCK_SHADOW_URL")


@asynccontextmanager
async def clock_moved(house: House, by: str) -> AsyncIterator[None]:
    """The wall clock of both APIs jumps by "+3600" or "-3600" seconds in the midst of their work, and back."""
    shift = house.var_dir / "clock-shift"
    shift.write_text("+0\n")
    environment = {
        "LD_PRELOAD": faketime(),
        "FAKETIME_TIMESTAMP_FILE": str(shift),
        "FAKETIME_CACHE_DURATION": "1",  # else it opens the file for every wait of every thread: six times as busy
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # else waits for Python's lock end at once: ten times as slow with threads
    }
    await house.restart(*house.apis, environment=environment)
    try:
        await _move(house, shift, by)
        yield
    finally:
        shift.write_text("+0\n")
    await _move(house, shift, "+0")


@asynccontextmanager
async def loop_blocked(house: House, *, wholly: bool = True) -> AsyncIterator[None]:
    """The event loops of both APIs run something long, again and again; their other threads go on."""
    path = os.pathsep.join([str(BLOCKER), *filter(None, [os.environ.get("PYTHONPATH")])])
    await house.restart(*house.apis, environment={"PYTHONPATH": path}, wholly=wholly)
    pids = [house.fleet.pid(api.name) for api in house.apis]

    async def block_again_and_again() -> None:
        while True:
            for pid in pids:
                os.kill(pid, signal.SIGUSR2)
            await asyncio.sleep(BLOCK_EVERY_S)

    async with meanwhile(block_again_and_again()):
        yield


@asynccontextmanager
async def stutter(house: House, programs: Sequence[Program], *, stopped_s: float, free_s: float) -> AsyncIterator[None]:
    """These processes stand still (SIGSTOP) for a moment, again and again."""
    names = [program.name for program in programs]

    async def stop_and_go() -> None:
        while True:
            for name in names:
                house.fleet.freeze(name)
            await asyncio.sleep(stopped_s)
            for name in names:
                house.fleet.thaw(name)
            await asyncio.sleep(free_s)

    try:
        async with meanwhile(stop_and_go()):
            yield
    finally:
        for name in names:
            house.fleet.thaw(name)


@asynccontextmanager
async def meanwhile(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """This work beside a block, and not longer."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def shadow_hangs(house: House) -> AsyncIterator[None]:
    """Both APIs send copies to a process that accepts and never answers."""
    server = await asyncio.start_server(_never_answers, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        await house.restart(*house.apis, environment=dict.fromkeys(SHADOWS, url))
        yield
    finally:
        await house.restart(*house.apis)
        server.close()


@asynccontextmanager
async def log_blocked(house: House) -> AsyncIterator[None]:
    """The log of both APIs goes into a full pipe that nobody reads."""
    paths = [house.fleet.log_of(api.name) for api in house.apis]
    readers: list[int] = []
    try:
        for path in paths:
            path.rename(path.with_suffix(".before"))
            os.mkfifo(path)
            readers.append(os.open(path, os.O_RDWR | os.O_NONBLOCK))
            fcntl.fcntl(readers[-1], fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            with suppress(BlockingIOError):
                os.write(readers[-1], bytes(PIPE_BYTES))  # it is full before the first line
        await house.restart(*house.apis)
        yield
    finally:
        await house.kill(*house.apis)
        for path in paths:
            path.unlink(missing_ok=True)
            path.with_suffix(".before").rename(path)
        for reader in readers:
            os.close(reader)
        await house.start(*house.apis)


async def _move(house: House, shift: Path, by: str) -> None:
    """Moves the clocks, and waits until both APIs tell the new time: they look into the file once a second."""
    await asyncio.to_thread(shift.write_text, f"{by}\n")
    timeout = aiohttp.ClientTimeout(total=ASKED_FOR_S)
    async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.timeout(MOVED_WITHIN_S):
        for api in house.apis:
            while not await _is_ahead(session, api.url, int(by)):  # noqa: ASYNC110  no event comes from there
                await asyncio.sleep(ASKED_EVERY_S)


async def _is_ahead(session: aiohttp.ClientSession, url: str, by_s: int) -> bool:
    """Is its clock ahead of ours by so much, as far as it says?"""
    with suppress(aiohttp.ClientError, TimeoutError):
        async with session.get(f"{url}/live") as response:
            told = parsedate_to_datetime(response.headers["Date"])
            return abs((told - datetime.now(UTC)).total_seconds() - by_s) < ABOUT_S
    return False


def faketime() -> str:
    """The library that moves a clock; `ProcessError` where it is not installed."""
    found = next((path for folder in LIBRARIES for path in folder.glob(f"*/{FAKETIME}")), None)
    if found is None:
        raise ProcessError("a clock can't be moved without libfaketime (Debian: apt-get install libfaketime)")
    return str(found)


async def _never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while await reader.read(65_536):
            pass
    writer.close()
