"""What makes a value that a tier gave unfit to be served, per item: common kinds of `accept`, and how it is applied.

    Substitute(name="core", ..., accept=accepts(within(0, 1e6, of=demand), confident(0.8, of=certainty), own_predicate))

A number that is not one (NaN) passes none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from common.chain.tiers import NO_VALUE, Acceptance, Answers, Item, NotNeeded, Refused, Tier, Value
from common.outcome import Reason

log = structlog.get_logger(__name__)


def within(low: float, high: float, *, of: Callable[[Value], float]) -> Acceptance[Item, Value]:
    """Refuses a value of which `of` is below `low` or above `high`."""
    return lambda _item, value: None if low <= of(value) <= high else Reason.OUT_OF_RANGE


def confident(at_least: float, *, of: Callable[[Value], float]) -> Acceptance[Item, Value]:
    """Refuses a value of which the tier itself is not sure: its confidence is below `at_least`."""
    return lambda _item, value: None if of(value) >= at_least else Reason.UNCERTAIN


def familiar(at_most: float, *, of: Callable[[Item], float]) -> Acceptance[Item, Value]:
    """Refuses an item that has drifted further than `at_most` from those that the tier learnt from: blameless."""
    return lambda item, _value: None if of(item) <= at_most else Refused(Reason.DRIFT, blameless=True)


def accepts(*predicates: Acceptance[Item, Value]) -> Acceptance[Item, Value]:
    """All of them, in order; the first that finds something wrong names it."""

    def accept(item: Item, value: Value) -> str | Refused | None:
        problems = (predicate(item, value) for predicate in predicates)
        return next((problem for problem in problems if problem is not None), None)

    return accept


def judged(
    tier: Tier[Item, Value], items: Sequence[Item], answers: Answers[Value], *, raise_bugs: bool
) -> Answers[Value]:
    """The answers, with a refusal in place of each that `accept` finds a fault in, or fails to look at (`bug`)."""
    fit: list[Value | Refused | NotNeeded] = []
    failed: Refused | None = None
    for item, answer in zip(items, answers, strict=True):
        try:
            problem = None if isinstance(answer, NO_VALUE) else tier.accept(item, answer)
        except Exception:
            if raise_bugs:
                raise
            if failed is None:  # one traceback says it all; a thousand would bring the house down
                failed = Refused(Reason.BUG)
                log.exception("fallback.bug", tier=tier.name)
            problem = failed
        fit.append(answer if problem is None else problem if isinstance(problem, Refused) else Refused(problem))
    return fit
