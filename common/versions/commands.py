"""`python -m common registry`: what is published, what stands for what, and what moved without a version."""

from __future__ import annotations

import argparse
import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from common.command_line import Failed, between, command, positive_int
from common.releases.store import OPEN, ReleaseStore
from common.replay.store import versions_needed
from common.settings import ServiceSettings
from common.state.database import STATE_FILE, open_state
from common.versions import lock
from common.versions.collecting import GarbagePolicy, collect, garbage
from common.versions.components import Component, ComponentsError, components_of, loader_of
from common.versions.manifest import RegistryError
from common.versions.registry import CHAMPION, Registry

WIDE = 1_000  # columns, where there is no terminal: one line for each row, so that it can be searched


def add_arguments(registry: argparse.ArgumentParser) -> None:
    """The commands; without one, `list`."""
    registry.epilog = "Exit codes: 0 done, 1 failed or something was found, 2 wrong usage."
    registry.set_defaults(run=_told(_list))
    commands = registry.add_subparsers(metavar="COMMAND")
    command(commands, "list", _told(_list), "every version: whole or not, and which aliases stand for it")
    show = command(commands, "show", _told(_show), "the manifest of a version")
    show.add_argument("component")
    show.add_argument("version", nargs="?", default=CHAMPION, help="a version or an alias (default: champion)")
    history = command(commands, "history", _told(_history), "who moved an alias, when and why")
    history.add_argument("component")
    history.add_argument("alias", nargs="?", default=CHAMPION)
    promote = command(commands, "promote", _told(_promote), "move an alias to a version that passes its checksums")
    promote.add_argument("component")
    promote.add_argument("version")
    promote.add_argument("--alias", default=CHAMPION, help="which (default: champion)")
    rollback = command(commands, "rollback", _told(_rollback), "move an alias back to what it stood for before")
    rollback.add_argument("component")
    rollback.add_argument("--alias", default=CHAMPION, help="which (default: champion)")
    promote.add_argument(
        "--despite", metavar="REASON", help="make champion what has a release, past its review and its canary, and why"
    )
    for moving in (promote, rollback):
        moving.add_argument("--who", help="for the history (default: your user name)")
        moving.add_argument("--why", default="", help="for the history")
    gc = command(commands, "gc", _told(_gc), "remove versions that nothing needs")
    gc.add_argument("--keep", type=positive_int, default=GarbagePolicy().keep, metavar="N", help="newest (default: 3)")
    gc.add_argument(
        "--unused-days",
        type=between(float, 0, 36_500),
        default=GarbagePolicy().unused_days,
        metavar="N",
        help="since it was published or last used (default: %(default)g)",
    )
    gc.add_argument("--dry-run", action="store_true", help="only tell what would go")
    verify = command(commands, "verify", _told(_verify), "find what moved without a new version, here and in VAR_DIR")
    record = command(commands, "record", _told(_record), f"write {lock.LOCK_FILE}: what every component is now")
    record.add_argument("--despite", metavar="REASON", help="record what moved without a new version, and why")
    for checking in (verify, record):
        checking.add_argument("--root", type=Path, default=Path(), help="the checkout (default: this directory)")


