"""What an attacker sends: requests as bytes, each with the statuses that are a good answer to it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass

MIB = 1024 * 1024
MAX_BODY_BYTES = 4 * MIB  # the contract's
HANGS_UP = 0  # the connection is closed without an answer
PATHS = (
    "/v1/photos/../../etc/passwd",
    "/v1/photos/..%2f..%2fetc%2fpasswd",
    "/v1/photos/%2e%2e",
    "/v1/photos/%00",
    "/v1/photos/a%0d%0aSet-Cookie:%20stolen=1",
    "/v1/photos/%c0%ae%c0%ae",
    "/v1/photos/%ff%fe",
    "/v1/photos/%E2%80%AE%F0%9F%92%A3",
    "/static/../../../etc/passwd",
    "/static/x/%2e%2e%2fsecret",
    "/v1/admin/%2e%2e/nowhere",
    "//nowhere",
    "/nowhere;a=b",
    "/%",
    "/%zz",
)


@dataclass(frozen=True, slots=True)
class Attack:
    """Bytes for one connection. One answer is waited for, and its status is one of `wanted`."""

    name: str
    sent: bytes
    wanted: frozenset[int]


def attacks(path: str) -> Iterator[Attack]:
    """All of them; `path` takes POST with a JSON object, and refuses one that is empty."""
    for group in (_targets, _heads):
        yield from group()
    for group_of in (_lengths, _chunks, _bodies):
        yield from group_of(path)


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A whole request with a correct length."""
    return _head(f"POST {path} HTTP/1.1", f"Content-Length: {len(body)}", *headers) + body


def get(path: str, *headers: str) -> bytes:
    return _head(f"GET {path} HTTP/1.1", *headers)


def _head(start: str, *headers: str) -> bytes:
    return "\r\n".join([start, "Host: attacked", *headers, "", ""]).encode("latin-1")


def _attack(name: str, sent: bytes, *wanted: int) -> Attack:
    return Attack(name, sent, frozenset(wanted))


