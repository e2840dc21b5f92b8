"""The other end of the benchmark: answers every POST with its own body, and does nothing else.

`python -m loadtests.bench.server PORT CORE` (a CORE below 0: wherever the system likes)
"""

from __future__ import annotations

import asyncio
import re
import sys

from loadtests.bench.cores import stay_on

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Echo(asyncio.Protocol):
    """One keep-alive connection. A framework would cost more than the clients that are compared."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (body := self._next_body()) is not None:
            assert self._transport is not None
            self._transport.write(_HEAD % len(body) + body)

    def _next_body(self) -> bytes | None:
        """The body of the next request that is whole; one without a body is answered with an empty object."""
        head, found, rest = self._received.partition(b"\r\n\r\n")
        announced = _LENGTH.search(head)
        length = int(announced[1]) if announced else 0
        if not found or len(rest) < length:
            return None
        self._received = rest[length:]
        return rest[:length] or b"{}"


async def serve(port: int) -> None:
    """Until it is stopped."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    stay_on(int(sys.argv[2]))
    asyncio.run(serve(int(sys.argv[1])))
