"""`python -m common`: what both services share on the command line."""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime

from common.command_line import Failed, command, main

HEALTH_TIMEOUT_S = 2


def parser() -> argparse.ArgumentParser:
    """The commands; each imports what it needs when it runs."""
    whole = argparse.ArgumentParser(prog="python -m common", description=__doc__)
    commands = whole.add_subparsers(metavar="COMMAND")
    healthy = command(commands, "healthy", _healthy, "exit code 0 if URL answers 200; for health checks of containers")
    healthy.add_argument("url")
    overrides = command(commands, "overrides", _overrides, "list the overrides in force")
    overrides.add_argument("scope", nargs="?", default="supermegaretail", help="whose (default: supermegaretail)")
    command(commands, "registry", _registry, "list every version, check its artifacts, show its aliases")
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


def _registry(_arguments: argparse.Namespace) -> int:
    from common.settings import ServiceSettings
    from common.versions.registry import Registry, RegistryError

    registry, damaged = Registry(ServiceSettings().registry_dir), 0
    for component in registry.components():
        names: dict[str, list[str]] = {}
        for alias, version in registry.aliases(component).items():
            names.setdefault(version, []).append(alias)
        for version in registry.versions(component):
            try:
                registry.load(component, version)
                state = "whole"
            except RegistryError as error:
                state, damaged = str(error), damaged + 1
            print(f"{component:12} {version:8} {', '.join(names.get(version, [])):12} {state}")
    return 1 if damaged else 0


if __name__ == "__main__":
    sys.exit(main(parser()))
