"""`python -m loadtests experiment NAME`: a claim of the safe client or of a service, put to the test."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from types import ModuleType

from loadtests.experiments import (
    bulk,
    canary,
    canary_live,
    erasures,
    heavy,
    photo_adds,
    pool_torture,
    promoter_kills,
    replays,
    rolling,
    shadow,
)

EXPERIMENTS: Mapping[str, tuple[ModuleType, str]] = {
    "pool-torture": (pool_torture, "can deadlines and cancellations wedge the pool of connections?"),
    "shadow": (shadow, "does anybody feel a shadow that never answers?"),
    "bulk": (bulk, "one budget for many items, and what a fault on every tenth request costs"),
    "heavy": (heavy, "is anybody late where sixty callers each ask about a thousand items?"),
    "rolling": (rolling, "does anybody notice the champion going forward and back?"),
    "canary": (canary, "does a canary find what is bad, and let through what is not?"),
    "canary-live": (canary_live, "is a bad challenger, released for real, taken back by itself?"),
    "promoter-kills": (promoter_kills, "is there one champion, whenever whoever promotes is killed?"),
    "replays": (replays, "does every answer of a mixed day come out again, to the same bytes?"),
    "erasures": (erasures, "is anything left of people who are forgotten, and has anybody else lost anything?"),
    "adds": (photo_adds, "do searches feel 200 photos that are added every second, and find them at once?"),
}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """A command for each experiment."""
    command.epilog = "Exit code 1 if the promise did not hold."
    names = command.add_subparsers(metavar="NAME", dest="experiment", required=True)
    for name, (experiment, text) in EXPERIMENTS.items():
        experiment.add_arguments(names.add_parser(name, help=text, description=experiment.__doc__))


def run(arguments: argparse.Namespace) -> int:
    """The one that was asked for."""
    experiment, _ = EXPERIMENTS[arguments.experiment]
    return int(experiment.run(arguments))
