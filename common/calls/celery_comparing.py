"""The other end of `common.calls.celery_shadow`: what a Celery worker does with the copies that it takes.

app = Celery(broker=URL)
comparing = comparing_task(app, Upstream("shadow", SHADOW_URL), answer=Predictions)
comparing.report.as_json()  # what this worker process has seen
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import structlog
from celery import Celery
from pydantic import BaseModel

from common.calls.answers import AnswerLimits, AnswerReader
from common.calls.blocking import Portal
from common.calls.celery_shadow import TASK
from common.calls.shadow import shadow_call
from common.calls.shadow_report import KEEP_BYTES, KEEP_WORST, Difference, ShadowReport, unequal
from common.calls.upstream import Upstream
from common.errors import CallFailed

if TYPE_CHECKING:
    from common.metrics import ShadowMetrics

Answer = TypeVar("Answer", bound=BaseModel)
log = structlog.get_logger(__name__)


class Comparing(Generic[Answer]):
    """What a worker process does with copies, and the report of what it has seen; made by `comparing_task`."""

    def __init__(
        self,
        upstream: Upstream,
        reader: AnswerReader[Answer],
        answer: type[Answer],
        difference: Difference[Answer],
        timeout_ms: float,
        report: ShadowReport,
    ) -> None:
        self.report = report
        self._upstream = upstream
        self._reader = reader
        self._answer = answer
        self._difference = difference
        self._timeout_ms = timeout_ms
        self._portal = Portal()

    def compare(self, copy: dict[str, str]) -> float | None:
        """The difference; None, logged and counted by reason, where there is none."""
        with structlog.contextvars.bound_contextvars(request_id=copy["request_id"]):
            try:
                difference = self._compared(copy)
            except (CallFailed, TimeoutError) as failed:
                reason = failed.reason.value if isinstance(failed, CallFailed) else "timeout"
                self.report.miss(reason)
                log.warning("shadow.not_answered", upstream=self._upstream.name, reason=reason)
                return None
            except Exception:
                self.report.miss("bug")
                log.exception("shadow.bug", upstream=self._upstream.name)
                return None
            log.info("shadow.compared", upstream=self._upstream.name, difference=difference)
            return difference

    def _compared(self, copy: dict[str, str]) -> float:
        path, request, request_id = copy["path"], copy["request"].encode(), copy["request_id"]
        call = shadow_call(path, request, request_id, self._reader, self._timeout_ms)
        shadow = self._portal.run(lambda: self._upstream.ask(call), call.deadline)
        primary = self._answer.model_validate_json(copy["primary"])
        difference = self._difference(primary, shadow)
        self.report.add(difference, path=path, request_id=request_id, request=request, primary=primary, shadow=shadow)
        return difference


def comparing_task(
    app: Celery,
    upstream: Upstream,
    *,
    answer: type[Answer],
    difference: Difference[Answer] = unequal,
    limits: AnswerLimits | None = None,
    timeout_ms: float = 10_000,
    keep_worst: int = KEEP_WORST,
    keep_bytes: int = KEEP_BYTES,
    metrics: ShadowMetrics | None = None,
) -> Comparing[Answer]:
    """Registers the task that workers run: asks the shadow, compares, logs, and returns the difference.

    Each worker process has a report of its own, in what is returned here.
    """
    report = ShadowReport(upstream.name, keep_worst=keep_worst, keep_bytes=keep_bytes, metrics=metrics)
    reader = AnswerReader(answer, limits or AnswerLimits())
    comparing = Comparing(upstream, reader, answer, difference, timeout_ms, report)
    app.task(name=TASK)(comparing.compare)
    return comparing
