"""The fallback chain: two shapes from which every degraded answer in this project is made.

    substitute      if this tier can't answer for an item, the next one does
    optional stage  if this refinement can't improve an item's answer, the answer stays as it is

Both work per item: in a bulk request one bad item never drags down the other 499. The order of the tiers is data, best
first, to be read at one place in each service (`forecast.py`, `search.py`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog

from common.deadline import Deadline
from common.errors import NobodyAnswered, PoolFull, TierFailed
from common.outcome import Reason

if TYPE_CHECKING:
    from common.metrics import ChainMetrics

Item = TypeVar("Item")
Value = TypeVar("Value")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Refused:
    """A tier can't answer for this item: next, please, and the answer counts as degraded."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotNeeded:
    """A tier has nothing to say on this item, and that is as it should be: no override, a sure first stage."""

    reason: str | None = None


Answers = Sequence[Value | Refused | NotNeeded]  # one for each item that was asked, in order


@dataclass(frozen=True, kw_only=True)  # slots and generics of Python 3.11 do not go together
class Substitute(Generic[Item, Value]):
    """A source of answers.

    `accept` looks at a value and names what is wrong with it, if anything. `leaves_ms` is how much of the deadline the
    tier must leave to those after it.
    """

    name: str
    answer: Callable[[Sequence[Item], Deadline], Awaitable[Answers[Value]]]
    accept: Callable[[Item, Value], str | None] = lambda _item, _value: None
    leaves_ms: float = 0


@dataclass(frozen=True, kw_only=True)  # slots and generics of Python 3.11 do not go together
class OptionalStage(Generic[Item, Value]):
    """A refinement of what the tier `after` served; the rest is as in `Substitute`."""

    name: str
    after: str
    improve: Callable[[Sequence[Item], Sequence[Value], Deadline], Awaitable[Answers[Value]]]
    accept: Callable[[Item, Value], str | None] = lambda _item, _value: None
    leaves_ms: float = 0


@dataclass(slots=True)
class Served(Generic[Value]):
    """The answer for one item and its story: who was asked before, and why they did not serve."""

    value: Value | None = None
    served_by: str = ""
    degraded: bool = False
    refusals: list[tuple[str, str]] = field(default_factory=list)  # (tier, reason), in the order asked

    @property
    def reason(self) -> str | None:
        """Why the better tiers did not serve, as `tier:reason, tier:reason`; None if the best one did."""
        return ", ".join(f"{tier}:{reason}" for tier, reason in self.refusals) or None


class FallbackChain(Generic[Item, Value]):
    """Asks the substitutes in order, then lets the optional stages refine. It keeps nothing between calls.

    Args:
        substitutes: best first. The last one must need no network and no model file, and is asked even when the
            deadline has passed.
        stages: in the order in which they are applied.
        raise_bugs: for tests; in production a bug in a tier is logged, counted, and means "next, please".
    """

    # A tier that keeps its deadline itself must win the race against us: its safe client counts an expired deadline
    # towards its breaker, but not a cancellation, which is what our timeout would look like from there.
    GRACE_MS = 10
    LEAVES_AT_MOST = 0.4  # of the time that there is, so that a short deadline still gives the best tier a chance

    def __init__(
        self,
        substitutes: Sequence[Substitute[Item, Value]],
        stages: Sequence[OptionalStage[Item, Value]] = (),
        *,
        metrics: ChainMetrics | None = None,
        raise_bugs: bool = False,
    ) -> None:
        self.substitutes = tuple(substitutes)
        self.stages = tuple(stages)
        self._metrics = metrics
        self._raise_bugs = raise_bugs

    async def answer(self, items: Sequence[Item], deadline: Deadline) -> list[Served[Value]]:
        """One `Served` per item, in order; raises `NobodyAnswered` if even the last tier refused one."""
        served: list[Served[Value]] = [Served() for _ in items]
        for tier in self.substitutes:
            if chosen := [i for i, story in enumerate(served) if not story.served_by]:
                until = None if tier is self.substitutes[-1] else self._until(deadline, tier.leaves_ms)
                asking = tier.answer([items[i] for i in chosen], until or deadline)
                answers = await self._ask(tier.name, asking, len(chosen), until)
                self._settle(tier.name, tier.accept, [(items[i], served[i]) for i in chosen], answers)
        if missing := next((story for story in served if not story.served_by), None):
            raise NobodyAnswered(missing.reason or "the chain has no tier")
        for stage in self.stages:
            if chosen := [i for i, story in enumerate(served) if story.served_by == stage.after]:
                until = self._until(deadline, stage.leaves_ms)
                values = [story.value for i in chosen if (story := served[i]).value is not None]
                asking = stage.improve([items[i] for i in chosen], values, until)
                answers = await self._ask(stage.name, asking, len(chosen), until)
                self._settle(stage.name, stage.accept, [(items[i], served[i]) for i in chosen], answers)
        self._count(served)
        return served

    def _until(self, deadline: Deadline, leaves_ms: float) -> Deadline:
        return deadline.keeping_ms(min(leaves_ms, self.LEAVES_AT_MOST * deadline.remaining_ms))

    async def _ask(
        self, name: str, asking: Awaitable[Answers[Value]], count: int, until: Deadline | None
    ) -> Answers[Value]:
        """What the tier answered; when it failed, a refusal for every item."""
        try:
            async with asyncio.timeout(None if until is None else (until.remaining_ms + self.GRACE_MS) / 1000):
                answers = await asking
            if len(answers) != count:
                raise TierFailed(Reason.MEANING)
        except TierFailed as failed:
            reason = failed.reason
        except TimeoutError:
            reason = Reason.TIMEOUT
        except PoolFull:
            reason = Reason.OVERLOADED
        except Exception:
            if self._raise_bugs:
                raise
            reason = Reason.BUG
            log.exception("fallback.bug", tier=name)
        else:
            return answers
        return [Refused(reason)] * count

    def _settle(
        self,
        name: str,
        accept: Callable[[Item, Value], str | None],
        asked: Sequence[tuple[Item, Served[Value]]],
        answers: Answers[Value],
    ) -> None:
        for (item, story), given in zip(asked, answers, strict=True):
            answer = given
            if not isinstance(answer, Refused | NotNeeded) and (problem := accept(item, answer)) is not None:
                answer = Refused(problem)
            if isinstance(answer, Refused):
                story.degraded = True
                story.refusals.append((name, answer.reason))
            elif isinstance(answer, NotNeeded):
                if answer.reason is not None:
                    story.refusals.append((name, answer.reason))
            else:
                story.value, story.served_by = answer, name

    def _count(self, served: Sequence[Served[Value]]) -> None:
        if self._metrics is None:
            return
        for (tier, degraded), items in Counter((story.served_by, story.degraded) for story in served).items():
            self._metrics.served(tier, degraded=degraded, items=items)
        for (tier, reason), items in Counter(refusal for story in served for refusal in story.refusals).items():
            self._metrics.refused(tier, reason, items=items)
