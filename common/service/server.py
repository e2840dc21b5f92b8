"""uvicorn's server with a drain before its end: first callers are told to leave, then the door closes.

Whoever has connected by then is answered. What no server can help: a client that reuses an idle connection in the very
moment in which it is closed; it has had the whole notice to hear `Connection: close`.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from contextlib import suppress
from types import FrameType

import structlog
import uvicorn

from common.service.connections import Connections
from common.service.drain import Drain

# Objects between two searches for garbage. A bulk request makes thousands that are gone when it is answered: with
# Python's 700 the searches took 8 % of its time.
GARBAGE_THRESHOLDS = (20_000, 10, 10)
TICKS_PER_S = 10  # uvicorn's own
ACCEPTED_AT_A_TIME = 100
FULL_REST_S = 0.1  # without letting anybody in, while as many are connected as may be
FAILED_REST_S = 1.0  # after the system could not accept anybody
LAST_CALL_S = 0.1  # for the first request on a connection that was accepted last

log = structlog.get_logger(__name__)


class DrainingServer(uvicorn.Server):
    """On SIGTERM or SIGINT: notice, close the door, finish what is at work. A second signal ends it at once."""

    def __init__(self, config: uvicorn.Config, *, drain: Drain, notice_ms: int) -> None:
        super().__init__(config)
        self._drain = drain
        self._notice_s = notice_ms / 1000
        self._connections = Connections()
        self._doors: list[socket.socket] = []
        self._admitting: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._open_wide()

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_PER_S == 0:
            self._connections.sweep(list(self.server_state.connections))
        return await super().on_tick(counter)

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
        for door in self._doors:
            asyncio.get_running_loop().remove_reader(door)
            with suppress(OSError):
                while waiting := _accepted(door, ACCEPTED_AT_A_TIME):
                    for connection in waiting:
                        await self._admit(connection)
            door.close()

    def _open_wide(self) -> None:
        """uvloop accepts one connection each time it comes round, so who connects while it is busy waits for seconds;
        and however many are connected, it accepts one more."""
        loop = asyncio.get_running_loop()
        for server in self.servers:
            for listening in server.sockets:
                door = socket.fromfd(listening.fileno(), listening.family, listening.type)
                door.setblocking(False)
                loop.add_reader(door, self._let_in, door)
                self._doors.append(door)
            server.close()  # of the socket it has but one of two handles

    def _let_in(self, door: socket.socket) -> None:
        room = self._connections.most - len(self.server_state.connections) - len(self._admitting)
        if room <= 0:
            self._connections.make_room(list(self.server_state.connections), ACCEPTED_AT_A_TIME)
            self._rest(door, FULL_REST_S)
            return
        try:
            accepted = _accepted(door, min(room, ACCEPTED_AT_A_TIME))
        except OSError as error:  # mostly there are no more files; who waits keeps the door ready, and us busy
            log.error("http.not_accepting", error=str(error))
            self._rest(door, FAILED_REST_S)
            return
        for connection in accepted:
            admitting = asyncio.get_running_loop().create_task(self._admit(connection))
            self._admitting.add(admitting)
            admitting.add_done_callback(self._admitting.discard)

    def _rest(self, door: socket.socket, rest_s: float) -> None:
        """Nobody is let in for so long."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(door)
        loop.call_later(rest_s, self._open_again, door)

    def _open_again(self, door: socket.socket) -> None:
        if not self._drain.begun:
            asyncio.get_running_loop().add_reader(door, self._let_in, door)

    async def _admit(self, connection: socket.socket) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: self.config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn does it
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            ),
            connection,
        )


def settle_memory() -> None:
    """For the end of a start: what is here now stays, so that it is never looked through for garbage again."""
    gc.collect()  # while nobody waits: it takes 70 ms
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def _accepted(door: socket.socket, most: int) -> list[socket.socket]:
    """Who stands in the queue of a listening socket; `OSError` if nobody can be accepted although somebody may be."""
    accepted: list[socket.socket] = []
    while len(accepted) < most:
        try:
            connection, _address = door.accept()
        except ConnectionAbortedError:  # this one left while standing there
            continue
        except BlockingIOError:  # nobody is left
            break
        except OSError:
            if not accepted:
                raise
            break
        connection.setblocking(False)
        accepted.append(connection)
    return accepted
