"""`/v1/admin/feedback`: what people did."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Any

from fastapi import APIRouter
from sqlalchemy.exc import SQLAlchemyError

from common.errors import PoolFull
from common.service.app import CurrentCall
from common.service.problems import not_now
from common.workers import WorkerPool
from photostock.feedback.report import feedback_report
from photostock.feedback.store import FeedbackStore


def add_feedback(routes: APIRouter, feedback: FeedbackStore, reports: WorkerPool) -> None:
    """Hangs the route on the service's router for operators."""

    @routes.get("/feedback")
    async def report(call: CurrentCall, first_day: date | None = None, last_day: date | None = None) -> dict[str, Any]:
        """Click-through by place and by tier from `first_day` to `last_day`, both included."""
        read = partial(feedback_report, feedback.engine, first=first_day, last=last_day)
        try:
            return (await reports.run(read, deadline=call.deadline)).as_json()
        except (PoolFull, TimeoutError, SQLAlchemyError) as error:
            detail = "the report could not be made in time; ask for fewer days, or give X-Timeout-Ms"
            raise not_now(error, detail, retry_after_s=5) from error
