"""Runs one cell: a server that turns bad at the right moment, and a fresh process with one client in it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtests.conformance.adapters import Adapter
from loadtests.conformance.child import WARM, Order
from loadtests.conformance.faults import Row
from loadtests.conformance.verdict import Cell, Limits, Measured
from loadtests.processes import Fleet, Program, free_port
from loadtests.proxy import ChaosProxy

START_SECONDS = 60.0
MAX_TRIES = 3
PAUSE_SECONDS = 0.5  # before the second try, and twice that before the third: what disturbs is over by then, or goes on
REPORT_SECONDS = 2.0  # on top of the cap: a client that blocks its loop can't even say that it is late


@dataclass(frozen=True, slots=True)
class Server:
    """A healthy server, and the way to break it."""

    url: str
    turn_bad: Callable[[], Awaitable[None]]


async def run_cell(adapter: Adapter, row: Row, limits: Limits) -> Cell:
    """Measures one client under one fault; whatever it does, this returns a cell.

    If time is all that is wrong, it is measured again, up to `MAX_TRIES`: what the client does to itself comes back
    every time, what a busy machine does to it does not.
    """
    for tries in range(1, MAX_TRIES + 1):
        async with _server_for(row) as server:
            order = Order(adapter.name, server.url, row.address, limits.timeout_ms, limits.cap_ms)
            cell = Cell(adapter.name, row.name, await _measured(order, server), tries)
        if not cell.may_be_noise(limits) or tries == MAX_TRIES:
            break
        await asyncio.sleep(tries * PAUSE_SECONDS)
    return cell


@asynccontextmanager
async def _server_for(row: Row) -> AsyncIterator[Server]:
    if row.kind == "process":
        async with _victim(row) as server:
            yield server
        return
    proxy = ChaosProxy()
    await proxy.start()

    async def turn_bad() -> None:
        await proxy.set_fault(None if row.kind in {"healthy", "address"} else row.name)

    try:
        yield Server(proxy.url, turn_bad)
    finally:
        await proxy.stop()


@asynccontextmanager
async def _victim(row: Row) -> AsyncIterator[Server]:
    port = free_port()
    program = Program("victim", ("-m", "loadtests.conformance.victim", str(port)), port)
    with tempfile.TemporaryDirectory() as logs, Fleet(Path(logs)) as fleet:
        fleet.start(program)
        await fleet.ready(program)

        async def turn_bad() -> None:
            (fleet.freeze if row.name == "frozen" else fleet.kill)(program.name)

        yield Server(program.url, turn_bad)


async def _measured(order: Order, server: Server) -> Measured:
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    with tempfile.TemporaryFile() as words:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "loadtests.conformance.child", json.dumps(asdict(order))),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=words,
            env=environ,
            process_group=0,
        )
        try:
            return await _conversation(child, order, server)
        except _ChildGone:
            await child.wait()
            words.seek(0)
            last = words.read().decode(errors="replace").strip().splitlines()[-1:]
            return Measured("unfit", f"the process ended with {child.returncode}: {' '.join(last)}")
        finally:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()


class _ChildGone(Exception):
    """It closed its mouth without a report."""


async def _conversation(child: asyncio.subprocess.Process, order: Order, server: Server) -> Measured:
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            first = await child.stdout.readline()
    except TimeoutError:
        return Measured("unfit", f"not warm after {START_SECONDS:.0f} s")
    if first.decode().strip() == WARM:
        await server.turn_bad()
        child.stdin.write(b"go\n")
        try:
            async with asyncio.timeout(order.cap_ms / 1000 + REPORT_SECONDS):
                first = await child.stdout.readline()
        except TimeoutError:
            return Measured("never", "its loop was blocked", float(order.cap_ms))
    if not first:
        raise _ChildGone
    return Measured(**json.loads(first))
