"""`python -m common overrides`: list, add, withdraw, report; straight in the state database."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from pydantic import ValidationError

from common.command_line import Failed, command

SERVICES = ("supermegaretail", "photostock")
WHERE = "{}.override_rules"  # the module whose `for_commands` tells what its overrides are about


def add_arguments(overrides: argparse.ArgumentParser) -> None:
    """The commands; each about one service."""
    commands = overrides.add_subparsers(metavar="COMMAND", required=True)
    told: tuple[tuple[str, Callable[[argparse.Namespace], int], str], ...] = (
        ("list", _list, "those in force, a JSON object on each line"),
        ("report", _report, "those that need a look, and why"),
        ("add", _add, "one more, as FIELD=VALUE …; what else one needs is told"),
        ("withdraw", _withdraw, "end one before its time"),
    )
    for name, run, text in told:
        one = command(commands, name, partial(_run, run), text)
        one.add_argument("--service", choices=SERVICES, default=SERVICES[0], help="default: %(default)s")
        if name == "add":
            one.add_argument("fields", nargs="+", metavar="FIELD=VALUE", help="value=1.5, reason='street party'")
        if name == "withdraw":
            one.add_argument("id")
            one.add_argument("--reason", required=True, help="why; it is kept with the override")


def _run(run: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """As whoever typed it."""
    from sqlalchemy.exc import SQLAlchemyError

    from common.panel.commands import at_the_shell
    from common.panel.owner import acting

    try:
        with acting(at_the_shell()):
            return run(arguments)
    except SQLAlchemyError as error:
        raise Failed(f"the state database can't take it: {getattr(error, 'orig', error)}") from error


def _list(arguments: argparse.Namespace) -> int:
    for story in _desk(arguments.service).stories():
        print(json.dumps(story))
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from common.overrides.agreements import sentence
    from common.overrides.report import AGREES

    report = _desk(arguments.service).report()
    print(f"{report['in_force']} in force, {len(report['overrides'])} need a look")
    for one in report["overrides"]:
        why = ", ".join(one["concerns"])
        print(f"{one['id']}  {one['sentence']}, by {one['owner']} until {one['ends_at'][:10]}: {why}")
        if AGREES in one["concerns"]:
            print(f"  {sentence(one['agreement'])}")
    return 0


def _add(arguments: argparse.Namespace) -> int:
    from common.service.problems import Problem

    desk, (model, _) = _desk(arguments.service), _rules(arguments.service)
    pairs = [field.partition("=") for field in arguments.fields]
    try:
        wish = model.model_validate_strings({name: text for name, _, text in pairs}, strict=False)
    except ValidationError as error:
        told = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False))
        raise Failed("; ".join(told)) from error
    try:
        made = desk.add(wish)
    except Problem as problem:
        raise Failed(problem.detail) from problem
    print(json.dumps(desk.shown(made)))
    _record(arguments.service, desk, "override.added", made.id, made.reason)
    return 0


def _withdraw(arguments: argparse.Namespace) -> int:
    from common.service.problems import Problem

    desk = _desk(arguments.service)
    try:
        desk.withdraw(arguments.id, why=arguments.reason)
    except Problem as problem:
        raise Failed(problem.detail) from problem
    _record(arguments.service, desk, "override.withdrawn", arguments.id, arguments.reason)
    return 0


def _rules(service: str) -> tuple[Any, Any]:
    if find_spec(service) is None:
        raise Failed(f"{service} is not installed")
    told: tuple[Any, Any] = import_module(WHERE.format(service)).for_commands()
    return told


def _desk(service: str) -> Any:
    from common.logs.configure import configure_logs
    from common.overrides.desk import OverrideDesk
    from common.overrides.live import LiveOverrides
    from common.overrides.uses import OverrideUses
    from common.settings import ServiceSettings
    from common.state.database import open_state
    from common.state.overrides import OverrideStore

    configure_logs()  # to standard error: what is asked for goes to standard output
    store = OverrideStore(open_state(ServiceSettings()), service)
    live = LiveOverrides(store, list)
    live.refresh()
    if live.trouble is not None:
        raise Failed(f"the overrides {live.trouble}")
    uses = OverrideUses(store)
    uses.read()
    return OverrideDesk(live, uses, _rules(service)[1])


def _record(service: str, desk: Any, action: str, override_id: str, reason: str) -> None:
    from sqlalchemy.exc import SQLAlchemyError

    from common.panel.audit import AuditLog
    from common.panel.owner import actor_name

    try:
        AuditLog(desk.live.store.engine, service).record(
            actor=actor_name(), action=action, target=override_id, reason=reason
        )
    except SQLAlchemyError as error:
        raise Failed("it is done, but the state database took no line about it for the audit log") from error
