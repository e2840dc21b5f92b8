"""A circuit breaker: an upstream that keeps failing is left alone, and asked again by one call at a time.

closed (it works) → open (it is not asked) → half open (one call finds out) → closed or open again.
The textbook is M. Nygard, *Release It!*, chapter 5.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from common.errors import BreakerOpen, CallFailed

State = Literal["closed", "open", "half_open"]
ForcedState = Literal["open", "closed", "observe"]

# What the window remembers of a call: that it was good, that it broke, or, if it expired, the milliseconds that it had.
GOOD, BROKEN = 0.0, math.inf

MUCH_MORE_TIME = 2  # times the longest budget of those who opened it


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When to open, and for how long. Settings only; what happened lives in `Breaker`."""

    window_calls: int = 20  # the last calls that are looked at
    min_failures: int = 5
    failure_share: float = 0.5
    slow_ms: float = math.inf  # a good answer that took longer counts as a failure; in time is good enough by default
    open_ms: float = 1_000


@dataclass(frozen=True, slots=True)
class Forced:
    """A person's decision over the breaker's head, which ends by itself.

    "open": nobody is let through. "closed": everybody is. "observe": everybody is, and what the breaker would do
    shows in its `state`.
    """

    state: ForcedState
    owner: str
    reason: str
    ends_at: datetime


class Admission:
    """One call that was let through: what the breaker must know of it when it ends."""

    __slots__ = ("era", "probe", "started_s")

    def __init__(self, *, era: int, probe: bool, started_s: float) -> None:
        self.era = era
        self.probe = probe
        self.started_s = started_s


class Breaker:
    """The state of one upstream, for one event loop (it is not locked).

    A call runs inside `watch()`, and what it raises decides:

    - an exception is a failure, unless it says `our_fault`: one caller's bad requests must not close it to all;
    - one that says `expired` is a failure, unless the caller was in a hurry and the upstream answers others, see
      `_is_fair`; a breaker that was opened by callers in a hurry lets one who has much more time find out at once;
    - a cancellation by the caller says nothing about the upstream.

    Whatever happens, a probe's slot is free again afterwards, and results from before the last change of state come
    too late to count.
    """

    USUAL_WEIGHT = 0.2  # of the newest answer in the usual time of an answer
    RECENT_MS = 2_000

    def __init__(
        self,
        policy: BreakerPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.policy = policy or BreakerPolicy()
        self._clock = clock
        self._now = now
        self._forced: Forced | None = None
        self._window: deque[float] = deque(maxlen=self.policy.window_calls)
        self._opened_at_s: float | None = None
        self._opened_by_ms = math.inf  # the longest budget of those who opened it
        self._probing = False
        self._era = 0  # grows with each change of state
        self._usual_ms = 0.0
        self._answered_at_s = float("-inf")

    @property
    def state(self) -> State:
        """What the breaker itself thinks; `forced` may overrule it."""
        if self._opened_at_s is None:
            return "closed"
        waited_ms = (self._clock() - self._opened_at_s) * 1000
        return "half_open" if waited_ms >= self.policy.open_ms else "open"

    @property
    def forced(self) -> Forced | None:
        """The decision of a person that is in force now."""
        forced = self._forced  # read once: another thread may replace it
        return None if forced is None or self._now() >= forced.ends_at else forced

    def admits(self, budget_ms: float = math.inf) -> bool:
        """Whether a call that has so much time would be let through now."""
        if (forced := self.forced) is not None:
            return forced.state != "open"
        return self._opened_at_s is None or self._may_probe(budget_ms)

    def force(self, state: ForcedState, *, owner: str, reason: str, ends_at: datetime) -> None:
        """Overrules the breaker until `ends_at`, or until `release`; `ValueError` for an end without a time zone."""
        if ends_at.tzinfo is None:
            raise ValueError("ends_at needs a time zone, for example datetime.now(UTC) + timedelta(hours=1)")
        if state not in get_args(ForcedState):
            raise ValueError(f"a breaker can be forced {' or '.join(get_args(ForcedState))}, not {state!r}")
        self._forced = Forced(state, owner, reason, ends_at)

    def release(self) -> None:
        """The breaker decides by itself again."""
        self._forced = None

    @contextmanager
    def watch(self, budget_ms: float = math.inf, *, hurried: bool = True) -> Iterator[Admission]:
        """Lets the enclosed call through and learns from it; raises `BreakerOpen` instead when it must not be made.

        `budget_ms` is the time that the call has; `hurried` says that this is less than its client would usually wait.
        """
        admission = self._admit(budget_ms)
        try:
            yield admission
        except Exception as error:
            if (ending := self._ending(error, budget_ms, hurried=hurried)) is not None:
                self._record(admission, ending)
            raise
        else:
            self._record(admission, BROKEN if self._took(admission) > self.policy.slow_ms else GOOD)
        finally:
            if admission.probe and admission.era == self._era:  # it neither succeeded nor failed
                self._probing = False

    def forget_probe(self) -> None:
        """For a new event loop or a forked process: whoever probed is gone, and will not tell."""
        self._era += 1
        self._probing = False

    def _admit(self, budget_ms: float) -> Admission:
        if not self.admits(budget_ms):
            raise BreakerOpen
        probe = self._opened_at_s is not None and self._may_probe(budget_ms)
        self._probing = self._probing or probe
        return Admission(era=self._era, probe=probe, started_s=self._clock())

    def _may_probe(self, budget_ms: float) -> bool:
        has_more_time = MUCH_MORE_TIME * self._opened_by_ms <= budget_ms < math.inf
        return not self._probing and (has_more_time or self.state == "half_open")

    def _ending(self, error: Exception, budget_ms: float, *, hurried: bool) -> float | None:
        """What a call that raised says about the upstream; None if it says nothing."""
        if not isinstance(error, CallFailed):
            return BROKEN
        if error.our_fault:
            return GOOD
        if not error.expired:
            return BROKEN
        return budget_ms if not hurried or self._is_fair(budget_ms) else None

    def _is_fair(self, budget_ms: float) -> bool:
        """An upstream that answers, usually in 30 ms, is not unwell because somebody had only 5 ms left for it."""
        silent_ms = (self._clock() - self._answered_at_s) * 1000
        return silent_ms > self.RECENT_MS or budget_ms >= 1.5 * self._usual_ms

    def _took(self, admission: Admission) -> float:
        """Milliseconds that a good answer took; they shape the usual time."""
        took_ms = (self._clock() - admission.started_s) * 1000
        self._usual_ms += (took_ms - self._usual_ms) * (self.USUAL_WEIGHT if self._usual_ms else 1)
        self._answered_at_s = self._clock()
        return took_ms

    def _record(self, admission: Admission, ending: float) -> None:
        if admission.era != self._era or (self._opened_at_s is not None and not admission.probe):
            return
        self._window.append(ending)
        failures = [past for past in self._window if past != GOOD]
        many = len(failures) >= self.policy.min_failures
        if admission.probe or (many and len(failures) >= self.policy.failure_share * len(self._window)):
            self._change(failures)

    def _change(self, failures: Sequence[float]) -> None:
        """Opens because of `failures`, or closes if there are none."""
        expired = [failure for failure in failures if failure != BROKEN]
        self._era += 1
        self._probing = False
        self._window.clear()
        self._opened_at_s = self._clock() if failures else None
        self._opened_by_ms = max(expired) if len(expired) > len(failures) / 2 else math.inf
