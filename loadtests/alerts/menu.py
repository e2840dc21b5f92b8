"""Every fault that raises an alert, and at which service it is played."""

from __future__ import annotations

import random
from collections.abc import Sequence

from common.incidents.faults import ALERT_OF
from loadtests.alerts.situations import SITUATIONS
from loadtests.murphy.menu import TRIALS
from loadtests.murphy.trial import Trial

FAULTS: tuple[Trial, ...] = tuple(trial for trial in (*TRIALS, *SITUATIONS) if trial.name in ALERT_OF)


def chosen(only: Sequence[str], skip: Sequence[str] = ()) -> list[Trial]:
    """All, or `only` these, without those; raises `ValueError` for a name that is not among them."""
    names = {trial.name for trial in FAULTS}
    if unknown := sorted({*only, *skip} - names):
        raise ValueError(f"unknown faults {', '.join(unknown)}; there are {', '.join(sorted(names))}")
    return [trial for trial in FAULTS if (not only or trial.name in only) and trial.name not in skip]


def shared_out(
    trials: Sequence[Trial], services: Sequence[str], *, everywhere: bool, seed: int
) -> dict[str, list[Trial]]:
    """The faults of each service: those that can be at either are at one, drawn by `seed`, or `everywhere`."""
    dice = random.Random(seed)  # noqa: S311 - a draw, not cryptography
    lanes: dict[str, list[Trial]] = {service: [] for service in services}
    either = []
    for trial in trials:
        possible = [service for service in services if service in trial.services]
        if len(possible) > 1 and not everywhere:
            either.append(trial)
            continue
        for service in possible:
            lanes[service].append(trial)
    dice.shuffle(either)
    for trial in either:
        min(lanes.values(), key=len).append(trial)
    return {service: [one for one in trials if one in lane] for service, lane in lanes.items()}
