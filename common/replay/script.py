"""A chain that acts again: each tier does its work where it served then, and refuses where it refused, for the same
reason. So a time-out of then is a time-out again, however quick the machine is now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from common.chain.fallback import FallbackChain
from common.chain.story import Served, Step
from common.chain.tiers import NotNeeded, OptionalStage, Refused, Substitute
from common.outcome import Reason

Told: TypeAlias = list[list[str | None]]  # of one item: tier, what it came to, reason


def told_of(served: Sequence[Served[Any]]) -> dict[str, Any]:
    """The stories of a request as JSON: each different one once, and which one is whose."""
    stories: dict[tuple[tuple[str, str, str | None], ...], int] = {}
    whose = [stories.setdefault(tuple(map(_part, one.story)), len(stories)) for one in served]
    return {
        "stories": [list(map(list, story)) for story in stories],
        "whose": whose if len(stories) > 1 else len(whose),
    }


@dataclass(frozen=True, slots=True)
class Script:
    """What came of each tier for each item.

    Args:
        places: of the items in their request, by `id()`: the items have to be different objects.
        left_out: tiers that are left alone now, whatever they did then.
    """

    stories: Sequence[Mapping[str, tuple[str, str | None]]]
    places: Mapping[int, int]
    left_out: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, told: Mapping[str, Any], items: Sequence[Any], *, left_out: frozenset[str] = frozenset()) -> Script:
        stories = [{tier: (came_to, reason) for tier, came_to, reason in story} for story in told["stories"]]
        whose = told["whose"] if isinstance(told["whose"], list) else [0] * told["whose"]
        return cls([stories[one] for one in whose], {id(item): place for place, item in enumerate(items)}, left_out)

    def fate(self, item: Any, tier: str) -> Refused | NotNeeded | None:
        """What a tier said about an item then; None where it served, or was not asked."""
        if tier in self.left_out:
            return Refused(Reason.SWITCHED_OFF)
        came_to, reason = self.stories[self.places[id(item)]].get(tier, ("served", None))
        if came_to == "served":
            return None
        return Refused(reason or "") if came_to == "refused" else NotNeeded(reason)

    def chain(self, chain: FallbackChain[Any, Any]) -> FallbackChain[Any, Any]:
        """The same chain, playing this script."""
        substitutes = [self._substitute(tier) for tier in chain.substitutes]
        return FallbackChain(substitutes, [self._stage(tier) for tier in chain.stages], raise_bugs=True)

    def _substitute(self, tier: Substitute[Any, Any]) -> Substitute[Any, Any]:
        async def answer(items: Sequence[Any], deadline: Any) -> Sequence[Any]:
            return await self._acted(tier.name, items, lambda: tier.answer(items, deadline))

        return replace(tier, answer=answer, leaves_ms=0, demotion=None)

    def _stage(self, tier: OptionalStage[Any, Any]) -> OptionalStage[Any, Any]:
        async def improve(items: Sequence[Any], values: Sequence[Any], deadline: Any) -> Sequence[Any]:
            return await self._acted(tier.name, items, lambda: tier.improve(items, values, deadline))

        return replace(tier, improve=improve, leaves_ms=0, demotion=None)

    async def _acted(
        self, tier: str, items: Sequence[Any], ask: Callable[[], Awaitable[Sequence[Any]]]
    ) -> Sequence[Any]:
        """Asked about all items, for a tier may prepare what later ones use; not where it refused all of them.

        Whether it is needed is found out again: with fewer overrides it may be.
        """
        fates = [self.fate(item, tier) for item in items]
        refused = [fate for fate in fates if isinstance(fate, Refused)]
        if len(refused) == len(fates):
            return refused
        answers = await ask()
        return [fate if isinstance(fate, Refused) else answer for answer, fate in zip(answers, fates, strict=True)]


def _part(step: Step) -> tuple[str, str, str | None]:
    return step.tier, step.came_to, step.reason
