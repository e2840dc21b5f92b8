"""The champion is asked what the challenger was asked, in the background: half of every comparison.

No caller waits for it: it has connections of its own, takes its requests out of the budget that retries and shadows
share, and what can't be asked at once is dropped and counted, never queued.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import structlog

from common.calls.loop_time import LoopTime
from common.calls.upstream import Upstream
from common.deadline import Deadline
from common.releases.metrics import ReleaseMetrics

MAX_TASKS = 4
TIMEOUT_MS = 1_000.0
GRACE_MS = 100.0  # in which a call that was late is told so
LOOP_SHARE = 0.05
CANCEL_S = 1.0  # in which a task that was cancelled ends
Fate = Literal["compared", "unanswered", "busy", "no_budget", "bug"]
log = structlog.get_logger(__name__)


class Pairs:
    """The comparisons of one component. For the event loop.

    Args:
        primary: whose budget for extra requests pays.
    """

    def __init__(
        self, component: str, primary: Upstream, metrics: ReleaseMetrics, *, max_tasks: int = MAX_TASKS
    ) -> None:
        self._component = component
        self._primary = primary
        self._metrics = metrics
        self._max_tasks = max_tasks
        self._loop_time = LoopTime(share=LOOP_SHARE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def offer(self, ask: Callable[[Deadline], Awaitable[Callable[[], None] | None]]) -> None:
        """Begins a comparison, or drops it; never waits, never raises.

        Args:
            ask: asks the champion by the deadline, and returns what is left to be done with its answer on the event
                loop; None if there was no answer.
        """
        if self._closing or len(self._tasks) >= self._max_tasks or not self._loop_time.is_left:
            self._count("busy")
        elif not self._primary.spend_extra("pair"):
            self._count("no_budget")
        else:
            task = asyncio.get_running_loop().create_task(self._compare(ask))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Takes no more, and ends what is under way."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CANCEL_S)

    async def _compare(self, ask: Callable[[Deadline], Awaitable[Callable[[], None] | None]]) -> None:
        try:
            async with asyncio.timeout((TIMEOUT_MS + GRACE_MS) / 1000):
                compare = await ask(Deadline.after_ms(TIMEOUT_MS))
            if compare is None:
                self._count("unanswered")
                return
            with self._loop_time.used():
                compare()
            self._count("compared")
        except TimeoutError:
            self._count("unanswered")
        except Exception:
            log.exception("release.pair_bug", component=self._component)
            self._count("bug")

    def _count(self, fate: Fate) -> None:
        self._metrics.pairs.labels(self._component, fate).inc()
