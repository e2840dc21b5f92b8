"""`/v1/admin/feedback` and `/v1/admin/erasures`: what people did, and how a person is forgotten."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter
from sqlalchemy.exc import SQLAlchemyError

from common.errors import PoolFull
from common.service.app import CurrentCall, body_of, documented
from common.service.problems import Problem
from common.state.writes import Writes
from common.workers import WorkerPool
from photostock.contract import NewErasure
from photostock.feedback.report import feedback_report
from photostock.feedback.store import FeedbackStore


def add_feedback(routes: APIRouter, feedback: FeedbackStore, writes: Writes, reports: WorkerPool) -> None:
    """Hangs the routes on the service's router for operators."""

    @routes.get("/feedback")
    async def report(call: CurrentCall, first_day: date | None = None, last_day: date | None = None) -> dict[str, Any]:
        """Click-through by place and by tier from `first_day` to `last_day`, both included."""
        read = partial(feedback_report, feedback.engine, first=first_day, last=last_day)
        try:
            return (await reports.run(read, deadline=call.deadline)).as_json()
        except (PoolFull, TimeoutError, SQLAlchemyError) as error:
            detail = "the report could not be made in time; ask for fewer days, or give X-Timeout-Ms"
            raise Problem(503, detail, headers={"Retry-After": "5"}) from error

    @routes.get("/erasures")
    async def erasures(call: CurrentCall) -> dict[str, Any]:
        """Who was forgotten, as keyed hashes, newest first."""
        try:
            lines = await reports.run(feedback.erasures.all, deadline=call.deadline)
        except (PoolFull, TimeoutError, SQLAlchemyError) as error:
            raise Problem(503, "the list could not be read in time", headers={"Retry-After": "1"}) from error
        return {"erasures": [line.as_json() for line in lines]}

    @routes.post("/erasures", openapi_extra=documented(NewErasure))
    async def erase(call: CurrentCall, wish: Annotated[NewErasure, body_of(NewErasure)]) -> dict[str, Any]:
        """Forgets a person, durably; again is safe. What they did until now is dropped when it is sent once more."""
        forget = partial(feedback.erase, wish.user_id, owner=wish.owner, reason=wish.reason)
        try:
            line, gone = await writes.run(forget, deadline=call.deadline)
        except ValueError as error:
            raise Problem(422, f"reason: {error}") from error
        return {"erasure": line.as_json(), "events_erased": gone, "events_erased_in_all": line.rows}
