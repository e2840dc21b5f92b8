"""Does a canary find what is bad, and let through what is not?

Made-up challengers are rolled out with made-up traffic, request by request, through the judge and the assignment that
the services use. The promise: each bad one is taken back before it has met a twentieth of the planned traffic, in 95 of
100 rollouts or more, one that is as good is promoted in as many, and no more good ones are taken back than the policy
states, as far as so many runs can tell: all that on traffic of few popular items, some of which always fail.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from statistics import median

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from common.command_line import seed
from common.progress import progress
from common.releases.canary import CanaryPolicy
from loadtests.experiments.canary_traffic import (
    OneCategoryHigh,
    OnePhotographerDown,
    Outcome,
    RerankedAlike,
    Retrained,
    Slow,
    SomeNan,
    Traffic,
    rehearse,
)
from loadtests.experiments.verdict import verdict

POLICY = CanaryPolicy()
BY_QUERY = replace(POLICY, shift=0.1)  # of the reranker, whose orders differ more than forecasts do
AT_MOST_SPENT = 0.05
SHARE_RIGHT = 0.95


@dataclass(frozen=True, slots=True)
class Kind:
    """A challenger, the policy it is judged by, and how its rollout should end."""

    traffic: Callable[[Random], Traffic]
    bad: bool
    policy: CanaryPolicy = POLICY


KINDS: Mapping[str, Kind] = {
    "one category 15 % too high": Kind(OneCategoryHigh, bad=True),
    "one photographer ranked down": Kind(OnePhotographerDown, bad=True, policy=BY_QUERY),
    "3 % of the answers NaN": Kind(SomeNan, bad=True),
    "50 ms slower": Kind(Slow, bad=True),
    "identical": Kind(Traffic, bad=False),
    "retrained, alike": Kind(Retrained, bad=False),
    "reranked, alike": Kind(RerankedAlike, bad=False, policy=BY_QUERY),
}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument(
        "--runs",
        type=int,
        default=100,
        choices=range(1, 10_001),
        metavar="N",
        help="of each kind (default: 100)",
    )
    command.add_argument("--seed", type=seed, default=0, metavar="N", help="of the first run (default: 0)")


def run(arguments: argparse.Namespace) -> int:
    """Plays all of them through and shows; 1 if the promise did not hold."""
    ends: dict[str, list[Outcome]] = {name: [] for name in KINDS}
    with progress("rolling out", len(KINDS) * arguments.runs) as reporter:
        for name, kind in KINDS.items():
            for seed in range(arguments.seed, arguments.seed + arguments.runs):
                ends[name].append(rehearse(kind.traffic, seed=seed, policy=kind.policy))
                reporter.advance()
    return show(ends, Console())


def right(kind: Kind, end: Outcome) -> bool:
    """Whether the rollout ended as it should."""
    return (end.end == "rolled_back" and end.spent < AT_MOST_SPENT) if kind.bad else end.end == "promoted"


def broken(ends: Mapping[str, Sequence[Outcome]]) -> list[str]:
    """A sentence for each part of the promise that was not kept."""
    sentences = []
    for name, kind in KINDS.items():
        good = sum(right(kind, end) for end in ends[name])
        if good < SHARE_RIGHT * len(ends[name]):
            should = f"taken back within {AT_MOST_SPENT:.0%}" if kind.bad else "promoted"
            sentences.append(f"{name}: {good} of {len(ends[name])} were {should}")
        if not kind.bad and (alarms := _alarms(ends[name])) > _most_alarms(kind.policy, len(ends[name])):
            stated = kind.policy.false_alarms
            sentences.append(f"{name}: {alarms} of {len(ends[name])} were taken back, more than {stated:.1%} explains")
    return sentences


def show(ends: Mapping[str, Sequence[Outcome]], console: Console) -> int:
    """A table and the verdict."""
    columns = ("challenger", "taken back", "promoted", "spent, median", "spent, 95 %", "false alarms: stated", "seen")
    table = Table(*columns, box=SIMPLE_HEAD)
    for name, kind in KINDS.items():
        spent = sorted(end.spent for end in ends[name])
        table.add_row(
            name,
            str(_alarms(ends[name])),
            str(sum(end.end == "promoted" for end in ends[name])),
            f"{median(spent):.2%}",
            f"{spent[math.ceil(0.95 * len(spent)) - 1]:.2%}",
            "" if kind.bad else f"at most {kind.policy.false_alarms:.1%}",
            "" if kind.bad else f"{_alarms(ends[name]) / len(spent):.1%}",
        )
    console.print(table)
    return verdict(broken(ends), console)


def _alarms(ends: Sequence[Outcome]) -> int:
    return sum(end.end == "rolled_back" for end in ends)


def _most_alarms(policy: CanaryPolicy, runs: int) -> float:
    """That a rate of `false_alarms` explains: its mean and three standard deviations."""
    rate = policy.false_alarms
    return runs * rate + 3 * math.sqrt(runs * rate * (1 - rate))
