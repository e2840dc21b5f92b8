"""What came of comparing two models: how often they agreed, the pairs that differ most, and why others are missing.

Every pair that was offered ends in exactly one place: compared, missing for one reason, or not sampled.
"""

from __future__ import annotations

import heapq
import json
import math
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

if TYPE_CHECKING:
    from common.metrics import ShadowMetrics

Answer = TypeVar("Answer", bound=BaseModel)
Difference = Callable[[Answer, Answer], float]
KEEP_WORST = 20
KEEP_BYTES = 512 * 1024
PARTS = ("request", "primary", "shadow")


def unequal(primary: BaseModel, shadow: BaseModel) -> float:
    """The difference where none is named: 0 or 1."""
    return float(primary != shadow)


@dataclass(frozen=True, slots=True, order=True)
class Compared:
    """One pair of answers, as the JSON that they were; `difference` is 0 where they agree. Ordered by it."""

    difference: float
    number: int
    path: str = field(compare=False)
    request_id: str = field(compare=False)
    parts: tuple[bytes, ...] = field(compare=False)  # in the order of `PARTS`
    cut: tuple[str, ...] = field(compare=False)  # those of which only the beginning was kept

    def as_json(self) -> dict[str, Any]:
        """For a person: a part that was cut is the beginning of its text."""
        shown = {
            name: text.decode(errors="ignore") if name in self.cut else json.loads(text)
            for name, text in zip(PARTS, self.parts, strict=True)
        }
        told = {"difference": self.difference, "request_id": self.request_id, "path": self.path}
        return told | shown | {"cut": list(self.cut)}


class ShadowReport:
    """What was seen so far in this process; may be used by several threads.

    Pairs are kept as JSON: models have no size that could be bounded. Only a pair that is among the worst so far is
    written, which takes less time than it took to read it, and it is read back only when somebody looks.

    Args:
        keep_worst: how many pairs are kept.
        keep_bytes: of all kept pairs together; each part of a pair has its share, and what is longer is cut.
    """

    def __init__(
        self,
        upstream: str,
        *,
        keep_worst: int = KEEP_WORST,
        keep_bytes: int = KEEP_BYTES,
        metrics: ShadowMetrics | None = None,
    ) -> None:
        self.compared = 0
        self.agreed = 0
        self.mean_difference: float | None = None
        self.missing: Counter[str] = Counter()  # by reason: dropped, or asked without an answer
        self.not_sampled = 0
        self._upstream = upstream
        self._keep_worst = keep_worst
        self._part_bytes = keep_bytes // (len(PARTS) * max(1, keep_worst))
        self._metrics = metrics
        self._lock = threading.Lock()
        self._numbers = count()
        self._worst: list[Compared] = []  # a heap, the least of the worst on top

    def add(
        self, difference: float, *, path: str, request_id: str, request: bytes, primary: BaseModel, shadow: BaseModel
    ) -> None:
        """A pair was compared; raises, and counts nothing, if that is no difference or can't be written as JSON."""
        difference = float(difference)
        if not (math.isfinite(difference) and difference >= 0):
            raise ValueError(f"a difference is a finite number from 0 on, not {difference}")
        with self._lock:
            if self._is_among_the_worst(difference):
                self._keep(difference, path, request_id, (request, _json(primary), _json(shadow)))
            self.compared += 1
            self.agreed += difference == 0
            mean = self.mean_difference or 0.0
            self.mean_difference = mean + (difference - mean) / self.compared  # a sum could grow beyond all numbers
        if self._metrics is not None:
            self._metrics.compared(self._upstream, difference)

    def miss(self, reason: str) -> None:
        """A pair was dropped, or its shadow had no answer."""
        with self._lock:
            self.missing[reason] += 1
        if self._metrics is not None:
            self._metrics.missing(self._upstream, reason)

    def skip(self) -> None:
        """A pair was not in the sample."""
        with self._lock:
            self.not_sampled += 1

    @property
    def worst(self) -> list[Compared]:
        """The pairs that differ most, worst first."""
        with self._lock:
            return sorted(self._worst, reverse=True)

    def as_json(self) -> dict[str, Any]:
        """For operators: `/v1/admin/shadow`."""
        return {
            "compared": self.compared,
            "agreed": self.agreed,
            "mean_difference": self.mean_difference,
            "missing": {str(reason): times for reason, times in self.missing.items()},
            "not_sampled": self.not_sampled,
            "worst": [pair.as_json() for pair in self.worst],
        }

    def _is_among_the_worst(self, difference: float) -> bool:
        if difference == 0 or not self._keep_worst:
            return False
        return len(self._worst) < self._keep_worst or difference > self._worst[0].difference

    def _keep(self, difference: float, path: str, request_id: str, parts: tuple[bytes, ...]) -> None:
        cut = tuple(name for name, text in zip(PARTS, parts, strict=True) if len(text) > self._part_bytes)
        kept = tuple(text[: self._part_bytes] for text in parts)
        pair = Compared(difference, next(self._numbers), path, request_id, kept, cut)
        if len(self._worst) < self._keep_worst:
            heapq.heappush(self._worst, pair)
        else:
            heapq.heapreplace(self._worst, pair)


def _json(answer: BaseModel) -> bytes:
    return answer.model_dump_json().encode()
