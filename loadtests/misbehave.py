"""How each fault looks from the socket: one small coroutine per misbehaviour."""

from __future__ import annotations

import asyncio
import functools
import json
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from loadtests.faults import MENU
from loadtests.mutations import Json, mutate
from loadtests.wire import Message, answer

GIB_BYTES = 1024**3
MIB_BYTES = 1024**2
CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Timing:
    """The pauses of the faults that live from pauses; tests shorten them."""

    drip_seconds: float = 0.1
    late_seconds: float = 5.0
    flap_seconds: float = 2.0
    cross_seconds: float = 0.1  # how long an answer waits for one to be swapped with


@dataclass(slots=True)
class Others:
    """What a proxy knows of other requests, by their start line."""

    last: dict[str, Message] = field(default_factory=dict)  # the right answer to the one before
    waiting: dict[str, tuple[Message, asyncio.Future[Message]]] = field(default_factory=dict)  # for another answer


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request under way: what was asked, how to get the right answer, and the connection to spoil it on."""

    request: Message
    number: int  # how many requests came before it
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    right_answer: Callable[[], Awaitable[Message]]
    canned: Json
    timing: Timing
    others: Others

    async def send(self, data: bytes) -> None:
        """Send bytes, no faster than the client takes them."""
        self.writer.write(data)
        await self.writer.drain()

    async def client_left(self) -> None:
        """Stay connected and silent until the client has had enough."""
        while await self.reader.read(CHUNK_BYTES):
            pass

    def reset(self) -> None:
        """Drop the connection with a TCP reset, as a crashing machine does."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Behaviour = Callable[[Exchange], Awaitable[bool]]  # True: the connection is still good for another request


async def behave(exchange: Exchange) -> bool:
    """No fault: pass the right answer on."""
    right = await exchange.right_answer()
    await exchange.send(right.encode())
    return not right.last


async def hang(exchange: Exchange) -> bool:
    await exchange.client_left()
    return False


async def close_early(exchange: Exchange) -> bool:
    return False


async def drip_head(exchange: Exchange) -> bool:
    right = await exchange.right_answer()
    await _drip(exchange, right.head())
    await exchange.send(right.body)
    return True


async def drip_body(exchange: Exchange) -> bool:
    right = await exchange.right_answer()
    await exchange.send(right.head())
    await _drip(exchange, right.body)
    return True


async def _drip(exchange: Exchange, data: bytes) -> None:
    for position in range(len(data)):
        await exchange.send(data[position : position + 1])
        await asyncio.sleep(exchange.timing.drip_seconds)


