"""The fallback chain: two shapes from which every degraded answer in this project is made.

    substitute      if this tier can't answer for an item, the next one does
    optional stage  if this refinement can't improve an item's answer, the answer stays as it is

Both work per item: in a bulk request one bad item never drags down the other 499. The order of the tiers is data, best
first, to be read at one place in each service (`forecast.py`, `search.py`); what a tier is made of is in `tiers.py`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeAlias, cast

import structlog

from common.chain.acceptance import judged
from common.chain.standing import Standing
from common.chain.story import Served, Step, write
from common.chain.tiers import (
    NO_VALUE,
    Answers,
    Item,
    NotNeeded,
    OptionalStage,
    Refused,
    Substitute,
    Tier,
    Value,
    explicit_error,
    problem_of_chain,
)
from common.deadline import Deadline
from common.errors import NobodyAnswered, PoolFull, TierFailed
from common.outcome import Reason
from common.tracing import Span, span

if TYPE_CHECKING:
    from common.metrics import ChainMetrics

__all__ = ["FallbackChain", "NotNeeded", "OptionalStage", "Refused", "Served", "Step", "Substitute", "explicit_error"]

Asked: TypeAlias = Sequence[tuple[Item, Served[Value]]]
log = structlog.get_logger(__name__)


class FallbackChain(Generic[Item, Value]):
    """Asks the substitutes in order, then lets the optional stages refine. It keeps nothing between calls.

    Args:
        substitutes: best first. The last one must need no network and no model file, and is asked even when the
            deadline has passed. It can be neither switched off nor demoted.
        stages: in the order in which they are applied.
        standing: which tiers may be asked now, shared by the chains of all requests; without it, all of them.
        raise_bugs: for tests; in production a bug in a tier is logged, counted, and means "next, please".
    """

    # A tier that keeps its deadline itself must win the race against us: its safe client counts an expired deadline
    # towards its breaker, but not a cancellation, which is what our timeout would look like from there.
    GRACE_MS = 10
    GRACE_AT_MOST = 0.2  # of the time that there is, as below
    LEAVES_AT_MOST = 0.3  # of the time that there is, so that a short deadline still gives the best tier a chance

    def __init__(
        self,
        substitutes: Sequence[Substitute[Item, Value]],
        stages: Sequence[OptionalStage[Item, Value]] = (),
        *,
        standing: Standing | None = None,
        metrics: ChainMetrics | None = None,
        raise_bugs: bool = False,
    ) -> None:
        if (problem := problem_of_chain(substitutes, stages)) is not None:
            raise ValueError(f"not a sound chain: {problem}")
        self.substitutes = tuple(substitutes)
        self.stages = tuple(stages)
        self._standing = standing
        self._metrics = metrics
        self._raise_bugs = raise_bugs

    async def answer(self, items: Sequence[Item], deadline: Deadline) -> list[Served[Value]]:
        """One `Served` per item, in order; raises `NobodyAnswered` if even the last tier refused one."""
        served: list[Served[Value]] = [Served() for _ in items]
        last = self.substitutes[-1]
        early = deadline.keeping_ms(min(last.at_most_ms or 0, self.LEAVES_AT_MOST * deadline.remaining_ms))
        for tier in self.substitutes:
            asked = [(item, story) for item, story in zip(items, served, strict=True) if not story.served_by]
            await self._turn(
                tier, partial(tier.answer, [item for item, _ in asked]), asked, deadline if tier is last else early
            )
        if (missing := next((story for story in served if not story.served_by), None)) is not None:
            self._count(served)
            raise NobodyAnswered(missing.reason or "no tier had anything to say")
        for stage in self.stages:
            asked = [(item, story) for item, story in zip(items, served, strict=True) if story.served_by == stage.after]
            values = [cast(Value, story.value) for _, story in asked]
            await self._turn(stage, partial(stage.improve, [item for item, _ in asked], values), asked, deadline)
        self._count(served)
        return served

    async def _turn(
        self,
        tier: Tier[Item, Value],
        ask: Callable[[Deadline], Awaitable[Answers[Value]]],
        asked: Asked[Item, Value],
        deadline: Deadline,
    ) -> None:
        """One tier, from the question whether it may be asked to what is learnt from its answers."""
        if not asked:
            return
        stories = [story for _, story in asked]
        standing = None if tier is self.substitutes[-1] else self._standing
        if standing is not None and (barred := standing.refusal(tier.name, tier.demotion)) is not None:
            write(tier.name, stories, [Refused(barred)] * len(asked), elapsed_ms=0)
            return
        started_s = deadline.clock()
        with span("tier") as traced:
            raw = await self._ask(tier, ask, len(asked), deadline)
            answers = judged(tier, [item for item, _ in asked], raw, raise_bugs=self._raise_bugs)
            if traced.recording:
                _tell(traced, tier.name, answers)
        write(tier.name, stories, answers, elapsed_ms=round((deadline.clock() - started_s) * 1000, 3))
        if standing is not None and tier.demotion is not None:
            refused = Counter(one.reason for one in answers if isinstance(one, Refused) and not one.blameless)
            accepted = sum(not isinstance(answer, NO_VALUE) for answer in answers)
            standing.learn(tier.name, tier.demotion, accepted=accepted, refused=refused)

    async def _ask(
        self,
        tier: Tier[Item, Value],
        ask: Callable[[Deadline], Awaitable[Answers[Value]]],
        count: int,
        deadline: Deadline,
    ) -> Answers[Value]:
        """What the tier answered; when it failed, a refusal for every item."""
        own, patience_ms = self._time_for(tier, deadline)
        try:
            async with asyncio.timeout(None if patience_ms is None else patience_ms / 1000):
                answers = await ask(own)
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
            log.exception("fallback.bug", tier=tier.name)
        else:
            return answers
        return [Refused(reason)] * count

    def _time_for(self, tier: Tier[Item, Value], deadline: Deadline) -> tuple[Deadline, float | None]:
        """The deadline that a tier is told, and after how many milliseconds, a few more, we give it up."""
        if tier is self.substitutes[-1]:
            return deadline, None
        ours = deadline.keeping_ms(min(tier.leaves_ms, self.LEAVES_AT_MOST * deadline.remaining_ms))
        if tier.at_most_ms is not None:
            ours = ours.at_most_ms(tier.at_most_ms)
        patience_ms = ours.remaining_ms
        return ours.keeping_ms(min(self.GRACE_MS, self.GRACE_AT_MOST * patience_ms)), patience_ms

    def _count(self, served: Sequence[Served[Value]]) -> None:
        if self._metrics is None:
            return
        answered = Counter((story.served_by, story.degraded) for story in served if story.served_by)
        for (tier, degraded), items in answered.items():
            self._metrics.served(tier, degraded=degraded, items=items)
        for (tier, reason), items in Counter(refusal for story in served for refusal in story.refusals).items():
            self._metrics.refused(tier, reason, items=items)


def _tell(traced: Span, tier: str, answers: Answers[Value]) -> None:
    """What a trace shows of one tier's turn."""
    reasons = sorted({str(one.reason) for one in answers if isinstance(one, Refused)})
    served = sum(not isinstance(answer, NO_VALUE) for answer in answers)
    traced.name(f"tier {tier}")
    traced.tell({"tier.name": tier, "tier.items": len(answers), "tier.served": served})
    if reasons:
        traced.tell({"tier.reason": ", ".join(reasons)})
