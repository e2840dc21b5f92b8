"""`python -m supermegaretail replay`: the API's own parts, without its port."""

from __future__ import annotations

import secrets
from typing import Any

from common.command_line import Failed
from common.context import new_request_id
from common.deadline import Deadline
from common.service.gateway import MAX_BUDGET_MS, Call
from common.service.problems import Problem
from supermegaretail.app import create_app
from supermegaretail.monitoring.routes import replay
from supermegaretail.settings import RetailSettings


async def replay_here(request_id: str, settings: RetailSettings) -> dict[str, Any]:
    """As `GET /v1/admin/replays/{request_id}`; asks the model process, and tells if that does not answer. `Failed`.

    Nobody can call this API, so its operators' token is thrown away: none is made in VAR_DIR, or shown. Where nothing
    was ever logged, nothing is made at all.
    """
    if not settings.predictions_dir.exists():
        raise Failed(f"no forecast was ever logged in {settings.predictions_dir}")
    app = create_app(settings.model_copy(update={"admin_token": secrets.token_urlsafe()}), serves=False)
    async with app.router.lifespan_context(app):
        call = Call(new_request_id(), Deadline.after_ms(MAX_BUDGET_MS), "")
        try:
            return await replay(app.state.engine, request_id, call)
        except Problem as problem:
            raise Failed(problem.detail) from problem