def _told(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    def plainly(arguments: argparse.Namespace) -> int:
        try:
            return run(arguments)
        except (RegistryError, ComponentsError, OSError, SQLAlchemyError) as error:
            raise Failed(str(error)) from error

    return plainly


def _registry() -> Registry:
    return Registry(ServiceSettings().registry_dir)


def _releases() -> ReleaseStore | None:
    """None where no service has kept its state yet."""
    settings = ServiceSettings()
    kept = settings.database_url is not None or (settings.var_dir / STATE_FILE).is_file()
    return ReleaseStore(open_state(settings)) if kept else None


def _has_releases(component: str) -> bool:
    releases = _releases()
    return releases is not None and bool(releases.listed(component))


def _in_open_releases() -> dict[str, set[str]]:
    releases, needed = _releases(), dict[str, set[str]]()
    for release in releases.listed(states=OPEN) if releases is not None else ():
        needed.setdefault(release.component, set()).update(filter(None, (release.from_version, release.to_version)))
    return needed


def _list(_arguments: argparse.Namespace) -> int:
    registry, damaged = _registry(), 0
    table = Table("component", "version", "aliases", "state", box=SIMPLE_HEAD)
    for component in registry.components():
        names: dict[str, list[str]] = {}
        for alias, version in registry.aliases(component).items():
            names.setdefault(version, []).append(alias)
        for version in registry.versions(component):
            state = _state(registry, component, version)
            damaged += state != "whole"
            table.add_row(component, version, ", ".join(names.get(version, [])), state)
    _console().print(table)
    return 1 if damaged else 0


def _show(arguments: argparse.Namespace) -> int:
    manifest = _registry().manifest(arguments.component, arguments.version)
    print(json.dumps(manifest.model_dump(), indent=1, ensure_ascii=False))
    return 0


def _history(arguments: argparse.Namespace) -> int:
    table = Table("when", "who", "from", "to", "how", "why", box=SIMPLE_HEAD)
    for move in _registry().history(arguments.component, arguments.alias):
        table.add_row(move.at, move.who, move.was or "", move.version, move.kind, move.why)
    _console().print(table)
    return 0


def _promote(arguments: argparse.Namespace) -> int:
    registry = _registry()
    if arguments.alias == CHAMPION and not arguments.despite and _has_releases(arguments.component):
        told = f"{arguments.component} is released step by step: `release propose`, or for the way back `rollback`"
        raise Failed(f"{told}; --despite REASON overrules this")
    registry.load(arguments.component, arguments.version)
    why = "; ".join(filter(None, (arguments.why, arguments.despite)))
    move = registry.point(arguments.component, arguments.alias, arguments.version, who=arguments.who, why=why)
    version = registry.resolve(arguments.component, arguments.alias)
    was = "already" if move is None else f"was {move.was or 'nothing'}"
    print(f"{arguments.component}: {arguments.alias} is {version} ({was})")
    return 0


def _rollback(arguments: argparse.Namespace) -> int:
    move = _registry().rollback(arguments.component, arguments.alias, who=arguments.who, why=arguments.why)
    print(f"{arguments.component}: {arguments.alias} is {move.version} again (was {move.was})")
    return 0


def _gc(arguments: argparse.Namespace) -> int:
    policy = GarbagePolicy(keep=arguments.keep, unused_days=arguments.unused_days)
    settings, needed = ServiceSettings(), _in_open_releases()
    try:
        replayed = versions_needed(settings.var_dir, most_days=settings.replay_log_days)
    except (OSError, sqlite3.Error) as error:
        raise Failed(f"which versions replays need can't be read: {type(error).__name__}") from error
    for component, some in replayed.items():
        needed[component] = needed.get(component, set()) | some
    gone = (garbage if arguments.dry_run else collect)(_registry(), policy, also_needed=needed)
    word = "would go" if arguments.dry_run else "removed"
    for component, versions in gone.items():
        for version in versions:
            print(f"{component} {version}: {word}")
    if not any(gone.values()):
        print("every version is needed")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    root = arguments.root.resolve()
    components = components_of(root)
    now, findings = lock.states(root, components)
    recorded = lock.read_lock(root)
    broken = {finding.component for finding in findings}
    findings += lock.differences({name: state for name, state in recorded.items() if name not in broken}, now)
    findings += _damage(_registry(), components)
    _show_findings(findings)
    print(f"{len(now)} components as recorded" if not findings else f"{len(findings)} findings")
    return 1 if findings else 0


def _record(arguments: argparse.Namespace) -> int:
    root = arguments.root.resolve()
    now, broken = lock.states(root, components_of(root))
    moved = [finding for finding in lock.differences(lock.read_lock(root), now) if finding.moved]
    why = (arguments.despite or "").strip()
    refused = broken + ([] if why else moved)
    if refused:
        _show_findings(refused)
        print("nothing was recorded")
        return 1
    reason = {"components": [finding.component for finding in moved], "why": why} if moved else None
    lock.write_lock(root, now, reason=reason)
    print(f"{len(now)} components recorded in {root / lock.LOCK_FILE}")
    return 0


def _damage(registry: Registry, components: list[Component]) -> list[lock.Finding]:
    """Published versions that are not what they were, and aliased ones that would not serve here."""
    loaders: Mapping[str, Component] = {one.name: one for one in components if one.load}
    findings = []
    for component in registry.components():
        aliased = set(registry.aliases(component).values())
        for version in registry.versions(component):
            loader = loaders.get(component) if version in aliased else None
            state = _state(registry, component, version, loader)
            if state != "whole":
                mend = "publish it anew under a new version, or roll back"
                findings.append(lock.Finding(component=component, version=version, what=state, what_to_do=mend))
    return findings


def _state(registry: Registry, component: str, version: str, loader: Component | None = None) -> str:
    """ "whole", or what is wrong; with `loader` as a process would load it."""
    try:
        release = registry.load(component, version)
        if loader is not None and (load := loader_of(loader)) is not None:
            load(release)
    except (RegistryError, ValueError, OSError, ImportError) as error:
        return str(error)
    return "whole"


def _show_findings(findings: list[lock.Finding]) -> None:
    if findings:
        table = Table("component", "version", "what is found", "what to do", box=SIMPLE_HEAD)
        for finding in findings:
            table.add_row(finding.component, finding.version, finding.what, finding.what_to_do)
        _console().print(table)


def _console() -> Console:
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=WIDE)
