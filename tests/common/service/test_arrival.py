"""How long bytes lay unread is told by the system."""

from __future__ import annotations

import socket
import sys

import pytest

from common.service.arrival import waited_ms
from tests.waiting import eventually

WAITED_MS = 20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
async def test_bytes_that_nobody_reads_grow_old_and_new_ones_are_young() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door, socket.create_connection(door.getsockname()) as caller:
        caller.sendall(b"GET")
        accepted, _ = door.accept()

        async def is_old() -> bool:
            return waited_ms(accepted) >= WAITED_MS

        with accepted:
            await eventually(is_old)


def test_where_the_system_does_not_tell_nothing_is_held_against_anybody() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert waited_ms(ours) == 0
    assert waited_ms(None) == 0
