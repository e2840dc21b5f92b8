"""A raw HTTP client: it shows what really came over the wire, where a library would tidy up or raise."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True, slots=True)
class Received:
    """All bytes that came within the time, and how the conversation ended."""

    raw: bytes
    ending: str  # "closed", "reset" or "silent"
    took_seconds: float

    @property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def document(self) -> Any:
        return json.loads(self.body)


def ask_raw(
    port: int, *, path: str = "/predict", body: bytes = b"{}", seconds: float = 0.3, limit_bytes: int = 4_000_000
) -> Received:
    """POST once and read for at most `seconds`, or until `limit_bytes` have come."""
    started = time.monotonic()
    raw, ending = bytearray(), "silent"
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        with contextlib.suppress(TimeoutError):
            while (left := started + seconds - time.monotonic()) > 0 and len(raw) < limit_bytes:
                connection.settimeout(left)
                try:
                    piece = connection.recv(1 << 16)
                except ConnectionResetError:
                    ending = "reset"
                    break
                if not piece:
                    ending = "closed"
                    break
                raw += piece
    return Received(bytes(raw), ending, time.monotonic() - started)


@pytest.fixture
def ask() -> Callable[..., Received]:
    return ask_raw
