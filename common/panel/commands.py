"""`python -m common audit …` and `python -m common operators …`, over the state database that the settings name."""

from __future__ import annotations

import argparse
import json
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from common.command_line import Failed, between, command, positive_int

if TYPE_CHECKING:  # each command imports what it needs when it runs
    from sqlalchemy import Engine

    from common.panel.audit import AuditLog
    from common.panel.operators import OperatorStore

SCOPE = "command line"  # who wrote an entry, in place of a service


def add_audit_arguments(audit: argparse.ArgumentParser) -> None:
    commands = audit.add_subparsers(metavar="COMMAND", required=True)
    listed = command(commands, "list", _list, "what operators did, newest first, as lines of JSON")
    listed.add_argument("--limit", type=positive_int, default=50, help="at most 100 (default: 50)")
    listed.add_argument("--before", type=positive_int, help="only entries with a lower number")
    export = command(commands, "export", _export, "every entry as it was sealed, oldest first, as lines of JSON")
    export.add_argument(
        "--after", type=between(int, 0, 1_000_000_000), default=0, help="only entries with a higher number"
    )
    verify = command(commands, "verify", _verify, "exit code 1 if an entry was changed, removed or slipped in")
    verify.add_argument(
        "--expect", metavar="DIGEST", help="that the log must still contain, as printed or logged before"
    )


def add_operator_arguments(operators: argparse.ArgumentParser) -> None:
    commands = operators.add_subparsers(metavar="COMMAND", required=True)
    command(commands, "list", _operators, "who there is beside the holder of the admin token")
    add = command(commands, "add", _add, "a new operator; their token is printed once")
    add.add_argument("name")
    add.add_argument("--role", choices=("alert", "read", "operate", "release"), required=True)
    change = command(commands, "change", _change, "another role; their token stays")
    change.add_argument("name")
    change.add_argument("--role", choices=("alert", "read", "operate", "release"), required=True)
    remove = command(commands, "remove", _remove, "their token and their sessions end within a second")
    remove.add_argument("name")


def _list(arguments: argparse.Namespace) -> int:
    for entry in _audit().listed(limit=arguments.limit, before=arguments.before):
        print(json.dumps(entry))
    return 0


def _export(arguments: argparse.Namespace) -> int:
    for entry in _audit().exported(after=arguments.after):
        print(json.dumps(entry))
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    audit = _audit()
    verdict = audit.verify()
    if verdict.broken_at is not None:
        raise Failed(f"entry {verdict.broken_at}: {verdict.problem}; the {verdict.entries} before it are sound")
    if arguments.expect is not None and not audit.contains(arguments.expect):
        if verdict.gone:
            may_be = f"it may be one of those up to number {verdict.gone}"
            raise Failed(f"no entry that is kept has the hash {arguments.expect}; {may_be}")
        raise Failed(f"no entry has the hash {arguments.expect}: the log was written anew")
    gone = f"; those up to number {verdict.gone} are not kept any more" if verdict.gone else ""
    print(f"{verdict.entries} entries are sound, the last one has the hash {verdict.digest}{gone}")
    return 0


def _operators(_arguments: argparse.Namespace) -> int:
    for one in _store().listed():
        print(json.dumps(one))
    return 0


def _add(arguments: argparse.Namespace) -> int:
    with _noted("operators.add", arguments.name, role=arguments.role):
        try:
            token = _store().add(arguments.name, arguments.role, added_by=at_the_shell())
        except ValueError as error:
            raise Failed(str(error)) from error
    print(token)
    return 0


def _change(arguments: argparse.Namespace) -> int:
    with _noted("operators.change", arguments.name, role=arguments.role):
        if not _store().change(arguments.name, arguments.role):
            raise Failed(f"there is no operator named {arguments.name}")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    with _noted("operators.remove", arguments.name):
        if not _store().remove(arguments.name):
            raise Failed(f"there is no operator named {arguments.name}")
    return 0


@contextmanager
def _noted(action: str, target: str, **details: str) -> Iterator[None]:
    """Before it is done, and what came of it; as of a request, 200 or 409."""
    audit, actor = _audit(), at_the_shell()
    number = audit.asked(actor=actor, action=action, target=target, reason="", details=details)
    try:
        yield
    except Failed:
        audit.came_to(number, actor=actor, action=action, status=409, details={})
        raise
    audit.came_to(number, actor=actor, action=action, status=200, details={})


def at_the_shell() -> str:
    """Whose process this is to the system, whatever the environment says; a container's user has no name."""
    user = os.getuid()
    try:
        return f"shell:{pwd.getpwuid(user).pw_name}"
    except KeyError:
        return f"shell:{user}"


def _audit() -> AuditLog:
    from common.panel.audit import AuditLog

    return AuditLog(_state(), SCOPE)


def _store() -> OperatorStore:
    from common.panel.operators import OperatorStore

    return OperatorStore(_state())


def _state() -> Engine:
    from common.settings import ServiceSettings
    from common.state.database import open_state

    return open_state(ServiceSettings())
