"""uvicorn's server with a drain before its end: first callers are told to leave, then the door closes.

Whoever has connected by then is answered. What no server can help: a client that reuses an idle connection in the very
moment in which it is closed; it has had the whole notice to hear `Connection: close`.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from types import FrameType

import uvicorn

from common.service.drain import Drain

# Objects between two searches for garbage. A bulk request makes thousands that are gone when it is answered: with
# Python's 700 the searches took 8 % of its time.
GARBAGE_THRESHOLDS = (20_000, 10, 10)
LAST_CALL_S = 0.1  # for the first request on a connection that was accepted last


class DrainingServer(uvicorn.Server):
    """On SIGTERM or SIGINT: notice, close the door, finish what is at work. A second signal ends it at once."""

    def __init__(self, config: uvicorn.Config, *, drain: Drain, notice_ms: int) -> None:
        super().__init__(config)
        self._drain = drain
        self._notice_s = notice_ms / 1000

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        gc.collect()
        gc.freeze()  # what is here now stays; looking through it for garbage would halt all requests for 70 ms
        gc.set_threshold(*GARBAGE_THRESHOLDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._drain.begun:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        self._drain.begin()
        if sig == signal.SIGTERM:
            self.should_exit = True  # uvicorn would raise it again at the end: no exit code 0, no exit handlers
        else:
            super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._drain.begin()
        await asyncio.sleep(self._notice_s)
        await self._close_the_door()
        await asyncio.sleep(LAST_CALL_S)
        await super().shutdown(sockets)

    async def _close_the_door(self) -> None:
        """Closes the listening sockets and accepts who stands in their queues: the kernel would cut them off."""
        for server in self.servers:
            doors = [socket.fromfd(door.fileno(), door.family, door.type) for door in server.sockets]
            server.close()
            for door in doors:
                for connection in _accept_all(door):
                    await self._admit(connection)

    async def _admit(self, connection: socket.socket) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: self.config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn does it
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            ),
            connection,
        )


def _accept_all(door: socket.socket) -> list[socket.socket]:
    """Everybody in the queue of a listening socket; closes it."""
    door.setblocking(False)
    accepted: list[socket.socket] = []
    with door:
        while True:
            try:
                connection, _address = door.accept()
            except OSError:  # BlockingIOError: nobody is left
                return accepted
            connection.setblocking(False)
            accepted.append(connection)
