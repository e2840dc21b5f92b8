"""What is remembered of a forecast, so that an operator sees why it came out as it did."""

from __future__ import annotations

from datetime import UTC, datetime

from common.panel.answers import MOST_PARTS, AnswerPart, RecentAnswers, ToldAnswer
from common.service.gateway import Call
from supermegaretail.asking import Question
from supermegaretail.contract import ForecastRequest
from supermegaretail.forecast import Forecasts


def remember(
    recent: RecentAnswers,
    request: ForecastRequest,
    question: Question,
    forecasts: Forecasts,
    own_versions: dict[str, str],
    call: Call,
) -> None:
    """The stories of the first items; what was forecast is in the prediction log."""
    pairs = zip(request.items[:MOST_PARTS], forecasts.served[:MOST_PARTS], strict=True)
    parts = [
        AnswerPart(
            f"{item.store} {item.sku}",
            one.served_by,
            one.degraded,
            one.story,
            {"override": one.value.override_id} if one.value is not None and one.value.override_id else {},
        )
        for item, one in pairs
    ]
    asked = {
        "items": len(request.items),
        "as_of": question.as_of,
        "days": question.horizon_days,
        "version": request.version,
        "seed": request.seed,
    }
    left_out = len(request.items) - len(parts)
    versions, now = {**forecasts.versions, **own_versions}, datetime.now(UTC)
    recent.put(ToldAnswer(call.request_id, now, call.caller, asked, versions, parts, left_out))
