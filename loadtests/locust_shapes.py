"""Load shapes for Locust: how many users there are when. `--shape NAME` chooses, `--users` is the usual number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from locust import LoadTestShape

AT_ONCE = 1_000.0  # users per second


def steady(_share: float) -> float:
    """The usual number, all the time."""
    return 1.0


def ramp(share: float) -> float:
    """From nobody to three times the usual number."""
    return 3 * share


def spike(share: float) -> float:
    """Ten times the usual number for a tenth of the time, in the middle."""
    return 10.0 if 0.45 <= share < 0.55 else 1.0


def soak(share: float) -> float:
    """Twice the usual number, slowly up and slowly down."""
    return 2 * min(1.0, 10 * share, max(0.1, 10 * (1 - share)))


def herd(share: float) -> float:
    """Nobody for the middle third, as in an outage; then everybody at once, three times as many."""
    return 1.0 if share < 1 / 3 else 0.0 if share < 2 / 3 else 3.0


SHAPES: Mapping[str, Callable[[float], float]] = {
    "steady": steady,
    "ramp": ramp,
    "spike": spike,
    "soak": soak,
    "herd": herd,
}


class ChosenShape(LoadTestShape):  # type: ignore[misc]  # locust is not typed
    """The shape of `--shape`, over `--shape-seconds`."""

    def tick(self) -> tuple[int, float] | None:
        """Users, and how many more or fewer per second; None at the end."""
        options: Any = self.runner.environment.parsed_options
        share = self.get_run_time() / options.shape_seconds
        if share >= 1:
            return None
        return round(options.num_users * SHAPES[options.shape](share)), AT_ONCE
