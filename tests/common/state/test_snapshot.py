"""Copies of what is in the state database, and the loop that keeps them fresh."""

from __future__ import annotations

import asyncio
import threading
import time

from common.state.snapshot import LAST_S, Snapshot, all_kept_fresh, kept_fresh

LONG_MS = 60_000


def test_what_was_read_before_a_change_never_takes_the_place_of_what_was_read_since() -> None:
    stored, begun, goes_on = ["old"], threading.Event(), threading.Event()

    def read() -> str:
        found = stored[0]
        if found == "old":
            begun.set()
            goes_on.wait(LONG_MS / 1000)
        return found

    copy = Snapshot("copy", read, first="")
    background = threading.Thread(target=copy.refresh)
    background.start()
    begun.wait(LONG_MS / 1000)
    stored[0] = "new"
    writer = threading.Thread(target=copy.refresh)
    writer.start()
    writer.join(0.1)
    goes_on.set()
    for thread in (background, writer):
        thread.join()
    assert copy.value == "new"


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

    async with kept_fresh(read, every_ms=LONG_MS, first_within_ms=1):
        assert not over.is_set()
        goes_on.set()


async def test_a_call_that_is_under_way_at_the_end_is_waited_for() -> None:
    begun, goes_on, over = threading.Event(), threading.Event(), threading.Event()

    def read() -> None:
        begun.set()
        goes_on.wait(LONG_MS / 1000)
        over.set()

    async with kept_fresh(read, every_ms=LONG_MS):
        await asyncio.to_thread(begun.wait)
        asyncio.get_running_loop().call_later(0.05, goes_on.set)
    assert over.is_set()


async def test_many_calls_that_hang_at_the_end_are_waited_for_together() -> None:
    goes_on, hang = threading.Event(), 3
    begun = threading.Barrier(hang + 1)

    def read() -> None:
        begun.wait(LONG_MS / 1000)
        goes_on.wait(LONG_MS / 1000)

    try:
        async with all_kept_fresh(*[(read, LONG_MS)] * hang):
            await asyncio.to_thread(begun.wait)
            ended_s = time.monotonic()
        assert time.monotonic() - ended_s < 2 * LAST_S
    finally:
        goes_on.set()
