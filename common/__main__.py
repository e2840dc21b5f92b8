"""`python -m common`: what both services share on the command line."""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime

from common.command_line import Failed, command, main
from common.lifecycle import blue_green_commands as blue_green
from common.lifecycle import commands as lifecycle
from common.openapi import commands as openapi
from common.state import erase_command
from common.versions import commands as versions

HEALTH_TIMEOUT_S = 2


def parser() -> argparse.ArgumentParser:
    """The commands; each imports what it needs when it runs."""
    whole = argparse.ArgumentParser(prog="python -m common", description=__doc__)
    commands = whole.add_subparsers(metavar="COMMAND")
    healthy = command(commands, "healthy", _healthy, "exit code 0 if URL answers 200; for health checks of containers")
    healthy.add_argument("url")
    overrides = command(commands, "overrides", _overrides, "list the overrides in force")
    overrides.add_argument("scope", nargs="?", default="supermegaretail", help="whose (default: supermegaretail)")
    erase = command(commands, "erase", _erase, "forget a person: their id is read from standard input")
    erase.add_argument("service", choices=erase_command.SERVICES)
    erase_command.add_arguments(erase)
    registry = commands.add_parser("registry", help="versions of models, and of everything else that shapes an answer")
    versions.add_arguments(registry)
    lifecycle.add_arguments(commands.add_parser("decommission", help="take a deprecated endpoint away"))
    blue_green.add_arguments(commands.add_parser("blue-green", help="switch to the other set of model processes"))
    openapi.add_arguments(commands.add_parser("openapi", help="what the services promise, against what was published"))
    return whole


def _healthy(arguments: argparse.Namespace) -> int:
    try:
        with urllib.request.urlopen(arguments.url, timeout=HEALTH_TIMEOUT_S) as response:  # noqa: S310  given by the operator
            return 0 if response.status == 200 else 1
    except (urllib.error.URLError, OSError) as error:
        raise Failed(f"{arguments.url}: {error}") from error


def _overrides(arguments: argparse.Namespace) -> int:
    from common.settings import ServiceSettings
    from common.state.database import open_state
    from common.state.overrides import OverrideStore

    store = OverrideStore(open_state(ServiceSettings()), arguments.scope)
    for override in store.active(now=datetime.now(UTC)).values():
        print(json.dumps(override.as_json()))
    return 0


def _erase(arguments: argparse.Namespace) -> int:
    return erase_command.erase(arguments.service, arguments)


if __name__ == "__main__":
    sys.exit(main(parser()))
