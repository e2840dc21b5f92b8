"""Shadow mode: a second model sees the same calls as the first, and nobody but us sees what it answers.

It has connections, slots and a breaker of its own, takes its requests out of the budget that it shares with retries and
hedges, and drops what it can't take, counted by reason, rather than queue it: so it can never change how long a call
takes, nor what comes of it. Answers are compared pair by pair, and the worst pairs are kept for a person to look at.
"""

from __future__ import annotations

import asyncio
import heapq
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog
from pydantic import BaseModel

from common.calls.answers import AnswerLimits, AnswerReader
from common.calls.budget import ExtraBudget
from common.calls.mirror import Pair, Share
from common.calls.upstream import Call, Upstream
from common.deadline import Deadline
from common.errors import CallFailed

if TYPE_CHECKING:
    from common.metrics import ShadowMetrics

Answer = TypeVar("Answer", bound=BaseModel)
Difference = Callable[[Answer, Answer], float]
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ShadowPolicy:
    """What a shadow may cost. `share` of the calls are mirrored, spread evenly by counting."""

    share: float = 1.0
    max_tasks: int = 32
    max_bytes: int = 4 * 1024 * 1024  # of requests under way
    timeout_ms: float = 1_000
    keep_worst: int = 20


@dataclass(order=True)
class Compared:
    """One pair of answers; `difference` is 0 where they agree. Ordered by it."""

    difference: float
    number: int
    path: str = field(compare=False)
    request: Any = field(compare=False)
    primary: dict[str, Any] = field(compare=False)
    shadow: dict[str, Any] = field(compare=False)
    request_id: str = field(compare=False)


class ShadowReport:
    """What was seen so far: how often they agreed, why pairs are missing, and the pairs that differ most."""

    def __init__(self, keep_worst: int) -> None:
        self._keep = keep_worst
        self._numbers = count()
        self._worst: list[Compared] = []  # a heap, the least of the worst on top
        self.compared = 0
        self.agreed = 0
        self.difference_sum = 0.0
        self.missing: Counter[str] = Counter()  # by reason: dropped, or asked without an answer

    def add(self, pair: Pair[Any], shadow: BaseModel, difference: float) -> None:
        self.compared += 1
        self.agreed += difference == 0
        self.difference_sum += difference
        number = next(self._numbers)
        if difference == 0 or (len(self._worst) == self._keep and difference <= self._worst[0].difference):
            return
        seen = Compared(
            difference, number, pair.path, json.loads(pair.content), pair.primary.value.model_dump(mode="json"),
            shadow.model_dump(mode="json"), pair.primary.request_id,
        )  # fmt: skip
        (heapq.heappush if len(self._worst) < self._keep else heapq.heappushpop)(self._worst, seen)

    @property
    def worst(self) -> list[Compared]:
        """The pairs that differ most, worst first."""
        return sorted(self._worst, reverse=True)

    def as_json(self) -> dict[str, Any]:
        """For operators: `/v1/admin/shadow`."""
        return {
            "compared": self.compared,
            "agreed": self.agreed,
            "mean_difference": self.difference_sum / self.compared if self.compared else None,
            "missing": dict(self.missing),
            "worst": [
                {"difference": seen.difference, "request_id": seen.request_id, "path": seen.path,
                 "request": seen.request, "primary": seen.primary, "shadow": seen.shadow}
                for seen in self.worst
            ],
        }  # fmt: skip


class Shadow(Generic[Answer]):
    """Sends copies to `upstream` in the background; one per mirrored endpoint.

    Args:
        upstream: the shadow's own, never the primary's: its connections, slots and breaker are used up by nobody else.
        difference: how far two answers are apart, 0 if they agree; by default 0 or 1.
        prepare: makes the shadow's request out of the primary's, where it is not the same.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        answer: type[Answer],
        policy: ShadowPolicy | None = None,
        difference: Difference[Answer] = lambda primary, shadow: float(primary != shadow),
        prepare: Callable[[Any], BaseModel] | None = None,
        limits: AnswerLimits | None = None,
        metrics: ShadowMetrics | None = None,
    ) -> None:
        self.policy = policy or ShadowPolicy()
        self.report = ShadowReport(self.policy.keep_worst)
        self._upstream = upstream
        self._reader = AnswerReader(answer, limits or AnswerLimits())
        self._difference = difference
        self._prepare = prepare
        self._metrics = metrics
        self._tasks: set[asyncio.Task[None]] = set()
        self._bytes = 0
        self._share = Share(self.policy.share)
        self._closing = False

    def offer(self, pair: Pair[Answer], budget: ExtraBudget) -> None:
        """Takes a copy or drops it; never waits, never raises."""
        if not self._share.next():
            return
        if (reason := self._refusal(pair)) is not None or (reason := _unpaid(budget)) is not None:
            self._miss(reason)
            return
        task = asyncio.create_task(self._compare(pair))
        self._tasks.add(task)
        self._bytes += len(pair.content)
        task.add_done_callback(lambda done: self._end(done, len(pair.content)))

    async def drain(self, timeout_ms: float = 1_000) -> None:
        """Takes no more, and lets what is under way end, for at most `timeout_ms`."""
        self._closing = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_ms / 1000)
        for task in tuple(self._tasks):
            task.cancel()
        await self._upstream.aclose()

    def _refusal(self, pair: Pair[Answer]) -> str | None:
        if self._closing:
            return "closing"
        if pair.primary.is_default:  # there is nothing to compare with, and the primary may be in need
            return "primary_failed"
        if len(self._tasks) >= self.policy.max_tasks:
            return "tasks_full"
        if self._bytes + len(pair.content) > self.policy.max_bytes:
            return "bytes_full"
        return self._upstream.refusal(self.policy.timeout_ms)

    async def _compare(self, pair: Pair[Answer]) -> None:
        try:
            content = self._prepare(pair.payload).model_dump_json().encode() if self._prepare else pair.content
            call = shadow_call(pair.path, content, pair.primary.request_id, self._reader, self.policy.timeout_ms)
            answer = await self._upstream.ask(call)
            difference = self._difference(pair.primary.value, answer)
            self.report.add(pair, answer, difference)
        except CallFailed as failed:
            self._miss(failed.reason)
        except Exception:
            self._miss("bug")
            log.exception("shadow.bug", upstream=self._upstream.name)
        else:
            if self._metrics is not None:
                self._metrics.compared(self._upstream.name, difference)

    def _miss(self, reason: str) -> None:
        self.report.missing[reason] += 1
        if self._metrics is not None:
            self._metrics.missing(self._upstream.name, reason)

    def _end(self, task: asyncio.Task[None], size: int) -> None:
        self._tasks.discard(task)
        self._bytes -= size


def shadow_call(
    path: str, content: bytes, request_id: str, reader: AnswerReader[Answer], timeout_ms: float
) -> Call[Answer]:
    """The same request once more, for the shadow."""
    deadline = Deadline.after_ms(timeout_ms)
    return Call(path, content, request_id, caller="shadow", deadline=deadline, reader=reader, check=None)


def _unpaid(budget: ExtraBudget) -> str | None:
    return None if budget.spend() else "no_budget"
