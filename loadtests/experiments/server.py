"""The healthy service of the experiments, in a process of its own: it answers after so many milliseconds.

`python -m loadtests.experiments.server PORT KIND DELAY_MS [FAULT=PORT …]`

KIND is "echo" (the answer is the question), "double" (an item for each key) or "silent" (it reads, and never answers).
Before the same service stands a chaos proxy for each FAULT, on a port of its own, which spoils every tenth request.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from loadtests.processes import Fleet, Program, free_ports
from loadtests.proxy import ChaosProxy
from loadtests.wire import read_answer

Kind = Literal["echo", "double", "silent"]
SPOILED_EVERY = 10
GRACE_SECONDS = 1.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


@asynccontextmanager
async def serving(kind: Kind, *, delay_ms: float = 0) -> AsyncIterator[str]:
    """Such a service for the length of a block; yields its address."""
    async with serving_spoiled(kind, (), delay_ms=delay_ms) as urls:
        yield urls[""]


@asynccontextmanager
async def serving_spoiled(
    kind: Kind, faults: Sequence[str], *, delay_ms: float = 0
) -> AsyncIterator[Mapping[str, str]]:
    """The same behind a proxy for each fault; yields the address for each, and the unspoiled one under ""."""
    port, *others = free_ports(1 + len(faults))
    ports = dict(zip(faults, others, strict=True))
    spoiled = (f"{fault}={its}" for fault, its in ports.items())
    program = Program(kind, ("-m", __name__, str(port), kind, str(delay_ms), *spoiled), port)
    with tempfile.TemporaryDirectory() as logs, Fleet(Path(logs), grace_seconds=GRACE_SECONDS) as fleet:
        fleet.start(program)
        await fleet.ready(program)
        yield {"": program.url, **{fault: f"http://{program.host}:{its}" for fault, its in ports.items()}}


async def open_connections(url: str) -> int:
    """How many connections the service at `url` has, but for the one that asks."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(b"GET /connections HTTP/1.1\r\n\r\n")
    told = json.loads((await read_answer(reader)).body)
    writer.close()
    await writer.wait_closed()
    return int(told["connections"])


class Connection(asyncio.Protocol):
    """One keep-alive connection; a GET is answered at once, with the number of the others."""

    def __init__(self, among: set[Connection], answer: Callable[[bytes], bytes] | None, delay_ms: float) -> None:
        self._among, self._answer, self._delay_ms = among, answer, delay_ms
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._among.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._among.discard(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (request := self._next()) is not None:
            is_get, body = request
            if is_get:
                self._write(json.dumps({"connections": len(self._among) - 1}).encode())
            elif self._answer is not None:
                asyncio.get_running_loop().call_later(self._delay_ms / 1000, self._write, self._answer(body))

    def _next(self) -> tuple[bool, bytes] | None:
        """Whether the next request that is whole is a GET, and its body."""
        head, found, rest = self._received.partition(b"\r\n\r\n")
        announced = _LENGTH.search(head)
        length = int(announced[1]) if announced else 0
        if not found or len(rest) < length:
            return None
        self._received = rest[length:]
        return head.startswith(b"GET "), rest[:length]

    def _write(self, body: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():  # else the client has left meanwhile
            self._transport.write(_HEAD % len(body) + body)


def double(body: bytes) -> bytes:
    """An item for each key, in the order asked: the key is a number as text."""
    items = [{"id": key, "value": 2.0 * int(key)} for key in json.loads(body)["keys"]]
    return json.dumps({"items": items, "version": "1"}).encode()


ANSWERS: Mapping[str, Callable[[bytes], bytes] | None] = {"echo": bytes, "double": double, "silent": None}


async def serve(port: int, kind: str, delay_ms: float, spoiled: Mapping[str, int]) -> None:
    """Until it is stopped."""
    connections: set[Connection] = set()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(connections, ANSWERS[kind], delay_ms), "127.0.0.1", port, backlog=512
    )
    upstream = f"http://127.0.0.1:{port}"
    for fault, its_port in spoiled.items():
        await ChaosProxy(upstream=upstream, port=its_port, fault=fault, every=SPOILED_EVERY).start()
    await server.serve_forever()


if __name__ == "__main__":
    named = (argument.split("=") for argument in sys.argv[4:])
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), {fault: int(port) for fault, port in named}))
