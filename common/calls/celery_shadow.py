"""Shadow mode through Celery: the copies wait in a broker, and workers elsewhere ask the shadow and compare.

For shadows too slow or too dear to be asked beside the primary. The web process only publishes, from a thread of its
own: a broker that is down can hold a publisher up for as long as it likes. What does not fit into the thread's queue is
dropped and counted. Needs the extra `[celery]`. The request and the primary's answer lie in the broker until a worker
takes them, for at most `expires_s`: think of whose data they are.

In the web process: mirror=CeleryShadow(Celery(broker=URL)), as an argument of `endpoint`. In the workers' module:
`comparing_task` of `common.calls.celery_comparing`.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog
from celery import Celery
from pydantic import BaseModel

from common.calls.mirror import Pair, Share
from common.calls.upstream import Upstream

if TYPE_CHECKING:
    from common.metrics import ShadowMetrics

Answer = TypeVar("Answer", bound=BaseModel)
TASK = "common.shadow.compare"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CeleryShadowPolicy:
    """What publishing may cost. `share` of the calls are mirrored, spread evenly by counting.

    Args:
        max_waiting: copies in the memory of this process, not yet published: a request of at most `max_bytes`, and an
            answer that the `AnswerLimits` of the primary bound.
        max_bytes: of one copy in the broker: the request and the primary's answer.
        expires_s: how long a copy waits for a worker.
    """

    share: float = 1.0
    max_waiting: int = 100
    max_bytes: int = 64 * 1024
    expires_s: float = 60


class CeleryShadow(Generic[Answer]):
    """A mirror that publishes, from a thread that starts with the first copy, and anew in a forked process.

    A fork counts from 0: what waits and what was counted is its parent's.

    Args:
        prepare: makes the shadow's request out of the primary's, where it is not the same; runs in the thread.
    """

    def __init__(
        self,
        app: Celery,
        *,
        policy: CeleryShadowPolicy | None = None,
        prepare: Callable[[Any], BaseModel] | None = None,
        metrics: ShadowMetrics | None = None,
    ) -> None:
        self.policy = policy or CeleryShadowPolicy()
        self._app = app
        self._prepare = prepare
        self._metrics = metrics
        self._share = Share(self.policy.share)
        self._closing = False
        self._start_anew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start_anew)  # threads do not survive a fork, and locks may be held

    def _start_anew(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Pair[Answer]] = deque()
        self._in_hand: Pair[Answer] | None = None  # of the thread
        self._thread: threading.Thread | None = None
        self.published = 0
        self.not_sampled = 0
        self.missing: Counter[str] = Counter()  # by reason

    def offer(self, pair: Pair[Answer], primary: Upstream) -> None:
        """Takes a copy or drops it; never waits, never raises."""
        if not self._share.next():
            with self._changed:
                self.not_sampled += 1
            return
        try:
            reason = self._taken(pair, primary)
        except Exception:
            reason = "bug"
            log.exception("shadow.bug", upstream="celery")
        if reason is not None:
            self._miss(reason)

    async def drain(self, timeout_ms: float = 1_000) -> None:
        """Takes no more, and publishes what waits, for at most `timeout_ms`; the rest is missing as "closing"."""
        await asyncio.to_thread(self.drain_blocking, timeout_ms)

    def drain_blocking(self, timeout_ms: float = 1_000) -> None:
        """The same for code without an event loop."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting and self._in_hand is None, timeout_ms / 1000)
            lost = len(self._waiting) + (self._in_hand is not None)
            self._waiting.clear()
            self._in_hand = None  # the broker may get it yet; it is counted now, and only once
        for _ in range(lost):
            self._miss("closing")

    def _taken(self, pair: Pair[Answer], primary: Upstream) -> str | None:
        """None if the copy waits for the thread now, else why not."""
        if pair.primary.is_default:
            return "primary_failed"
        if len(pair.content) > self.policy.max_bytes:
            return "bytes_full"
        with self._changed:
            if self._closing:
                return "closing"
            if len(self._waiting) >= self.policy.max_waiting:
                return "queue_full"
            if not primary.spend_extra("shadow"):
                return "no_budget"
            if self._thread is None:
                thread = threading.Thread(target=self._publish_all, name="shadow-publisher", daemon=True)
                thread.start()
                self._thread = thread
            self._waiting.append(pair)
            self._changed.notify_all()
        return None

    def _publish_all(self) -> None:
        # A connection of its own: those of the app's pool may be older than a fork, and then they are another's, too.
        connection = None
        while (pair := self._next()) is not None:
            reason = None
            try:
                copy = self._copy(pair)
                if copy is None:
                    reason = "bytes_full"
                else:
                    connection = connection or self._app.connection_for_write()
                    self._send(copy, connection)
            except _BrokerFailed as failed:
                reason, connection = "broker", None
                log.warning("shadow.not_published", error=type(failed.__cause__).__name__)
            except Exception:
                reason = "bug"
                log.exception("shadow.bug", upstream="celery")
            self._settle(pair, reason)

    def _next(self) -> Pair[Answer] | None:
        """Waits for a copy; None if there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if not self._waiting:
                return None
            self._in_hand = self._waiting.popleft()
            return self._in_hand

    def _copy(self, pair: Pair[Answer]) -> dict[str, str] | None:
        """What a worker needs; None if it is too large."""
        request = pair.content if self._prepare is None else self._prepare(pair.payload).model_dump_json().encode()
        primary = pair.primary.value.model_dump_json().encode()
        if len(request) + len(primary) > self.policy.max_bytes:
            return None
        return {
            "path": pair.path,
            "request": request.decode(),
            "primary": primary.decode(),
            "request_id": pair.primary.request_id,
        }

    def _send(self, copy: dict[str, str], connection: Any) -> None:
        options = {"expires": self.policy.expires_s, "retry": False, "ignore_result": True}
        try:
            self._app.send_task(TASK, args=[copy], connection=connection, **options)
        except Exception as error:
            raise _BrokerFailed from error  # any of the broker's; the copy is lost and counted

    def _settle(self, pair: Pair[Answer], reason: str | None) -> None:
        with self._changed:
            if self._in_hand is not pair:  # the drain has given it up and counted it
                return
            self._in_hand = None
            self.published += reason is None
            self._changed.notify_all()
        if reason is not None:
            self._miss(reason)

    def _miss(self, reason: str) -> None:
        with self._changed:
            self.missing[reason] += 1
        if self._metrics is not None:
            self._metrics.missing("celery", reason)


class _BrokerFailed(Exception):
    """A copy was not published."""
