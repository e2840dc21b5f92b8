"""HTTP/1.1 messages on asyncio streams: just enough for a proxy that must be able to break every rule."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

HEAD_LIMIT_BYTES = 64 * 1024
BODY_LIMIT_BYTES = 16 * 1024 * 1024

_NOT_FORWARDED = {"connection", "content-length", "expect", "keep-alive", "transfer-encoding"}


class WireError(Exception):
    """The peer does not speak HTTP/1.1, or says more than the limits allow."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer, its body whole; the headers that describe the transfer are made anew when it is sent."""

    start: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    last: bool = False  # its sender said "Connection: close"

    def header(self, name: str) -> str:
        """The first header of this name, or an empty string."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    def with_header(self, name: str, value: str) -> Message:
        """The same message with this header in place of any of the same name."""
        kept = tuple(header for header in self.headers if header[0].lower() != name.lower())
        return replace(self, headers=(*kept, (name, value)))

    def head(self, *, content_length: int | str | None = None) -> bytes:
        """The start line and headers, announcing this body's length (or the given one)."""
        length = len(self.body) if content_length is None else content_length
        lines = [self.start, *(f"{key}: {value}" for key, value in self.headers), f"Content-Length: {length}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def encode(self) -> bytes:
        """The message as it goes over the wire."""
        return self.head() + self.body


def answer(status: str, body: bytes = b"", *, content_type: str = "application/json", **headers: str) -> Message:
    """An answer such as `answer("200 OK", b"{}")`; underscores in header names become dashes."""
    named = ((name.replace("_", "-"), value) for name, value in headers.items())
    return Message(f"HTTP/1.1 {status}", (("Content-Type", content_type), *named), body)


async def read_request(reader: asyncio.StreamReader) -> Message | None:
    """The next request on this connection; None when the client has left instead."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError as error:
        raise WireError("the head is too long") from error
    message = _parse_head(raw)
    return replace(message, body=await _read_body(reader, _transfer(raw), until_close=False))


async def read_answer(reader: asyncio.StreamReader, *, to_head: bool = False) -> Message:
    """The answer on this connection; one to a HEAD request has no body whatever it announces."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise WireError("the answer has no head") from error
    message, transfer = _parse_head(raw), _transfer(raw)
    if to_head or message.start.split(" ")[1] in {"204", "304"}:
        return message
    unframed = not transfer.keys() & {"content-length", "transfer-encoding"}
    return replace(message, body=await _read_body(reader, transfer, until_close=True), last=message.last or unframed)


def _fields(raw: bytes) -> list[tuple[str, str]]:
    lines = raw.decode("latin-1").split("\r\n")[1:-2]
    return [(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in lines)]


def _transfer(raw: bytes) -> dict[str, str]:
    return {key.lower(): value for key, value in _fields(raw) if key.lower() in _NOT_FORWARDED}


def _parse_head(raw: bytes) -> Message:
    start = raw.split(b"\r\n", 1)[0].decode("latin-1")
    if len(start.split(" ")) < 2:
        raise WireError(f"not an HTTP start line: {start[:80]!r}")
    kept = tuple(field for field in _fields(raw) if field[0].lower() not in _NOT_FORWARDED)
    return Message(start, kept, last=_transfer(raw).get("connection", "").lower() == "close")


async def _read_body(reader: asyncio.StreamReader, transfer: dict[str, str], *, until_close: bool) -> bytes:
    if transfer.get("transfer-encoding", "").lower() == "chunked":
        return await _read_chunks(reader)
    if "content-length" in transfer:
        if not transfer["content-length"].isdecimal() or int(transfer["content-length"]) > BODY_LIMIT_BYTES:
            raise WireError(f"a Content-Length of {transfer['content-length'][:20]}")
        return await _read_exactly(reader, int(transfer["content-length"]))
    if not until_close:
        return b""
    body = await _read_up_to(reader, BODY_LIMIT_BYTES + 1)
    return _bounded(body)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        try:
            size = abs(int((await reader.readuntil(b"\r\n")).split(b";")[0], 16))
        except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise WireError("a broken chunk") from error
        _bounded(body, more=size)
        body += (await _read_exactly(reader, size + 2))[:-2]
        if size == 0:
            return body


async def _read_exactly(reader: asyncio.StreamReader, count: int) -> bytes:
    try:
        return await reader.readexactly(count)
    except asyncio.IncompleteReadError as error:
        raise WireError("the body ends early") from error


async def _read_up_to(reader: asyncio.StreamReader, count: int) -> bytes:
    body = b""
    while len(body) < count and (piece := await reader.read(count - len(body))):
        body += piece
    return body


def _bounded(body: bytes, *, more: int = 0) -> bytes:
    if len(body) + more > BODY_LIMIT_BYTES:
        raise WireError(f"a body of more than {BODY_LIMIT_BYTES} bytes")
    return body
