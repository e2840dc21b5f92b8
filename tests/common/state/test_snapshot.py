"""Copies of what is in the state database, and the loop that keeps them fresh."""

from __future__ import annotations

import threading

from common.state.snapshot import kept_fresh

LONG_MS = 60_000


async def test_a_block_begins_when_what_it_needs_was_read_once() -> None:
    read: list[str] = []
    async with kept_fresh(lambda: read.append("it"), every_ms=LONG_MS, first_within_ms=LONG_MS):
        assert read == ["it"]


async def test_a_block_begins_also_when_that_failed() -> None:
    def fail() -> None:
        raise RuntimeError("it can't be read")

    async with kept_fresh(fail, every_ms=LONG_MS, first_within_ms=LONG_MS):
        pass


async def test_a_block_does_not_wait_longer_than_it_is_to() -> None:
    goes_on, over = threading.Event(), threading.Event()

    def read() -> None:
        goes_on.wait(LONG_MS / 1000)
        over.set()

    try:
        async with kept_fresh(read, every_ms=LONG_MS, first_within_ms=1):
            assert not over.is_set()
    finally:
        goes_on.set()
