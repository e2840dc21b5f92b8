"""The last answers, for whoever wants to know why one came out as it did: bounded, in memory, of this process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from common.chain.story import Step

MOST_ANSWERS = 500
MOST_PARTS = 20  # of one answer: items of a forecast request, searches of a bulk


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """One item or search: the tiers that were tried, in order, with what came of each and its time."""

    name: str
    served_by: str
    degraded: bool
    steps: Sequence[Step]
    applied: Mapping[str, Any] = field(default_factory=dict)  # overrides, hints: what people said about it

    def as_json(self) -> dict[str, Any]:
        steps = [
            {"tier": one.tier, "came_to": one.came_to, "reason": one.reason, "ms": round(one.elapsed_ms, 2)}
            for one in self.steps
        ]
        told = {"name": self.name, "served_by": self.served_by, "degraded": self.degraded}
        return {**told, "steps": steps, "applied": dict(self.applied)}


@dataclass(frozen=True, slots=True)
class ToldAnswer:
    """One answered request; `left_out` counts the parts that are not kept."""

    request_id: str
    at: datetime
    caller: str
    asked: Mapping[str, Any]
    versions: Mapping[str, str]
    parts: Sequence[AnswerPart]
    left_out: int = 0

    @property
    def degraded(self) -> bool:
        return any(part.degraded for part in self.parts)

    def as_json(self) -> dict[str, Any]:
        return {
            "request_id": self.request_id,
            "at": self.at.isoformat(timespec="milliseconds"),
            "caller": self.caller,
            "asked": dict(self.asked),
            "versions": dict(self.versions),
            "degraded": self.degraded,
            "parts": [part.as_json() for part in self.parts],
            "left_out": self.left_out,
        }


class RecentAnswers:
    """For one event loop. A request id that comes again stands for its last answer."""

    def __init__(self, *, most: int = MOST_ANSWERS) -> None:
        self._most = most
        self._answers: OrderedDict[str, ToldAnswer] = OrderedDict()

    def put(self, answer: ToldAnswer) -> None:
        self._answers[answer.request_id] = answer
        self._answers.move_to_end(answer.request_id)
        if len(self._answers) > self._most:
            self._answers.popitem(last=False)

    def find(self, request_id: str) -> ToldAnswer | None:
        return self._answers.get(request_id)

    def forget(self) -> None:
        """All of them."""
        self._answers.clear()

    def newest(self, most: int) -> list[ToldAnswer]:
        """Newest first."""
        return [answer for answer, _ in zip(reversed(self._answers.values()), range(most), strict=False)]
