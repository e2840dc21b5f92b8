"""Shadow mode: a second model sees the same calls as the first, and nobody but us sees what it answers.

It has connections, slots and a breaker of its own, takes its requests out of the budget that it shares with retries and
hedges, and drops what it can't take, counted by reason, rather than queue it: so it never changes what comes of a call,
and no call waits for its answer. What it does cost is time of the event loop that the calls share: to read an answer,
to compare it, and to write down the pair if it is one of the worst so far. That is measured, and held to a twentieth of
the loop's time. Where this is too little, or `difference` is dear: `common.calls.celery_shadow`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog
from pydantic import BaseModel

from common.calls.answers import AnswerLimits, AnswerReader, Check
from common.calls.loop_time import LoopTime
from common.calls.mirror import Pair, Share
from common.calls.shadow_report import KEEP_BYTES, KEEP_WORST, Difference, ShadowReport, unequal
from common.calls.upstream import Call, Upstream
from common.deadline import Deadline
from common.errors import CallFailed

if TYPE_CHECKING:
    from common.metrics import ShadowMetrics

Answer = TypeVar("Answer", bound=BaseModel)
CANCEL_S = 1.0  # in which a task that was cancelled ends
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ShadowPolicy:
    """What a shadow may cost. `share` of the calls are mirrored, spread evenly by counting.

    Args:
        max_tasks: copies under way. Each holds its request, the primary's answer and, while it is compared, the
            shadow's; for both answers `AnswerLimits` are the bound, and never more than one is being compared.
        max_bytes: of the requests under way together, as the primary was sent them; answers do not count.
        timeout_ms: for one copy, from its offer to the shadow's answer.
        loop_share: of the event loop's time, for reading and comparing.
        keep_worst: pairs that are kept for a person to look at.
        keep_bytes: of all kept pairs together, answers included; what is longer than its share is cut.
    """

    share: float = 1.0
    max_tasks: int = 32
    max_bytes: int = 4 * 1024 * 1024
    timeout_ms: float = 1_000
    loop_share: float = 0.05
    keep_worst: int = KEEP_WORST
    keep_bytes: int = KEEP_BYTES


class Shadow(Generic[Answer]):
    """Sends copies to `upstream` in the background; one per mirrored endpoint.

    Args:
        upstream: the shadow's own, never the primary's: its connections, slots and breaker are used up by nobody else.
        difference: how far two answers are apart, 0 if they agree; by default 0 or 1. It runs on the event loop.
        prepare: makes the shadow's request out of the primary's, where it is not the same. So does it.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        answer: type[Answer],
        policy: ShadowPolicy | None = None,
        difference: Difference[Answer] = unequal,
        prepare: Callable[[Any], BaseModel] | None = None,
        limits: AnswerLimits | None = None,
        metrics: ShadowMetrics | None = None,
    ) -> None:
        self.policy = policy or ShadowPolicy()
        self.report = ShadowReport(
            upstream.name, keep_worst=self.policy.keep_worst, keep_bytes=self.policy.keep_bytes, metrics=metrics
        )
        self._upstream = upstream
        self._loop_time = LoopTime(share=self.policy.loop_share)
        self._reader = TimedReader(answer, limits or AnswerLimits(), self._loop_time)
        self._difference = difference
        self._prepare = prepare
        self._tasks: set[asyncio.Task[None]] = set()
        self._bytes = 0
        self._share = Share(self.policy.share)
        self._closing = False

    def offer(self, pair: Pair[Answer], primary: Upstream) -> None:
        """Takes a copy or drops it; never waits, never raises."""
        if not self._share.next():
            self.report.skip()
            return
        try:
            reason = self._taken(pair, primary)
        except Exception:
            reason = "bug"
            log.exception("shadow.bug", upstream=self._upstream.name)
        if reason is not None:
            self.report.miss(reason)

    async def drain(self, timeout_ms: float = 1_000) -> None:
        """Takes no more, and lets what is under way end, for at most `timeout_ms`; the rest is missing as "closing"."""
        self._closing = True
        try:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=timeout_ms / 1000)
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=CANCEL_S)
            await self._upstream.aclose()

    def _taken(self, pair: Pair[Answer], primary: Upstream) -> str | None:
        """None if a copy is under way now, else why not."""
        loop = asyncio.get_running_loop()
        reason = self._refusal(pair)
        if reason is not None:
            return reason
        if not primary.spend_extra("shadow"):
            return "no_budget"
        task = loop.create_task(self._compare(pair))
        self._tasks.add(task)
        self._bytes += len(pair.content)
        task.add_done_callback(partial(self._end, size_bytes=len(pair.content)))
        return None

    def _refusal(self, pair: Pair[Answer]) -> str | None:
        if self._closing:
            return "closing"
        if pair.primary.is_default:  # there is nothing to compare with, and the primary may be in need
            return "primary_failed"
        if len(self._tasks) >= self.policy.max_tasks:
            return "tasks_full"
        if self._bytes + len(pair.content) > self.policy.max_bytes:
            return "bytes_full"
        if not self._loop_time.is_left:
            return "no_loop_time"
        return self._upstream.refusal(self.policy.timeout_ms)

    async def _compare(self, pair: Pair[Answer]) -> None:
        try:
            with self._loop_time.used():
                content = self._prepare(pair.payload).model_dump_json().encode() if self._prepare else pair.content
            request_id, primary = pair.primary.request_id, pair.primary.value
            answer = await self._upstream.ask(
                shadow_call(pair.path, content, request_id, self._reader, self.policy.timeout_ms)
            )
            with self._loop_time.used():
                self.report.add(
                    self._difference(primary, answer),
                    path=pair.path,
                    request_id=request_id,
                    request=pair.content,
                    primary=primary,
                    shadow=answer,
                )
        except CallFailed as failed:
            self.report.miss(failed.reason)
        except Exception:
            self.report.miss("bug")
            log.exception("shadow.bug", upstream=self._upstream.name)

    def _end(self, task: asyncio.Task[None], *, size_bytes: int) -> None:
        self._tasks.discard(task)
        self._bytes -= size_bytes
        if task.cancelled():  # perhaps before it began: the task itself can't count that
            self.report.miss("closing")


class TimedReader(AnswerReader[Answer]):
    """Reads as ever, and books the time."""

    def __init__(self, model: type[Answer], limits: AnswerLimits, loop_time: LoopTime) -> None:
        super().__init__(model, limits)
        self._loop_time = loop_time

    def read(self, body: bytes, check: Check[Answer] | None) -> Answer:
        with self._loop_time.used():
            return super().read(body, check)


def shadow_call(
    path: str, content: bytes, request_id: str, reader: AnswerReader[Answer], timeout_ms: float
) -> Call[Answer]:
    """The same request once more, for the shadow."""
    return Call(
        path=path,
        content=content,
        request_id=request_id,
        caller="shadow",
        deadline=Deadline.after_ms(timeout_ms),
        reader=reader,
        check=None,
        timeout_ms=timeout_ms,
    )
