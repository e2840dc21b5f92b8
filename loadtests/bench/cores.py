"""The client and the server each keep to a processor core, where the system can be told so."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

ANYWHERE = -1


def two_cores() -> tuple[int, int]:
    """One for the client and one for the server; `ANYWHERE` twice where cores can't be chosen or there is only one."""
    if sys.platform != "linux" or len(cores := sorted(os.sched_getaffinity(0))) < 2:
        return ANYWHERE, ANYWHERE
    return cores[0], cores[1]


def stay_on(core: int) -> None:
    """This process runs on that core from now on."""
    if sys.platform == "linux" and core != ANYWHERE:
        os.sched_setaffinity(0, {core})


@contextmanager
def staying_on(core: int) -> Iterator[None]:
    """This process runs on that core for the length of a block."""
    before = os.sched_getaffinity(0) if sys.platform == "linux" else set()
    stay_on(core)
    try:
        yield
    finally:
        if sys.platform == "linux":
            os.sched_setaffinity(0, before)
