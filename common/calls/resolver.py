"""Looks names up without letting one slow name server hold up anybody else.

asyncio looks names up in the threads that the whole process shares: on two cores six look-ups that hang make every
other name, even localhost, unreachable. Here each upstream has a thread of its own, which dies with the process.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

Lookup = Callable[..., list[Any]]
STUCK_S = 10


class OwnThreadResolver(AbstractResolver):
    """For one upstream: one look-up at a time, shared by all calls that wait for it.

    One that has hung for `STUCK_S` is given up: its thread stays behind, and another one tries.
    """

    def __init__(self, lookup: Lookup = socket.getaddrinfo) -> None:
        self._lookup = lookup
        self._under_way: asyncio.Future[list[Any]] | None = None
        self._begun_s = 0.0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of `host`; raises `OSError` for an unknown name."""
        under_way = self._under_way
        if under_way is None or under_way.done() or self._is_lost(under_way):
            under_way = self._under_way = self._begin(host, port, family)
            self._begun_s = time.monotonic()
        found = await asyncio.shield(under_way)
        return [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=address[1],
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """A thread that still looks something up is left to its fate."""

    def _is_lost(self, under_way: asyncio.Future[list[Any]]) -> bool:
        other_loop = under_way.get_loop() is not asyncio.get_running_loop()
        return other_loop or time.monotonic() - self._begun_s > STUCK_S

    def _begin(self, host: str, port: int, family: socket.AddressFamily) -> asyncio.Future[list[Any]]:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[Any]] = loop.create_future()
        found.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be waiting any more

        def tell(answer: list[Any] | None, error: OSError | None) -> None:
            if found.done():
                return
            if error is not None:
                found.set_exception(error)
            else:
                found.set_result(answer or [])

        def look_up() -> None:
            answer, problem = None, None
            try:
                answer = self._lookup(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
            except OSError as error:
                problem = error
            except Exception as error:  # noqa: BLE001  UnicodeError for one; whoever waits must hear of it
                problem = OSError(f"not a host name: {error}")
            if not loop.is_closed():
                loop.call_soon_threadsafe(tell, answer, problem)

        threading.Thread(target=look_up, name=f"look-up-{host}", daemon=True).start()
        return found
