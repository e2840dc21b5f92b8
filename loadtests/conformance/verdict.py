"""What was measured of one call, and whether a caller could live with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadtests.conformance.faults import HEALTHY

Ended = Literal["right", "default", "told", "wrong", "raised", "never", "unfit"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a caller can live with."""

    timeout_ms: int = 200  # what every client is told
    grace_ms: float = 20
    growth_mb: float = 5
    stall_ms: float = 10
    cap_ms: int = 3_000  # after this it never came back

    @property
    def back_within_ms(self) -> float:
        return self.timeout_ms + self.grace_ms


@dataclass(frozen=True, slots=True)
class Measured:
    """One call, seen from the process that made it.

    `ended`: the right value, a default, "told" (a failure, told without raising), a wrong value as if it were right, an
    exception, never; or "unfit", when the client does not even work with a healthy server. `detail`: which exception,
    what is wrong. `growth_mb` and `stall_ms` are None when the process could not report any more.
    """

    ended: Ended
    detail: str = ""
    elapsed_ms: float = 0.0
    growth_mb: float | None = None
    stall_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One client under one fault; `tries` says how often it was measured until the machine did not disturb."""

    client: str
    fault: str
    measured: Measured
    tries: int = 1

    def complaints(self, limits: Limits) -> tuple[str, ...]:
        """Everything that a caller could not live with; none means that the client is usable under this fault."""
        measured = self.measured
        if measured.ended == "never":
            return (f"not back after {limits.cap_ms} ms",)
        if measured.ended == "unfit":
            return (f"fails without any fault: {measured.detail}",)
        told = {
            "raised": f"raised {measured.detail}",
            "wrong": f"wrong value as success: {measured.detail}",
        }.get(measured.ended, "")
        if self.fault == HEALTHY.name and measured.ended != "right":
            told = told or f"no value from a healthy server: {measured.ended}"
        late = measured.elapsed_ms > limits.back_within_ms
        return tuple(
            complaint
            for complaint in (
                told,
                f"back after {measured.elapsed_ms:.0f} ms" if late else "",
                f"+{measured.growth_mb:.0f} MB" if (measured.growth_mb or 0) >= limits.growth_mb else "",
                f"loop stalled {measured.stall_ms:.0f} ms" if (measured.stall_ms or 0) >= limits.stall_ms else "",
            )
            if complaint
        )

    def usable(self, limits: Limits) -> bool:
        return not self.complaints(limits)

    def may_be_noise(self, limits: Limits) -> bool:
        """Whether time is all that is wrong: another process of this machine can do that, once or twice."""
        measured, big = self.measured, (self.measured.growth_mb or 0) >= limits.growth_mb
        return measured.ended in {"right", "default", "told"} and not big and not self.usable(limits)
