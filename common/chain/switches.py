"""Manual switches: an operator forces a tier on or off, or a breaker open or closed, for a while and with a reason.

A switch has an owner, a reason and an end, for the same cause as an override has: nobody remembers. This file needs no
database; `switch_store.py` keeps switches in one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, TypeAlias, cast

from common.calls.breaker import ForcedState

TierPosition: TypeAlias = Literal["on", "off", "auto"]  # on: asked even if it was demoted automatically
Position: TypeAlias = TierPosition | ForcedState
Clock: TypeAlias = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One decision: the target is a tier by its name, or `upstream:NAME`."""

    target: str
    state: Position
    owner: str
    reason: str
    ends_at: datetime

    def as_json(self) -> dict[str, Any]:
        ends_at = self.ends_at.astimezone(UTC).isoformat(timespec="milliseconds")
        return {"state": self.state, "owner": self.owner, "reason": self.reason, "ends_at": ends_at}


class Switchboard:
    """The switches in force, read from memory; `current` is a store's snapshot, or a dict in tests."""

    def __init__(self, current: Callable[[], Mapping[str, Switch]] = dict, *, clock: Clock = utc_now) -> None:
        self._current = current
        self._clock = clock

    def find(self, target: str) -> Switch | None:
        """The switch of a target; one whose end has come is gone at once, refreshed or not."""
        switch = self._current().get(target)
        return switch if switch is not None and self._clock() < switch.ends_at else None

    def position(self, target: str) -> Position:
        return "auto" if (switch := self.find(target)) is None else switch.state


class ForcedBreaker(Protocol):
    """What a switch needs of `common.calls.breaker.Breaker`."""

    @property
    def state(self) -> str: ...

    def force(self, state: ForcedState, *, owner: str, reason: str, ends_at: datetime) -> None: ...

    def release(self) -> None: ...


def upstream_target(name: str) -> str:
    return f"upstream:{name}"


def apply_switch(switches: Switchboard, upstream: str, breaker: ForcedBreaker) -> None:
    """Makes an upstream's breaker obey its switch, if it has one; to be called after each refresh."""
    if (switch := switches.find(upstream_target(upstream))) is None:
        breaker.release()
    else:
        state = cast(ForcedState, switch.state)
        breaker.force(state, owner=switch.owner, reason=switch.reason, ends_at=switch.ends_at)
