"""`python -m supermegaretail release auto`, for a scheduled job and for a person who watches it."""

from __future__ import annotations

import argparse
from pathlib import Path

from common.command_line import between, command, positive_int, seed
from common.releases.commands import OpenDesk

LONGEST_WAIT_HOURS = 24.0


def add_auto(commands: argparse._SubParsersAction[argparse.ArgumentParser], open_desk: OpenDesk) -> None:
    """Adds `auto` to the commands of `release`."""
    auto = command(
        commands,
        "auto",
        lambda arguments: _run(arguments, open_desk),
        "retrain, judge, and roll out; freeze when anything looks wrong",
    )
    auto.add_argument("--seed", type=seed, default=1)
    auto.add_argument("--threads", type=int, default=2, choices=range(1, 65), metavar="N", help="default: 2")
    auto.add_argument(
        "--rows", type=positive_int, help="examples to learn from (default: by the length of the history)"
    )
    auto.add_argument("--dry-run", action="store_true", help="judge only: publish, propose and freeze nothing")
    auto.add_argument("--json", type=Path, metavar="FILE", help="where to write the report, too")
    auto.add_argument("--wait", action="store_true", help="follow the rollout to its end")
    auto.add_argument(
        "--wait-hours", type=between(float, 0, 720), default=LONGEST_WAIT_HOURS, help="at most (default: 24)"
    )


def _run(arguments: argparse.Namespace, open_desk: OpenDesk) -> int:
    from supermegaretail.releasing.job import run

    return run(arguments, open_desk)
