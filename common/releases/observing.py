"""What a request says about the model under test: only what is its own fault is held against it."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from common.chain.story import Served
from common.outcome import Reason

# Left out: what ails both versions (an unreachable process, an open breaker, a switch, drift), and what the API had no
# time for itself.
FAULTS = frozenset(
    {
        Reason.TIMEOUT,
        Reason.DISCONNECTED,
        Reason.HTTP_STATUS,
        Reason.ENCODING,
        Reason.TOO_LARGE,
        Reason.SCHEMA,
        Reason.MEANING,
        Reason.VERSION,
        Reason.NOT_LOADED,
        Reason.OUT_OF_RANGE,
    }
)


def is_at_fault(stories: Sequence[Served[Any]], tiers: Container[str]) -> bool:
    """Whether the version under test failed one of these items; `tiers` are those that it answers for."""
    return any(step.tier in tiers and step.reason in FAULTS for story in stories for step in story.story)
