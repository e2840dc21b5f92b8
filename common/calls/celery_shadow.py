"""Shadow mode through Celery: the copies wait in a broker, and workers elsewhere ask the shadow and compare.

For shadows too slow or too dear to be asked beside the primary. The web process only publishes, from a thread of its
own: a broker that is down can hold a publisher up for as long as it likes. What does not fit into the thread's queue is
dropped and counted. Needs the extra `[celery]`. The request and the primary's answer lie in the broker until a worker
takes them, for at most `expires_s`: think of whose data they are.

In the web process: mirror=CeleryShadow(Celery(broker=URL)), as an argument of `endpoint`.
In the worker's module:
    app = Celery(broker=URL)
    comparing_task(app, Upstream("shadow", SHADOW_URL), answer=Predictions)
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog
from celery import Celery
from pydantic import BaseModel

from common.calls.answers import AnswerLimits, AnswerReader
from common.calls.blocking import Portal
from common.calls.budget import ExtraBudget
from common.calls.mirror import Pair, Share
from common.calls.shadow import Difference, shadow_call
from common.calls.upstream import Upstream
from common.deadline import Deadline
from common.errors import CallFailed

if TYPE_CHECKING:
    from common.metrics import ShadowMetrics

Answer = TypeVar("Answer", bound=BaseModel)
TASK = "common.shadow.compare"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CeleryShadowPolicy:
    """What publishing may cost. `share` of the calls are mirrored, spread evenly by counting."""

    share: float = 1.0
    max_waiting: int = 100  # copies in the memory of this process, not yet published
    max_bytes: int = 64 * 1024  # of one copy
    expires_s: float = 60


class CeleryShadow(Generic[Answer]):
    """A mirror that publishes; its thread starts with the first copy and dies with the process."""

    def __init__(
        self, app: Celery, *, policy: CeleryShadowPolicy | None = None, metrics: ShadowMetrics | None = None
    ) -> None:
        self.policy = policy or CeleryShadowPolicy()
        self.published = 0
        self.missing: Counter[str] = Counter()  # by reason
        self._app = app
        self._metrics = metrics
        self._share = Share(self.policy.share)
        self._waiting: queue.Queue[dict[str, str]] = queue.Queue(self.policy.max_waiting)
        self._thread: threading.Thread | None = None

    def offer(self, pair: Pair[Answer], budget: ExtraBudget) -> None:
        """Takes a copy or drops it; never waits, never raises."""
        if not self._share.next():
            return
        if pair.primary.is_default:
            self._miss("primary_failed")
        elif len(pair.content) > self.policy.max_bytes:
            self._miss("bytes_full")
        elif not budget.spend():
            self._miss("no_budget")
        else:
            self._queue(pair)

    def _queue(self, pair: Pair[Answer]) -> None:
        copy = {
            "path": pair.path,
            "request": pair.content.decode(),
            "primary": pair.primary.value.model_dump_json(),
            "request_id": pair.primary.request_id,
        }
        try:
            self._waiting.put_nowait(copy)
        except queue.Full:
            self._miss("queue_full")
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._publish, name="shadow-publisher", daemon=True)
            self._thread.start()

    def _publish(self) -> None:
        while True:
            copy = self._waiting.get()
            try:
                self._app.send_task(TASK, args=[copy], expires=self.policy.expires_s, retry=False, ignore_result=True)
                self.published += 1
            except Exception as error:  # noqa: BLE001  any of the broker's; the copy is lost and counted
                self._miss("broker")
                log.warning("shadow.not_published", error=type(error).__name__)

    def _miss(self, reason: str) -> None:
        self.missing[reason] += 1
        if self._metrics is not None:
            self._metrics.missing("celery", reason)


def comparing_task(
    app: Celery,
    upstream: Upstream,
    *,
    answer: type[Answer],
    difference: Difference[Answer] = lambda primary, shadow: float(primary != shadow),
    limits: AnswerLimits | None = None,
    timeout_ms: float = 10_000,
) -> Callable[[dict[str, str]], Any]:
    """Registers the task that workers run: asks the shadow, compares, logs, and returns the difference.

    None is returned, and the reason logged, where the shadow had no answer.
    """
    portal, reader = Portal(), AnswerReader(answer, limits or AnswerLimits())

    def compare(copy: dict[str, str]) -> float | None:
        call = shadow_call(copy["path"], copy["request"].encode(), copy["request_id"], reader, timeout_ms)
        with structlog.contextvars.bound_contextvars(request_id=copy["request_id"]):
            try:
                shadow = portal.run(lambda: upstream.ask(call), Deadline.after_ms(timeout_ms))
            except (CallFailed, TimeoutError) as failed:
                log.warning("shadow.not_answered", upstream=upstream.name, reason=str(failed) or "timeout")
                return None
            distance = difference(answer.model_validate_json(copy["primary"]), shadow)
            log.info("shadow.compared", upstream=upstream.name, difference=distance)
            return distance

    registered: Callable[[dict[str, str]], Any] = app.task(name=TASK)(compare)
    return registered