async def stall_mid_body(exchange: Exchange) -> bool:
    right = await exchange.right_answer()
    await exchange.send(right.head() + right.body[: len(right.body) // 2])
    return await hang(exchange)


async def reset_mid_head(exchange: Exchange) -> bool:
    return await _reset_after(exchange, (await exchange.right_answer()).head()[:20])


async def reset_mid_body(exchange: Exchange) -> bool:
    right = await exchange.right_answer()
    return await _reset_after(exchange, right.head() + right.body[: len(right.body) // 2])


async def _reset_after(exchange: Exchange, data: bytes) -> bool:
    await exchange.send(data)
    await asyncio.sleep(0.02)  # a reset discards what the client has not read yet
    exchange.reset()
    return False


async def redirect_loop(exchange: Exchange) -> bool:
    target = exchange.request.start.split(" ")[1]
    await exchange.send(answer("307 Temporary Redirect", Location=target).encode())
    return True


async def huge_body(exchange: Exchange) -> bool:
    return await _stream(exchange, start=b"[0", piece=b",0" * (CHUNK_BYTES // 2), size_bytes=GIB_BYTES)


async def long_json(exchange: Exchange) -> bool:
    return await _stream(exchange, start=b"[0", piece=b",0" * (CHUNK_BYTES // 2), size_bytes=36 * MIB_BYTES)


async def _stream(exchange: Exchange, *, start: bytes, piece: bytes, size_bytes: int) -> bool:
    """A long JSON list of about this size, made while it is sent: it never lies in this process's memory."""
    pieces = size_bytes // len(piece)
    await exchange.send(answer("200 OK").head(content_length=len(start) + pieces * len(piece) + 1) + start)
    for _ in range(pieces):
        await exchange.send(piece)
    await exchange.send(b"]")
    return True


async def gzip_bomb(exchange: Exchange) -> bool:
    await exchange.send(answer("200 OK", _bomb(), Content_Encoding="gzip").encode())
    return True


@functools.cache
def _bomb() -> bytes:
    """1 MB of gzip that inflates to 1 GiB of blanks (its checksum is wrong, but who gets that far is lost already)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    mib = packer.compress(b" " * MIB_BYTES) + packer.flush(zlib.Z_FULL_FLUSH)
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    return header + mib * (GIB_BYTES // MIB_BYTES) + packer.flush() + struct.pack("<II", 0, GIB_BYTES)


async def wrong_length(exchange: Exchange) -> bool:
    right = await exchange.right_answer()
    await exchange.send(right.head(content_length="plenty") + right.body)
    return False


async def garbage_bytes(exchange: Exchange) -> bool:
    await exchange.send(b"\x00\xff\x17SSH-2.0-not-http\r\n\r\n" * 8)
    return False


async def informational_flood(exchange: Exchange) -> bool:
    while True:
        await exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000)
        await asyncio.sleep(0)  # the proxy has others to serve, however fast this client reads


async def previous_answer(exchange: Exchange) -> bool:
    before = exchange.others.last.get(exchange.request.start)
    right = await exchange.right_answer()  # for the next request
    await exchange.send((before or right).encode())
    return not right.last


async def crossed(exchange: Exchange) -> bool:
    right = await exchange.right_answer()
    await exchange.send((await _swapped(right, exchange)).encode())
    return not right.last


async def _swapped(right: Message, exchange: Exchange) -> Message:
    """The answer of another request, which gets this one; its own if none comes in time."""
    waiting, start = exchange.others.waiting, exchange.request.start
    if (other := waiting.pop(start, None)) is not None and not other[1].done():
        other[1].set_result(right)
        return other[0]
    swapped: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    mine = waiting[start] = right, swapped
    try:
        async with asyncio.timeout(exchange.timing.cross_seconds):
            return await swapped
    except TimeoutError:
        return right
    finally:
        if waiting.get(start) is mine:
            del waiting[start]


async def late(exchange: Exchange) -> bool:
    await asyncio.sleep(exchange.timing.late_seconds)
    return await behave(exchange)


async def flapping(exchange: Exchange) -> bool:
    period = int(asyncio.get_running_loop().time() / exchange.timing.flap_seconds)
    if period % 2 == 0:
        return await behave(exchange)
    exchange.reset()
    return False


async def saturated(exchange: Exchange) -> bool:
    return await (behave(exchange) if exchange.number % 10 == 0 else hang(exchange))


def _fixed(message: Message) -> Behaviour:
    async def send_it(exchange: Exchange) -> bool:
        await exchange.send(message.encode())
        return True

    return send_it


def _mutated(fault: str) -> Behaviour:
    async def send_it(exchange: Exchange) -> bool:
        right = await exchange.right_answer()
        try:
            document = json.loads(right.body)
        except ValueError:
            document = exchange.canned
        await exchange.send(replace(right, body=mutate(fault, document)).encode())
        return not right.last

    return send_it


BEHAVIOURS: Mapping[str, Behaviour] = {
    "hang": hang,
    "close_early": close_early,
    "drip_head": drip_head,
    "drip_body": drip_body,
    "stall_mid_body": stall_mid_body,
    "reset_mid_head": reset_mid_head,
    "reset_mid_body": reset_mid_body,
    "garbage_bytes": garbage_bytes,
    "informational_flood": informational_flood,
    "wrong_length": wrong_length,
    "http_500": _fixed(answer("500 Internal Server Error", b'{"detail": "it crashed"}')),
    "http_502": _fixed(answer("502 Bad Gateway", b"<h1>Bad gateway</h1>", content_type="text/html")),
    "http_503": _fixed(answer("503 Service Unavailable", b"{}", Retry_After="1")),
    "http_429": _fixed(answer("429 Too Many Requests", b"{}", Retry_After="1")),
    "redirect_loop": redirect_loop,
    "huge_body": huge_body,
    "gzip_bomb": gzip_bomb,
    "long_json": long_json,
    "deep_json": _fixed(answer("200 OK", b"[" * 200_000 + b"]" * 200_000)),
    "bad_utf8": _fixed(answer("200 OK", b'{"name": "\xff\xfe"}')),
    "not_json": _fixed(answer("200 OK", b"<html><body>It works!</body></html>", content_type="text/html")),
    "previous_answer": previous_answer,
    "crossed": crossed,
    "late": late,
    "flapping": flapping,
    "saturated": saturated,
    **{fault.name: _mutated(fault.name) for fault in MENU if fault.kind == "content"},
}
