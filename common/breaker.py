"""A circuit breaker: an upstream that keeps failing is left alone, and asked again by one call at a time.

closed (it works) → open (it is not asked) → half open (one call finds out) → closed or open again.
The textbook is M. Nygard, *Release It!*, chapter 5.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from common.errors import BreakerOpen

State = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When to open, and for how long. Settings only; what happened lives in `Breaker`."""

    window_calls: int = 20  # the last calls that are looked at
    min_failures: int = 5
    failure_share: float = 0.5
    open_ms: float = 1_000


class Breaker:
    """The state of one upstream, for one event loop (it is not locked).

    A call runs inside `watch()`. An exception counts as a failure, unless it says that it is `our_fault`: else one
    caller's bad requests could close an upstream to everybody. A cancellation by the caller says nothing about
    the upstream and does not count. Whatever happens, a probe's slot is free again afterwards.
    """

    def __init__(self, policy: BreakerPolicy | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.policy = policy or BreakerPolicy()
        self._clock = clock
        self._failed: deque[bool] = deque(maxlen=self.policy.window_calls)
        self._opened_at_s: float | None = None
        self._probing = False
        self._era = 0  # grows with each change of state: results of an earlier era come too late to count

    @property
    def state(self) -> State:
        if self._opened_at_s is None:
            return "closed"
        waited_ms = (self._clock() - self._opened_at_s) * 1000
        return "half_open" if waited_ms >= self.policy.open_ms else "open"

    @property
    def admits(self) -> bool:
        """Whether a call would be let through now."""
        return self.state == "closed" or (self.state == "half_open" and not self._probing)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Lets the enclosed call through and learns from it; raises `BreakerOpen` instead when it must not be made."""
        era, probe = self._admit()
        try:
            yield
        except Exception as error:
            self._record(era, failed=not getattr(error, "our_fault", False))
            raise
        else:
            self._record(era, failed=False)
        finally:
            if probe and era == self._era:  # neither succeeded nor failed: the caller went away
                self._probing = False

    def _admit(self) -> tuple[int, bool]:
        if not self.admits:
            raise BreakerOpen
        self._probing = self.state == "half_open"
        return self._era, self._probing

    def _record(self, era: int, *, failed: bool) -> None:
        if era != self._era:
            return
        if self._probing:
            self._change(open_=failed)
            return
        self._failed.append(failed)
        failures = sum(self._failed)
        if failures >= self.policy.min_failures and failures >= self.policy.failure_share * len(self._failed):
            self._change(open_=True)

    def _change(self, *, open_: bool) -> None:
        self._era += 1
        self._probing = False
        self._failed.clear()
        self._opened_at_s = self._clock() if open_ else None
