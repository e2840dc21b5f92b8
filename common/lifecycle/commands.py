"""`python -m common decommission`: what comes to its end, and the end itself."""

from __future__ import annotations

import argparse
import getpass
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from common.command_line import Failed, between
from common.lifecycle.ending_store import EndingStore, Standing
from common.lifecycle.endings import Ending
from common.lifecycle.usage_store import UsageStore
from common.versions.components import referred


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.set_defaults(run=_run)
    parser.add_argument("name", nargs="?", help="SERVICE/NAME; without it, everything that comes to its end is listed")
    parser.add_argument(
        "--quiet-days", type=between(int, 1, 3_650), default=30, help="how long nobody may have called (default: 30)"
    )
    parser.add_argument("--despite", action="append", default=[], metavar="CALLER", help="a caller who may be hurt")
    parser.add_argument("--who", default=getpass.getuser(), help="default: who is logged in")
    parser.add_argument("--why", help="for those who read the history; needed with a name")
    parser.add_argument("--root", type=Path, default=Path(), help="the checkout (default: here)")


def registers(root: Path) -> dict[str, Sequence[Ending]]:
    """The register of each service: `[tool.murphy.end_of_life]`, service = "package.module:NAME"."""
    try:
        declared = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["murphy"]["end_of_life"]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise Failed(f"{root / 'pyproject.toml'} lists no [tool.murphy.end_of_life]: {error!r}") from error
    return {service: referred(str(reference)) for service, reference in declared.items()}


def _run(arguments: argparse.Namespace) -> int:
    from common.lifecycle.decommission import Decommissioner, StillNeeded
    from common.settings import ServiceSettings
    from common.state.database import open_state

    settings, now = ServiceSettings(), datetime.now(UTC)
    state = open_state(settings)
    known = {
        f"{service}/{ending.name}": (service, ending)
        for service, register in registers(arguments.root).items()
        for ending in register
    }
    if arguments.name is None:
        for name, (service, ending) in known.items():
            standing = EndingStore(state, service).standings(now=now).get(ending.name, Standing())
            used = UsageStore(state, service).used(days=arguments.quiet_days, now=now, endpoint=ending.endpoint)
            callers = ", ".join(sorted({one.caller for one in used})) or "nobody"
            told = f"{ending.endpoint}: {standing.stage}, promised until {ending.sunset.date()}"
            print(f"{name}: {told}, called within {arguments.quiet_days} days by {callers}")
        return 0
    if arguments.name not in known:
        raise Failed(f"there is no {arguments.name!r}; there are: {', '.join(known) or 'none'}")
    if not arguments.why or arguments.quiet_days < 1:
        raise Failed("--why is needed, and --quiet-days of 1 or more")
    service, ending = known[arguments.name]
    work = Decommissioner(
        store=EndingStore(state, service),
        usage=UsageStore(state, service),
        var_dir=settings.var_dir,
        quiet_days=arguments.quiet_days,
    )
    try:
        done = work.decommission(
            ending, who=arguments.who, why=arguments.why, now=now, despite=frozenset(arguments.despite)
        )
    except StillNeeded as needed:
        lines = [f"  {one.caller}: {one.calls} calls, last {one.last_at}" for one in needed.callers]
        raise Failed("\n".join([str(needed), *lines])) from needed
    print("\n".join(done) or "it has come to its end already")
    return 0
