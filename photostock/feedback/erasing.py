"""Forgetting a person on the command line: `python -m photostock erase`, and `python -m common erase photostock`."""

from __future__ import annotations

from common.state.database import open_state
from photostock.feedback.store import FeedbackStore
from photostock.settings import PhotoSettings


def feedback_store() -> FeedbackStore:
    """The events under this environment's settings."""
    settings = PhotoSettings()
    return FeedbackStore(open_state(settings), keep_days=settings.feedback_days, keep_rows=settings.feedback_rows)


def erase_person(user_id: str, *, owner: str, reason: str) -> str:
    """Durable when it returns a sentence about it; `ValueError` where the reason names the person."""
    line, gone = feedback_store().erase(user_id, owner=owner, reason=reason)
    return f"{gone:,} events erased, {line.rows:,} in all; kept as proof: {line.person}"
