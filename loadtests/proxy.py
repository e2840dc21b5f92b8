"""A chaos proxy: forwards HTTP to a healthy upstream, and breaks the answers in one named way at a time.

Without an upstream it is a misbehaving server of its own, for the tests of any client.
"""

from __future__ import annotations

import asyncio
import functools
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from loadtests.faults import find_fault
from loadtests.misbehave import BEHAVIOURS, Exchange, Others, Timing, behave
from loadtests.mutations import Json
from loadtests.wire import HEAD_LIMIT_BYTES, Message, WireError, answer, read_answer, read_request

UPSTREAM_SECONDS = 30.0
CANNED: Json = {"items": [{"id": "a", "value": 1.5}, {"id": "b", "value": 2.5}], "version": "1.0.0"}


class ChaosProxy:
    """Listens on `host:port` (0: any free one) and answers every `every`th request as `fault` says (None: healthy)."""

    def __init__(
        self,
        *,
        upstream: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        fault: str | None = None,
        every: int = 1,
        canned: Json = CANNED,
        timing: Timing | None = None,
    ) -> None:
        self._every = every
        self.host, self.port, self.fault, self.requests = host, port, _checked(fault), 0
        self._upstream, self._canned, self._timing = upstream, canned, timing or Timing()
        self._others = Others()
        self._socket: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens, once it was started."""
        return f"http://{self.host}:{self.port}"

    async def start(self) -> None:
        """Take the port, and listen unless the fault is that nobody does."""
        self._socket = self._bound_socket()
        self.port = self._socket.getsockname()[1]
        if self.fault != "refused":
            self._socket.listen(128)
            asyncio.get_running_loop().add_reader(self._socket, self._accept, self._socket)

    async def stop(self) -> None:
        """Drop every connection and give the port back."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for task in (tasks := tuple(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def set_fault(self, fault: str | None) -> None:
        """Switch; requests under way end as they began, unless from now on nobody listens."""
        before, self.fault = self.fault, _checked(fault)
        if before != self.fault and "refused" in {before, self.fault}:
            await self.stop()
            await self.start()

    def _bound_socket(self) -> socket.socket:
        # Bound and not yet listening, it refuses connections and keeps the port ours.
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setblocking(False)
            bound.bind((self.host, self.port))
        except OSError:
            bound.close()
            raise
        return bound

    def _accept(self, listening: socket.socket) -> None:
        # By hand: asyncio.start_server leaks a connection that arrives while the server is being closed.
        try:
            connection, _ = listening.accept()
        except OSError:  # it left before we came
            return
        connection.setblocking(False)
        task = asyncio.create_task(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._ended, connection))

    def _ended(self, connection: socket.socket, task: asyncio.Task[None]) -> None:
        connection.close()  # here, because a task that is cancelled before its first step runs no `finally`
        self._tasks.discard(task)

    async def _serve(self, connection: socket.socket) -> None:
        with suppress(WireError, OSError):  # the client broke off, or is no client
            reader, writer = await asyncio.open_connection(sock=connection, limit=HEAD_LIMIT_BYTES)
            try:
                await self._converse(reader, writer)
                writer.close()
                await writer.wait_closed()
            finally:
                writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = None if self._upstream is None else Upstream(self._upstream)
        try:
            while (request := await read_request(reader)) is not None:
                if not await self._answer(request, reader, writer, upstream) or request.last:
                    break
        finally:
            if upstream is not None:
                upstream.close()

    async def _answer(
        self, request: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: Upstream | None
    ) -> bool:
        async def right_answer() -> Message:
            if upstream is None:
                return answer("200 OK", json.dumps(self._canned).encode())
            right = self._others.last[request.start] = await upstream.ask(request)
            return right

        exchange = Exchange(
            request, self.requests, reader, writer, right_answer, self._canned, self._timing, self._others
        )
        self.requests += 1
        fault = self.fault if self.requests % self._every == 0 else None
        return await BEHAVIOURS.get(fault or "", behave)(exchange)


class Upstream:
    """One keep-alive connection to the healthy server; whatever goes wrong on it becomes a 502."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: Message) -> Message:
        """The upstream's answer to this request; asked once more if a kept connection turned out to be stale."""
        plain = request.with_header("Accept-Encoding", "identity")  # faults of content change the JSON
        reused = self._connection is not None
        try:
            return await self._ask_once(plain)
        except (WireError, OSError, TimeoutError) as error:
            self.close()
            if reused and not isinstance(error, TimeoutError):
                return await self.ask(request)
            return answer("502 Bad Gateway", json.dumps({"detail": f"upstream: {error!r}"}).encode())

    async def _ask_once(self, request: Message) -> Message:
        async with asyncio.timeout(UPSTREAM_SECONDS):
            if self._connection is None:
                self._connection = await asyncio.open_connection(self._host, self._port, limit=HEAD_LIMIT_BYTES)
            reader, writer = self._connection
            writer.write(request.encode())
            await writer.drain()
            received = await read_answer(reader, to_head=request.start.startswith("HEAD "))
        if received.last:
            self.close()
        return received

    def close(self) -> None:
        """Hang up; the next question opens a new connection."""
        if self._connection is not None:
            self._connection[1].close()
            self._connection = None


class RunningProxy:
    """A proxy at work in a thread of its own, for tests and for code without an event loop."""

    def __init__(self, proxy: ChaosProxy, loop: asyncio.AbstractEventLoop) -> None:
        self._proxy, self._loop = proxy, loop

    @property
    def url(self) -> str:
        return self._proxy.url

    @property
    def port(self) -> int:
        return self._proxy.port

    @property
    def requests(self) -> int:
        """How many requests have arrived since the start."""
        return self._proxy.requests

    def set_fault(self, fault: str | None) -> None:
        """Switch the fault; done when this returns."""
        asyncio.run_coroutine_threadsafe(self._proxy.set_fault(fault), self._loop).result(timeout=10)


@contextmanager
def proxy_in_thread(**options: Any) -> Iterator[RunningProxy]:
    """A `ChaosProxy` of these options for the length of a `with` block, also inside of a running event loop."""
    proxy = ChaosProxy(**options)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="chaos-proxy", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(proxy.start(), loop).result(timeout=10)
        yield RunningProxy(proxy, loop)
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()


def _checked(fault: str | None) -> str | None:
    if fault is not None and find_fault(fault).kind == "process":
        raise ValueError(f"{fault} is done to a process with a signal, not by a proxy")
    return fault
