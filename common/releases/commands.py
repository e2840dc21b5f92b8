"""`python -m SERVICE release …`: the same steps as over HTTP, for people and for scheduled jobs."""

from __future__ import annotations

import argparse
import getpass
import json
from collections.abc import Callable
from typing import get_args

from rich.console import Console
from rich.table import Table

from common.command_line import Failed, command
from common.releases.desk import Refused, ReleaseDesk
from common.releases.steps import Action, Step, act, shown
from common.releases.store import Conflict
from common.versions.registry import RegistryError

OpenDesk = Callable[[], ReleaseDesk]


def add_arguments(
    parser: argparse.ArgumentParser, open_desk: OpenDesk, *, promoted: Callable[[], object] = int
) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    """Adds `list`, `show` and one command per step; returns the commands, so that a service adds its `propose`.

    Args:
        promoted: what follows once `promote` has worked.
    """
    commands = parser.add_subparsers(metavar="COMMAND")
    parser.set_defaults(run=lambda _: _usage(parser))
    command(commands, "list", lambda _: told(lambda: _list(open_desk())), "how every release stands")
    one = command(commands, "show", lambda a: told(lambda: _show(open_desk(), a.release)), "one release, as JSON")
    one.add_argument("release")
    for action in get_args(Action):
        stepped = command(
            commands,
            action.replace("_", "-"),
            _stepper(open_desk, action, promoted),
            f"{action.replace('_', ' ')} a release",
        )
        stepped.add_argument("release")
        add_who(stepped)
        if action in ("start", "advance", "promote"):
            stepped.add_argument("--insist", help="the reason to do it at a bad moment; it is written down")
    thaw = command(commands, "thaw", lambda a: told(lambda: _thaw(open_desk(), a)), "end the freeze of a component")
    thaw.add_argument("component")
    add_who(thaw)
    return commands


def add_who(parser: argparse.ArgumentParser) -> None:
    """The options that every change asks for."""
    parser.add_argument("--who", default=getpass.getuser(), help="default: who is logged in")
    parser.add_argument("--why", required=True, help="for those who read the history")


def _stepper(
    open_desk: OpenDesk, action: Action, promoted: Callable[[], object]
) -> Callable[[argparse.Namespace], int]:
    def step(arguments: argparse.Namespace) -> int:
        wish = Step(action=action, who=arguments.who, why=arguments.why, insist=getattr(arguments, "insist", None))
        done = told(lambda: _step(open_desk(), arguments.release, wish))
        if action == "promote":
            promoted()
        return done

    return step


def _step(desk: ReleaseDesk, release_id: str, wish: Step) -> int:
    release = act(desk, release_id, wish)
    print(f"{release.component} {release.to_version}: {release.state}, {release.share:.0%} of the traffic")
    return 0


def _list(desk: ReleaseDesk) -> int:
    table = Table("release", "component", "version", "instead of", "state", "share", "proposed")
    for release in desk.store.listed():
        state = f"{release.state}, paused" if release.paused else release.state
        table.add_row(
            release.id,
            release.component,
            release.to_version,
            release.from_version or "nothing",
            state,
            f"{release.share:.0%}",
            release.created_at,
        )
    Console().print(table)
    for component in desk.policies:
        if (why := desk.store.frozen(component)) is not None:
            print(f"{component} is frozen: {why}")
    return 0


def _show(desk: ReleaseDesk, release_id: str) -> int:
    print(json.dumps(shown(desk, release_id), indent=1))
    return 0


def _thaw(desk: ReleaseDesk, arguments: argparse.Namespace) -> int:
    if not desk.thaw(arguments.component, who=arguments.who, why=arguments.why):
        raise Failed(f"{arguments.component} is not frozen")
    print(f"{arguments.component}: releases may begin again")
    return 0


def told(work: Callable[[], int]) -> int:
    """Does it; what the desk or the registry refuses ends the command with a plain reason."""
    try:
        return work()
    except Refused as refused:
        more = "; --insist REASON overrules this" if refused.may_insist else ""
        raise Failed(f"{refused}{more}") from refused
    except (Conflict, RegistryError) as error:
        raise Failed(str(error)) from error


def _usage(parser: argparse.ArgumentParser) -> int:
    parser.print_help()
    return 2
