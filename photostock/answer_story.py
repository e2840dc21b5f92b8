"""What is remembered of a search, so that an operator sees why it came out as it did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from common.panel.answers import MOST_PARTS, AnswerPart, RecentAnswers, ToldAnswer
from common.service.gateway import Call
from photostock.contract import SearchFields
from photostock.finding import Wanted
from photostock.search import Searched


def remember(
    recent: RecentAnswers, searches: Sequence[SearchFields], made: Searched, versions: dict[str, str], call: Call
) -> None:
    """The stories of the first searches, without what was found."""
    pairs = zip(made.wanted[:MOST_PARTS], made.served[:MOST_PARTS], strict=True)
    parts = [
        AnswerPart(wanted.fields.query, one.served_by, one.degraded, one.story, _applied(wanted))
        for wanted, one in pairs
    ]
    asked = {"searches": len(searches), "version": searches[0].version, "stages_ms": made.stages_ms}
    left_out = len(searches) - len(parts)
    now = datetime.now(UTC)
    recent.put(ToldAnswer(call.request_id, now, call.caller, asked, {**versions, **made.versions}, parts, left_out))


def _applied(wanted: Wanted) -> dict[str, str]:
    """What the knowledge base and the spelling made of the query."""
    rewritten = wanted.rewritten
    return {"searched for": rewritten.text} if rewritten.changes else {}
