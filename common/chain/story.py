"""The story that every answer keeps: which tiers were asked before, why they did not serve, and how long each took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeAlias

from common.chain.tiers import NO_VALUE, Answers, NotNeeded, Refused, Value

Fate: TypeAlias = Literal["served", "refused", "not_needed"]


@dataclass(frozen=True, slots=True)
class Step:
    """What came of one tier for one item. `elapsed_ms` is the time of the tier's whole batch, 0 if it was not asked."""

    tier: str
    came_to: Fate
    reason: str | None
    elapsed_ms: float


@dataclass(slots=True)
class Served(Generic[Value]):
    """The answer for one item and its story: whose turn it was, what came of it, why, and how long it took."""

    value: Value | None = None
    served_by: str = ""
    degraded: bool = False
    story: list[Step] = field(default_factory=list)

    @property
    def refusals(self) -> list[tuple[str, str]]:
        """(tier, reason) of those that did not serve and had a reason, in the order asked."""
        return [(step.tier, step.reason) for step in self.story if step.reason is not None]

    @property
    def reason(self) -> str | None:
        """Why the better tiers did not serve, as `tier:reason, tier:reason`; None if the best one did."""
        return ", ".join(f"{tier}:{reason}" for tier, reason in self.refusals) or None


def write(tier: str, stories: Sequence[Served[Value]], answers: Answers[Value], *, elapsed_ms: float) -> None:
    """Continues each item's story with what one tier said about it."""
    served = Step(tier, "served", None, elapsed_ms)  # items with the same fate share a step: a thousand cost little
    others: dict[Refused | NotNeeded, Step] = {}
    for story, answer in zip(stories, answers, strict=True):
        if isinstance(answer, NO_VALUE):
            if (step := others.get(answer)) is None:
                step = others[answer] = _step(tier, answer, elapsed_ms)
            story.story.append(step)
            story.degraded = story.degraded or step.came_to == "refused"
        else:
            story.story.append(served)
            story.value, story.served_by = answer, tier


def _step(tier: str, answer: Refused | NotNeeded, elapsed_ms: float) -> Step:
    return Step(tier, "refused" if isinstance(answer, Refused) else "not_needed", answer.reason, elapsed_ms)
