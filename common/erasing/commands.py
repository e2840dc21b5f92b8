"""`erase`: forget people. Each service says in `SERVICE.erasing` how; ids are read from standard input, one a line."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING

import structlog

from common.command_line import Failed
from common.state.erasures import names

if TYPE_CHECKING:
    from common.erasing.work import Erasing

MOST_PEOPLE = 1_000  # at a time


def add_arguments(erase: argparse.ArgumentParser) -> None:
    """Who decided it, and why: both are kept."""
    erase.add_argument("--owner", help="who decided it")
    erase.add_argument("--reason")
    erase.add_argument("--pending", action="store_true", help="list erasures that were interrupted, and erase nobody")
    erase.add_argument("--certificate", action="store_true", help="print the certificates as lines of JSON")


def erase(service: str, arguments: argparse.Namespace) -> int:
    """An id as an argument would stay in the shell's history. Exit code 1 if anything remains."""
    if not arguments.pending and not (arguments.owner and arguments.reason):
        raise Failed("--owner and --reason are needed: they are kept")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # certificates may be piped on
    erasing: Erasing = import_module(f"{service}.erasing").open_erasing()
    if arguments.pending:
        for one in erasing.pending():
            print(f"{one.person} begun {one.begun_at} by {one.owner}: give the id again to go on")
        return 0
    return erase_typed(erasing, arguments)


def erase_typed(erasing: Erasing, arguments: argparse.Namespace) -> int:
    """Everybody on standard input or, where anything is wrong with the list, nobody."""
    typed = (line.strip() for line in sys.stdin)
    user_ids = list(islice(dict.fromkeys(filter(None, typed)), MOST_PEOPLE + 1))
    if not user_ids:
        raise Failed("type the person's id, or pipe it in")
    if len(user_ids) > MOST_PEOPLE:
        raise Failed(f"at most {MOST_PEOPLE:,} people at a time: nobody was erased")
    if any(names(arguments.reason, user_id) for user_id in user_ids):
        raise Failed("the reason must not name any of these people, for it is kept: nobody was erased")
    for user_id in user_ids:
        begun = erasing.begin(user_id, owner=arguments.owner, reason=arguments.reason)
        counted = f"{begun.events:,} events erased, {begun.events_in_all:,} in all"
        print(f"{counted}; kept as proof: {begun.certificate.person}")
    certificates = erasing.finish(user_ids)
    for one in certificates:
        told = ", ".join(f"{name}: {count:,}" for name, count in sorted(one.removed.items())) or "nothing"
        print(json.dumps(one.as_json()) if arguments.certificate else f"{one.person[:16]} {one.state}; removed {told}")
    return 0 if all(one.state == "finished" for one in certificates) else 1
