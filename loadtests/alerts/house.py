"""A house at which a Prometheus looks: one service of its own state, and a book of what was taken away on purpose."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common.incidents.alerts import LONG_WINDOWS
from loadtests.alerts.watching import Shown, Target, Watching
from loadtests.murphy.house import House
from loadtests.murphy.trial import PHOTOS, RETAIL
from loadtests.processes import Fleet, Program
from loadtests.services import Service

REMEMBERED = 64  # starts
RESTARTS = 3  # starts of one process in the long window: ProcessRestarts is right then
AFTERMATH_S = 8.0  # until one that is back is asked again, and its alert is gone
TOLD_BY = {"api": ("ApiDown",), "model": ("ModelDown", "ModelUnreachable")}  # of one that is gone


@dataclass(slots=True)
class Comings:
    """When one process was started and killed here; seconds, monotonic."""

    starts: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    gone_since: float | None = None
    back_at: float = float("-inf")


class WatchedHouse(House):
    """May have one of the two services alone; `true_of_us` are the alerts that tell of what was done here."""

    rush_times = 60.0  # one service at a time has more of the machine for itself, and 20 times may be no overload

    def __init__(
        self, services: Sequence[Service], *, var_dir: Path, fleet: Fleet, watching: Watching, window_s: int
    ) -> None:
        super().__init__(services, var_dir=var_dir, fleet=fleet)
        self.watching = watching
        self._long_s = window_s * LONG_WINDOWS
        self._aftermath_s = window_s + AFTERMATH_S  # a share looks back over the window
        self._comings = {target: Comings() for target in targets_of(services)}

    async def link(self, fault: str | None, services: Sequence[str] = (RETAIL, PHOTOS)) -> None:
        """Between those of these services that there are and their models."""
        await super().link(fault, [name for name in services if name in self.services])

    async def start(
        self,
        *programs: Program,
        environment: Mapping[str, str] | None = None,
        path: str = "/ready",
        wholly: bool = True,
    ) -> None:
        for target in self._targets(programs):
            self._comings[target].starts.append(time.monotonic())
        await super().start(*programs, environment=environment, path=path, wholly=wholly)
        for target in self._targets(programs):
            self._comings[target].gone_since, self._comings[target].back_at = None, time.monotonic()

    async def kill(self, *programs: Program) -> None:
        for target in self._targets(programs):
            self._comings[target].gone_since = time.monotonic()
        await super().kill(*programs)

    def times_now(self) -> float:
        """How many times the steady load is sent now."""
        return self.times

    def true_of_us(self) -> Shown:
        """Of processes that were killed here and are not back for long, and of those that were often started."""
        now = time.monotonic()
        told = set[tuple[str, str]]()
        for (service, role), comings in self._comings.items():
            if comings.gone_since is not None or now - comings.back_at < self._aftermath_s:
                told.update((service, alert) for alert in TOLD_BY[role])
            if sum(at > now - self._long_s - AFTERMATH_S for at in comings.starts) >= RESTARTS:
                told.add((service, "ProcessRestarts"))
        return frozenset(told)

    def _targets(self, programs: Sequence[Program]) -> list[Target]:
        names = {program.name for program in programs}
        return [
            (name, role)
            for name, service in self.services.items()
            for role, program in (("api", service.api), ("model", service.moved_model))
            if program.name in names
        ]


def targets_of(services: Sequence[Service]) -> dict[Target, list[str]]:
    """Whom Prometheus asks: the models themselves, not the proxies before them."""
    return {
        (service.name, role): [f"127.0.0.1:{program.port}"]
        for service in services
        for role, program in (("api", service.api), ("model", service.moved_model))
    }