def _targets() -> Iterator[Attack]:
    for path in PATHS:
        yield _attack(f"path {path}", get(path), 400, 401, 404)
    yield _attack("path of 1 MB", get("/" + "a" * 1_000_000), 400, 414, 431)
    yield _attack("raw bytes in the path", b"GET /\xff\xfe\xe2\x80\xae HTTP/1.1\r\nHost: a\r\n\r\n", 400, 404)
    yield _attack(
        "10,000 parameters", get("/v1/nowhere?" + "&".join(f"p{i}=1" for i in range(10_000))), 400, 404, 422, 431
    )
    yield _attack("absolute target", _head("GET http://elsewhere/live HTTP/1.1"), 200, 400)
    yield _attack("target of OPTIONS for all", _head("OPTIONS * HTTP/1.1"), 400, 404, 405)
    yield _attack("CONNECT", _head("CONNECT elsewhere:443 HTTP/1.1"), 400, 404, 405)
    yield _attack("TRACE", _head("TRACE /live HTTP/1.1"), 405)
    yield _attack("a method that nobody knows", _head("BREW /live HTTP/1.1"), 400, 405)
    yield _attack("HTTP/0.9", b"GET /live\r\n\r\n", 400)
    yield _attack("HTTP/9.9", _head("GET /live HTTP/9.9"), 400)
    yield _attack("TLS", bytes.fromhex("16030100f8010000f40303") + bytes(range(240)), 400)
    yield _attack("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400)
    yield _attack("no HTTP at all", b"\x00\x01\x02 hello\r\n\r\n", 400)


def _heads() -> Iterator[Attack]:
    live = "/live"
    yield _attack("10,000 headers", get(live, *(f"X-{i}: a" for i in range(10_000))), 431)
    yield _attack("a header of 1 MB", get(live, "X-Long: " + "a" * MIB), 431)
    yield _attack("a header name of 1 MB", get(live, "X" * MIB + ": a"), 400, 431)
    yield _attack("NUL in a header", get(live, "X-Zero: a\0b"), 400)
    yield _attack("a folded header", get(live, "X-Folded: a\r\n b"), 200, 400)
    yield _attack("a space before the colon", get(live, "X-Space : a"), 400)
    yield _attack("a line feed alone", get(live, "X-Line: a\nX-Next: b"), 200, 400)
    yield _attack("a carriage return alone", get(live, "X-Line: a\rSet-Cookie: b"), 400)
    yield _attack("an id that splits lines", get(live, "X-Request-ID: a%0d%0aSet-Cookie: b"), 200)
    yield _attack("colours for the log", get(live, "User-Agent: \x1b[2J"), 400)
    yield _attack("two hosts", get(live, "Host: elsewhere"), 200, 400)
    yield _attack(
        "an upgrade", get(live, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"), 200
    )
    for budget in ("nan", "inf", "-inf", "1e400", "-1", "1_0", "\xb2", "9" * 5_000):
        yield _attack(f"budget {budget[:8]!r}", get("/v1/nowhere", f"X-Timeout-Ms: {budget}"), 404, 422)
    for key in ("Bearer", "Bearer \xff", "Basic !!!", "Basic " + "A" * 10_000, "Digest a=b", "\xff"):
        yield _attack(f"credentials {key[:12]!r}", get("/v1/admin/switches", f"Authorization: {key}"), 401, 403, 404)


def _lengths(path: str) -> Iterator[Attack]:
    for length in ("-1", "+2", "0x2", "2, 2", "two", "9" * 30, "\xb2"):
        yield _attack(
            f"Content-Length {length[:8]!r}", _head(f"POST {path} HTTP/1.1", f"Content-Length: {length}"), 400
        )
    yield _attack("a petabyte announced", _head(f"POST {path} HTTP/1.1", "Content-Length: 1000000000000000"), 413)
    yield _attack("two lengths", _head(f"POST {path} HTTP/1.1", "Content-Length: 2", "Content-Length: 3") + b"{}", 400)
    both = ("Content-Length: 2", "Transfer-Encoding: chunked")
    yield _attack("length and chunks", _head(f"POST {path} HTTP/1.1", *both) + b"0\r\n\r\nGET /x", 400)
    yield _attack("chunks and length", _head(f"POST {path} HTTP/1.1", *both[::-1]) + b"0\r\n\r\nGET /x", 400)


def _chunks(path: str) -> Iterator[Attack]:
    chunked = _head(f"POST {path} HTTP/1.1", "Transfer-Encoding: chunked")
    yield _attack("a chunk of no size", chunked + b"zz\r\n{}\r\n0\r\n\r\n", 400)
    yield _attack("a chunk of a size beyond all", chunked + b"f" * 30 + b"\r\n{}", 400)
    yield _attack("a negative chunk", chunked + b"-2\r\n{}\r\n0\r\n\r\n", 400)
    yield _attack("chunks without end", chunked + (b"40000\r\n" + b" " * 0x40000 + b"\r\n") * 20, 413)
    yield _attack("an endless extension", chunked + b"2;" + b"a" * MIB, 431)
    yield _attack("an endless trailer", chunked + b"0\r\nX-Late: " + b"a" * MIB, 400, 431)
    yield _attack("10,000 trailers", chunked + b"2\r\n{}\r\n0\r\n" + b"X-L: a\r\n" * 10_000 + b"\r\n", 422, 431)
    for coding in ("chunked, identity", "identity", "xchunked", "chunked, chunked"):
        head = _head(f"POST {path} HTTP/1.1", f"Transfer-Encoding: {coding}")
        yield _attack(f"transfer coding {coding}", head + b"2\r\n{}\r\n0\r\n\r\n", 400, 422)


def _bodies(path: str) -> Iterator[Attack]:
    bodies = {
        "nothing": b"",
        "an empty object": b"{}",
        "100,000 lists": b"[" * 100_000,
        "100,000 objects": b'{"a":' * 100_000,
        "100,000 lists, closed": b"[" * 100_000 + b"]" * 100_000,
        "two million values": b'{"a":[' + b"1," * 2_000_000 + b"1]}",
        "a number of a megabyte": b'{"a":' + b"9" * MIB + b"}",
        "UTF-8 that is none": b'{"a":"\xff\xfe\xc0\x80"}',
        "half a surrogate pair": b'{"a":"\\ud800"}',
        "UTF-16": '{"a": 1}'.encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf{}",
        "the same key twice": b'{"__proto__":1,"__proto__":2}',
        "NaN": b'{"a":NaN}',
        "a number beyond all": b'{"a":1e999}',
        "null": b"null",
        "a text": b'"a"',
        "NULs": b"\0" * 1_000,
        "XML": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    }
    for name, body in bodies.items():
        yield _attack(f"body: {name}", post(path, body, "Content-Type: application/json"), 422)
    squeezed = gzip.compress(b" " * 16 * MIB)
    yield _attack("body: gzip", post(path, squeezed, "Content-Encoding: gzip"), 415, 422)
    yield _attack("body: 4 MiB and 1 byte", post(path, b" " * (MAX_BODY_BYTES + 1)), 413)
    yield _attack("body: 4 MiB of nothing", post(path, b" " * MAX_BODY_BYTES), 422)
