"""How a service gets its erasures: their long part off the event loop, and what every replica forgets after them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from common.erasing.background import Finishing
from common.erasing.following import Following
from common.erasing.work import Erasing
from common.state.erasures import ErasureStore
from common.state.writes import Writes
from common.workers import WorkerPool

Again = Callable[[Connection, Mapping[str, str]], int]


def erasures_of(
    make: Callable[[Callable[[], None]], Erasing],
    again: Callable[[ErasureStore], Again],
    *,
    in_thread: Callable[[], None],
    on_loop: Callable[[], None],
    writes: Writes,
    reading: WorkerPool,
) -> tuple[Following, Finishing]:
    """The rest is as for `Following` and `Finishing`.

    Args:
        make: from what empties this process's memory.
        again: erases whom an older copy of the database brought back.
    """
    erasing = make(lambda: following.forget())
    following = Following(
        erasing.store, at_start=lambda: erasing.restore(again(erasing.store)), in_thread=in_thread, on_loop=on_loop
    )
    return following, Finishing(erasing, writes, reading)
