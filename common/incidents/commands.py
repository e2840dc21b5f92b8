"""`python -m common alerts rules|prometheus|alertmanager|table`: prints what the table of alerts comes to."""

from __future__ import annotations

import argparse

from common.command_line import Failed, command
from common.incidents import rules


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A command for each file, and one for the docs."""
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, run, text in (
        ("rules", _rules, "Prometheus' rules"),
        ("prometheus", _prometheus, "Prometheus' settings"),
        ("alertmanager", _alertmanager, "Alertmanager's settings"),
    ):
        made = command(commands, name, run, f"print {text}")
        made.add_argument("--window", default=f"{rules.DEFAULT_WINDOW_S}s", help="of rates (default: %(default)s)")
        if name == "rules":
            made.add_argument("--runbooks", default=rules.RUNBOOKS, metavar="URL", help="where they are served")
        if name == "alertmanager":
            made.add_argument("--pager", default=rules.PAGER, metavar="URL", help="the webhook of what wakes people")
    command(commands, "table", _table, "print which fault raises which alert, as Markdown")


def _window_s(arguments: argparse.Namespace) -> int:
    try:
        return rules.seconds_of(arguments.window)
    except ValueError as error:
        raise Failed(str(error)) from error


def _rules(arguments: argparse.Namespace) -> int:
    print(rules.rules(window_s=_window_s(arguments), runbooks=arguments.runbooks), end="")
    return 0


def _prometheus(arguments: argparse.Namespace) -> int:
    print(rules.prometheus(window_s=_window_s(arguments)), end="")
    return 0


def _alertmanager(arguments: argparse.Namespace) -> int:
    print(rules.alertmanager(window_s=_window_s(arguments), pager=arguments.pager), end="")
    return 0


def _table(_arguments: argparse.Namespace) -> int:
    print(rules.table(), end="")
    return 0
