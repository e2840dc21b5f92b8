"""`python -m common`: what both services share on the command line."""

from __future__ import annotations

import argparse
import sys

from common.command_line import command, main
from common.daily import commands as daily
from common.erasing import commands as erasing
from common.erasing.whose import SERVICES
from common.incidents import commands as incidents
from common.lifecycle import blue_green_commands as blue_green
from common.lifecycle import commands as lifecycle
from common.openapi import commands as openapi
from common.overrides import commands as overrides
from common.panel import commands as panel
from common.replay import commands as replay
from common.versions import commands as versions


def parser() -> argparse.ArgumentParser:
    """All commands."""
    whole = argparse.ArgumentParser(prog="python -m common", description=__doc__)
    commands = whole.add_subparsers(metavar="COMMAND")
    overrides.add_arguments(commands.add_parser("overrides", help="what people decided over the models' heads"))
    erase = command(commands, "erase", _erase, "forget a person: their id is read from standard input")
    erase.add_argument("service", choices=SERVICES)
    erasing.add_arguments(erase)
    registry = commands.add_parser("registry", help="versions of models, and of everything else that shapes an answer")
    versions.add_arguments(registry)
    lifecycle.add_arguments(commands.add_parser("decommission", help="take a deprecated endpoint away"))
    blue_green.add_arguments(commands.add_parser("blue-green", help="switch to the other set of model processes"))
    incidents.add_arguments(commands.add_parser("alerts", help="what Prometheus and Alertmanager are to be told"))
    panel.add_audit_arguments(commands.add_parser("audit", help="what operators did, and whether that was changed"))
    panel.add_operator_arguments(commands.add_parser("operators", help="who may read, operate or release"))
    daily.add_arguments(commands.add_parser("report", help="what a day came to"))
    replay.add_arguments(commands.add_parser("replay", help="an answer made again, to the same bytes"))
    openapi.add_arguments(commands.add_parser("openapi", help="what the services promise, against what was published"))
    return whole


def _erase(arguments: argparse.Namespace) -> int:
    return erasing.erase(arguments.service, arguments)


if __name__ == "__main__":
    sys.exit(main(parser()))
