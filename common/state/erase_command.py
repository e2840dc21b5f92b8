"""`erase`: forget a person. Each service says in `SERVICE.feedback.erasing` how; the person's id is no argument."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

from common.command_line import Failed

WHERE = "{}.feedback.erasing"  # the module whose `erase_person` does it
SERVICES = ("photostock", "supermegaretail")


def add_arguments(erase: argparse.ArgumentParser) -> None:
    """Who decided it, and why: both are kept."""
    erase.add_argument("--owner", required=True, help="who decided it")
    erase.add_argument("--reason", required=True)


def erase(service: str, arguments: argparse.Namespace) -> int:
    """Reads the id from standard input (an argument would stay in the shell's history) and prints what was done."""
    if find_spec(service) is None or find_spec(f"{service}.feedback") is None:
        raise Failed(f"{service} keeps nothing about the people it serves")
    user_id = sys.stdin.readline().strip()
    if not user_id:
        raise Failed("type the person's id, or pipe it in")
    forget: Callable[..., str] = import_module(WHERE.format(service)).erase_person
    try:
        print(forget(user_id, owner=arguments.owner, reason=arguments.reason))
    except ValueError as error:
        raise Failed(str(error)) from error
    return 0
