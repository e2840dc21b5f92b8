"""CPU work off the event loop, in a pool that is bounded and says no when it is full.

A thread can't be stopped: when a caller's time is up its work runs on. So the bound that protects the process is on
what is *running or queued*, and a place is free again only when the thread is done with it.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from common.deadline import Deadline
from common.errors import PoolFull
from common.queueing import Queueing

P = ParamSpec("P")
R = TypeVar("R")


class WorkerPool:
    """`threads` at work and at most `queue` waiting."""

    def __init__(self, name: str, *, threads: int, queue: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._queueing = Queueing(threads=threads, places=threads + queue)

    async def run(self, work: Callable[P, R], *args: P.args, deadline: Deadline, **kwargs: P.kwargs) -> R:  # type: ignore[valid-type]  # keyword-only beside a ParamSpec
        """The result of `work`; raises `PoolFull` at once, `TimeoutError` at the deadline, else what `work` raises.

        The request id and whatever else lies in context variables goes along.
        """
        if not self._queueing.admit(deadline.remaining_ms):
            raise PoolFull
        context = contextvars.copy_context()
        try:
            future = self._executor.submit(context.run, self._unless_expired, deadline, work, args, kwargs)
        except RuntimeError:
            self._queueing.leave()
            raise
        future.add_done_callback(self._free)
        async with asyncio.timeout(deadline.remaining_ms / 1000):
            return await asyncio.wrap_future(future)

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _unless_expired(self, deadline: Deadline, work: Callable[..., R], args: Any, kwargs: Any) -> R:
        if deadline.expired:  # it waited in the queue until nobody wanted it any more
            raise TimeoutError
        started_s = time.monotonic()
        try:
            return work(*args, **kwargs)
        finally:
            self._queueing.learn((time.monotonic() - started_s) * 1000)

    def _free(self, _done: Future[Any]) -> None:
        self._queueing.leave()
