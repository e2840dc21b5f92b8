"""One fault as it is played: how it is applied to the house, and what may happen meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from loadtests.murphy.house import House

RETAIL, PHOTOS = "supermegaretail", "photostock"

Level = Literal["link", "process", "inside", "load"]

# "degraded": some answer says so; "dead": and no model is said to have served; "full": no more is degraded than usual;
# "any": only the contract counts.
Expected = Literal["any", "full", "degraded", "dead"]


Applied = Callable[["House"], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One fault of the menu.

    Entering `applied` brings the fault on, leaving it heals, whatever happened inside. `refuses` are statuses that are
    right answers too while it lasts, `refuses_writes` such of writes alone; `down` are services whose API is away on
    purpose. Of `shows` one has to be seen at each of `services`: all of its words in a metric that moved; of `logs`,
    events, each in the log of its API.
    """

    name: str
    sentence: str
    level: Level
    applied: Applied
    services: tuple[str, ...] = (RETAIL, PHOTOS)  # those that may notice; the others stay at full quality
    expects: Expected = "any"
    refuses: frozenset[int] = frozenset()
    refuses_writes: frozenset[int] = frozenset()
    down: tuple[str, ...] = ()
    back_within_seconds: float = 5.0
    shows: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    drains: bool = False  # whoever was let in is to be answered: of those who met nobody only the refused are excused
    may_be_late: bool = False  # what waits for a loop that stands still can't be in time
