"""The safe client for code without an event loop: Django, Flask, Celery, a script.

Not a second implementation: the calls run on an event loop in one background thread, which all threads of the process
share, and a caller waits for no longer than its deadline, whatever that thread does.

portal = Portal()                                                   # one per process; starts at the first call
predict = portal.blocking(low_timeout(upstream).endpoint("/v1/predictions", answer=Predictions, default=NO_PREDICTIONS))
outcome = predict(request)
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from common.calls.answers import Check
from common.calls.arguments import require
from common.calls.bulk import Bulk, Item, Key, Value
from common.calls.client import Endpoint
from common.calls.upstream import Upstream
from common.context import current_request_id
from common.deadline import Deadline
from common.outcome import Outcome, Reason

Answer = TypeVar("Answer", bound=BaseModel)
Result = TypeVar("Result")
CLOSE_WITHIN_S = 2
GRACE_MS = 10  # the loop keeps the deadline itself; only if the loop is held up does the waiting thread step in


class Portal:
    """An event loop in a daemon thread, started at first use, and anew in a forked process."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._upstreams: set[Upstream] = set()
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)  # threads do not survive a fork, and locks may be held

    def blocking(self, endpoint: Endpoint[Answer]) -> BlockingEndpoint[Answer]:
        """The same operation for threads. All endpoints of one upstream go through one portal."""
        self._upstreams.add(endpoint.upstream)
        return BlockingEndpoint(self, endpoint)

    def call_many(
        self, bulk: Bulk[Key, Item, Any, Value], items: Mapping[Key, Item], *, deadline: Deadline | None = None
    ) -> dict[Key, Outcome[Value]]:
        """`Bulk.call_many` for threads."""
        self._upstreams.add(bulk.endpoint.upstream)
        until, started_s = deadline or Deadline.after_ms(bulk.endpoint.timeout_ms), time.monotonic()
        try:
            return self.run(lambda: bulk.call_many(items, deadline=until), until)
        except TimeoutError:
            return dict.fromkeys(items, _given_up(bulk.endpoint.upstream, bulk.default, started_s))

    def run(self, make: Callable[[], Coroutine[Any, Any, Result]], deadline: Deadline) -> Result:
        """The coroutine's result, in the context of the calling thread.

        `TimeoutError` shortly after the deadline, or when the portal was closed meanwhile.
        """
        _require_no_loop_here()
        future = asyncio.run_coroutine_threadsafe(make(), self._started())
        try:
            return future.result((deadline.remaining_ms + GRACE_MS) / 1000)
        except concurrent.futures.CancelledError:
            raise TimeoutError from None
        finally:
            future.cancel()

    def close(self) -> None:
        """Stops the thread and closes the connections; what is under way is cancelled. A later call starts anew."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            with suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(self._end(), loop).result(CLOSE_WITHIN_S)
            loop.call_soon_threadsafe(loop.stop)

    def __enter__(self) -> Portal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for upstream in self._upstreams:
            await upstream.aclose()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_run, args=(self._loop,), name="portal", daemon=True).start()
            return self._loop

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._loop = None


class BlockingEndpoint(Generic[Answer]):
    """An `Endpoint` for threads: same arguments, same outcome, same guarantees."""

    def __init__(self, portal: Portal, endpoint: Endpoint[Answer]) -> None:
        self._portal = portal
        self._endpoint = endpoint

    def __call__(
        self, payload: BaseModel, *, deadline: Deadline | None = None, check: Check[Answer] | None = None
    ) -> Outcome[Answer]:
        """See `Endpoint`."""
        require(payload, deadline, check)
        endpoint, started_s = self._endpoint, time.monotonic()
        until = deadline.at_most_ms(endpoint.timeout_ms) if deadline else Deadline.after_ms(endpoint.timeout_ms)
        try:
            return self._portal.run(lambda: endpoint(payload, deadline=until, check=check), until)
        except TimeoutError:
            return _given_up(endpoint.upstream, endpoint.default, started_s)


def _given_up(upstream: Upstream, default: Value, started_s: float) -> Outcome[Value]:
    """For who waited in vain: whether and what the held up loop has sent is not known."""
    outcome = Outcome(
        value=default,
        reason=Reason.TIMEOUT,
        elapsed_ms=(time.monotonic() - started_s) * 1000,
        request_id=current_request_id(),
    )
    if upstream.metrics is not None:
        upstream.metrics.observe(upstream.name, outcome)
    return outcome


def _require_no_loop_here() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("an event loop runs in this thread: await the endpoint itself instead of blocking the loop")


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()
