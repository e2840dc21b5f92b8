"""What a fallback chain is made of, as data: its two kinds of tiers, and what these may say about an item."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from common.chain.demotion import DemotionPolicy
from common.deadline import Deadline

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Refused:
    """A tier can't answer for this item: next, please, and the answer counts as degraded.

    `blameless` says that the item is at fault, by its own inputs: however often it is asked for, that demotes nobody.
    """

    reason: str
    blameless: bool = False


@dataclass(frozen=True, slots=True)
class NotNeeded:
    """A tier has nothing to say on this item, and that is as it should be: no override, a sure first stage."""

    reason: str | None = None


NO_VALUE = (Refused, NotNeeded)  # for isinstance, where a union would cost a bulk request a millisecond

Answers: TypeAlias = Sequence[Value | Refused | NotNeeded]  # one for each item that was asked, in order
# What is wrong with this value, if anything: a reason, which speaks against the tier, or a refusal that need not.
Acceptance: TypeAlias = Callable[[Item, Value], str | Refused | None]


@dataclass(frozen=True, kw_only=True)  # slots and generics of Python 3.11 do not go together
class Substitute(Generic[Item, Value]):
    """A source of answers.

    Args:
        accept: looks at a value and names what is wrong with it, if anything; see `common.chain.acceptance`.
        leaves_ms: how much of the deadline it must leave to those after it, beside the reserve of the last tier.
        at_most_ms: the time that it may take. On the last tier this is its reserve, which no tier before it may use.
        demotion: when a tier that keeps giving bad answers is left alone; None: never.
    """

    name: str
    answer: Callable[[Sequence[Item], Deadline], Awaitable[Answers[Value]]]
    accept: Acceptance[Item, Value] = lambda _item, _value: None
    leaves_ms: float = 0
    at_most_ms: float | None = None
    demotion: DemotionPolicy | None = None


@dataclass(frozen=True, kw_only=True)  # slots and generics of Python 3.11 do not go together
class OptionalStage(Generic[Item, Value]):
    """A refinement of what the tier `after` served; the rest is as in `Substitute`."""

    name: str
    after: str
    improve: Callable[[Sequence[Item], Sequence[Value], Deadline], Awaitable[Answers[Value]]]
    accept: Acceptance[Item, Value] = lambda _item, _value: None
    leaves_ms: float = 0
    at_most_ms: float | None = None
    demotion: DemotionPolicy | None = None


Tier: TypeAlias = Substitute[Item, Value] | OptionalStage[Item, Value]


def explicit_error(reason: str = "no_answer", *, name: str = "explicit_error") -> Substitute[Item, Value]:
    """A last tier for answers that are worse wrong than missing: the caller gets `NobodyAnswered`, a 503."""

    async def answer(items: Sequence[Item], _deadline: Deadline) -> Answers[Value]:
        return [Refused(reason)] * len(items)

    return Substitute(name=name, answer=answer)


def problem_of_chain(
    substitutes: Sequence[Substitute[Item, Value]], stages: Sequence[OptionalStage[Item, Value]]
) -> str | None:
    """What is wrong with a chain, if anything: found out when it is made, not when it is needed."""
    if not substitutes:
        return "it has no substitute"
    tiers: list[Tier[Item, Value]] = [*substitutes, *stages]
    known: set[str] = set()
    for tier in tiers:
        if tier.name in known:
            return f"two tiers are named {tier.name!r}"
        if isinstance(tier, OptionalStage) and tier.after not in known:
            return f"{tier.name!r} comes after {tier.after!r}, which is no tier before it"
        if tier.leaves_ms < 0 or (tier.at_most_ms is not None and tier.at_most_ms <= 0):
            return f"the times of {tier.name!r} must be positive"
        known.add(tier.name)
    last = substitutes[-1]
    if last.demotion is not None or last.leaves_ms:
        return f"{last.name!r} is the last: it can't be demoted, and there is nobody to leave time to"
    return None
