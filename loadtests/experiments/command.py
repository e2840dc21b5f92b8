"""`python -m loadtests experiment NAME`: a claim of the safe client, put to the test."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from types import ModuleType

from loadtests.experiments import bulk, pool_torture, shadow

EXPERIMENTS: Mapping[str, tuple[ModuleType, str]] = {
    "pool-torture": (pool_torture, "can deadlines and cancellations wedge the pool of connections?"),
    "shadow": (shadow, "does anybody feel a shadow that never answers?"),
    "bulk": (bulk, "one budget for many items, and what a fault on every tenth request costs"),
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
