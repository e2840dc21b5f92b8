"""Few lines of the same kind per second, and the truth about how many there were.

In an outage each request has the same to say. The first lines of each second are written, the first of them with its
traceback, and the next one that is written carries `suppressed`: how many were not.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from common.logs.lines import error_of

LINES_PER_S = 10
MAX_KINDS = 256
WINDOW_S = 1.0
NEVER_SAMPLED = frozenset({"debug", "info"})  # unless they bring a traceback
KIND_FIELDS = ("upstream", "tier", "reason", "component", "snapshot", "place")  # each has few values


@dataclass(frozen=True, slots=True)
class Burst:
    """Lines of one kind that were not written, and that no later line has told of."""

    fields: dict[str, str]
    suppressed: int


@dataclass(slots=True)
class _Window:
    """What happened to one kind in the second that began at `began_s`."""

    began_s: float
    fields: dict[str, str] = field(default_factory=dict)
    written: int = 0
    untold: int = 0  # suppressed and not told yet; survives the window


class Sampling:
    """A structlog processor for the head of the chain, before anything costly is done for a line."""

    def __init__(
        self,
        *,
        lines_per_s: int = LINES_PER_S,
        max_kinds: int = MAX_KINDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lines_per_s = lines_per_s
        self._max_kinds = max_kinds
        self._clock = clock
        self._begin()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin)

    def __call__(self, _logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        error = error_of(event.get("exc_info"))
        if error is None and method in NEVER_SAMPLED:
            return event
        # What a library says differs from line to line; where it says it does not.
        fields = {"of": _name(event.get("logger") if "place" in event else event.get("event")), "of_level": method}
        fields |= {name: _name(event[name]) for name in KIND_FIELDS if event.get(name) is not None}
        if error is not None:
            fields["exception_type"] = type(error).__name__
        with self._lock:
            window = self._window(fields)
            if window.written >= self._lines_per_s:
                window.untold += 1
                self.suppressed += 1
                raise structlog.DropEvent
            window.written += 1
            first, untold, window.untold = window.written == 1, window.untold, 0
        if untold:
            event["suppressed"] = untold
        if error is not None and not first:
            del event["exc_info"]
            event["exception_type"] = type(error).__name__
        return event

    def bursts(self, *, at_end: bool = False) -> list[Burst]:
        """The bursts that are over, each told once; `at_end` those that are not over as well."""
        with self._lock:
            until_s = self._clock() - 2 * WINDOW_S  # a second in which its next line may still tell
            told = []
            for window in [*self._windows.values(), self._others]:
                if window.untold and (at_end or window.began_s <= until_s):
                    told.append(Burst(window.fields or {"of": "various"}, window.untold))
                    window.untold = 0
            return told

    def _begin(self) -> None:
        """Also in the child of a fork: whoever held the lock is not there, and the parent tells its own losses."""
        self.suppressed = 0
        self._windows: OrderedDict[Hashable, _Window] = OrderedDict()
        self._others = _Window(self._clock())  # all kinds that come when too many are busy
        self._lock = threading.RLock()  # a finaliser may log while this very thread is in here

    def _window(self, fields: dict[str, str]) -> _Window:
        """The present window of a kind; there are never more than `max_kinds`."""
        kind, now_s = tuple(fields.items()), self._clock()
        window = self._windows.get(kind)
        if window is None:
            window = self._admit(kind, fields, now_s)
        elif now_s - window.began_s >= WINDOW_S:
            self._windows.move_to_end(kind)
        if now_s - window.began_s >= WINDOW_S:
            window.began_s, window.written = now_s, 0
        return window

    def _admit(self, kind: Hashable, fields: dict[str, str], now_s: float) -> _Window:
        if len(self._windows) >= self._max_kinds:
            oldest = next(iter(self._windows.values()))
            if now_s - oldest.began_s < WINDOW_S:  # all of them are busy: names that should have few values have many
                return self._others
            self._windows.popitem(last=False)
            self._others.untold += oldest.untold
        window = self._windows[kind] = _Window(now_s, fields)
        return window


def _name(value: Any) -> str:
    """A short text to tell kinds apart by; never runs code of the value's own."""
    if type(value) is str:
        return value[:100]
    return str.__str__(value)[:100] if isinstance(value, str) else type(value).__name__
