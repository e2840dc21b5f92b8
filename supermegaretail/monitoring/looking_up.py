"""What the prediction log says about a request, for a route that answers with it."""

from __future__ import annotations

import polars as pl
import structlog

from common.errors import PoolFull
from common.service.gateway import Call
from common.service.problems import Problem
from supermegaretail.contract import Item
from supermegaretail.engine import Engine
from supermegaretail.monitoring.replay import LoggedItem, LoggedRequest

log = structlog.get_logger(__name__)


async def logged(engine: Engine, request_id: str, call: Call) -> LoggedRequest:
    """The last request of that id; `Problem` 404 if the log does not have it, 503 if it can't be read now."""
    try:
        rows = await engine.log_reading.run(engine.predictions.find, request_id, deadline=call.deadline)
    except (PoolFull, TimeoutError, OSError, pl.exceptions.PolarsError) as error:
        log.warning("prediction_log.not_read", error=f"{type(error).__name__}: {error}")
        raise Problem(503, "the prediction log can't be read now", headers={"Retry-After": "1"}) from error
    if rows.is_empty():
        raise Problem(404, f"no forecast was logged under request id {request_id[:128]!r}, or it is too long ago")
    return LoggedRequest.of(rows)


async def told_before(engine: Engine, request_id: str, item: Item, call: Call) -> LoggedItem:
    """What one item was told in that request; `Problem` 404 if it was not in it."""
    request = await logged(engine, request_id, call)
    for told in request.items:
        if (told.store, told.sku) == (item.store, item.sku):
            return told
    raise Problem(404, f"request {request_id[:128]!r} was not about this product in this store")
