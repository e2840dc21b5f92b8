"""Which versions nobody needs any more, and their removal.

Kept are: what an alias stands for; what it stood for lately, so that a rollback finds it; the newest few; what was
published or asked for in the last days; what somebody asks to keep, such as what waits for a decision; and whatever one
of these, of any component, was made for.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from common.versions.aliases import changing
from common.versions.registry import MANIFEST, VERSION, Registry

USED = ".used"  # COMPONENT/.used/1.0.0: an empty file, as old as the last use of that version
TRASH = ".trash-"
LEFTOVERS = (".draft-", TRASH, ".aliases")
LEFTOVER_AFTER_S = 86_400.0
NOTHING: Mapping[str, Set[str]] = {}
LATEST_MOVES = 20  # of each alias: what it stood for during these can be gone back to


@dataclass(frozen=True, slots=True, kw_only=True)
class GarbagePolicy:
    """What is kept beside what is in use."""

    keep: int = 3  # newest versions of each component
    unused_days: float = 7.0  # since a version was published, or a process last had it in memory


def note_use(registry: Registry, component: str, version: str) -> None:
    """Remembers that a process needed a version just now; where nothing can be written, nothing is remembered."""
    with suppress(OSError):
        used = registry.root / component / USED
        used.mkdir(exist_ok=True)
        (used / version).touch()


def garbage(
    registry: Registry, policy: GarbagePolicy, *, also_needed: Mapping[str, Set[str]] = NOTHING
) -> dict[str, list[str]]:
    """Component to versions that can go, oldest first. Raises `RegistryError` for a registry that can't be read.

    Args:
        also_needed: versions by component that stay, too.
    """
    versions = {component: registry.versions(component) for component in registry.components()}
    needed = {
        component: _in_use(registry, component, policy) | also_needed.get(component, set()) for component in versions
    }
    _add_what_they_need(registry, versions, needed)
    return {
        component: [version for version in numbers if version not in needed[component]]
        for component, numbers in versions.items()
    }


def collect(
    registry: Registry, policy: GarbagePolicy, *, also_needed: Mapping[str, Set[str]] = NOTHING
) -> dict[str, list[str]]:
    """Removes what `garbage` finds, and what crashes left behind; tells what went."""
    gone: dict[str, list[str]] = {}
    for component, versions in garbage(registry, policy, also_needed=also_needed).items():
        folder = registry.root / component
        with changing(folder):
            # again, for an alias may have moved meanwhile
            still = set(garbage(registry, policy, also_needed=also_needed)[component])
            gone[component] = [version for version in versions if version in still]
            for version in gone[component]:
                # In one step it is no version any more; a process that dies here leaves only a folder to tidy up.
                trash = folder / f"{TRASH}{version}"
                shutil.rmtree(trash, ignore_errors=True)
                (folder / version).rename(trash)
                shutil.rmtree(trash, ignore_errors=True)
                (folder / USED / version).unlink(missing_ok=True)
            _tidy(folder)
    return gone


def _in_use(registry: Registry, component: str, policy: GarbagePolicy) -> set[str]:
    aliases = registry.aliases(component)
    versions = registry.versions(component)
    needed = set(aliases.values()) | set(versions[len(versions) - policy.keep :] if policy.keep else ())
    for alias in aliases:
        for move in registry.history(component, alias)[-LATEST_MOVES:]:
            needed |= {move.version} | ({move.was} if move.was is not None else set())
    since_s = time.time() - policy.unused_days * 86_400
    folder = registry.root / component
    fresh = (
        version
        for version in versions
        if max(_changed_s(folder / version / MANIFEST), _changed_s(folder / USED / version)) > since_s
    )
    return needed | set(fresh)


def _add_what_they_need(registry: Registry, versions: Mapping[str, list[str]], needed: dict[str, set[str]]) -> None:
    """A kept correction keeps its core, and a kept core the newest correction that was made for it."""
    made_for = {
        (component, version): registry.made_for(component, version)
        for component, numbers in versions.items()
        for version in numbers
    }
    before = -1
    while before != (before := sum(map(len, needed.values()))):
        for component, numbers in versions.items():
            served: set[tuple[str, str]] = set()
            for version in reversed(numbers):
                partners = {pair for pair in made_for[component, version].items() if pair[0] in versions}
                if version in needed[component]:
                    for partner, number in partners:
                        needed[partner].add(number)
                elif any(number in needed[partner] for partner, number in partners - served):
                    needed[component].add(version)
                if version in needed[component]:
                    served |= partners


def _changed_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _tidy(folder: Path) -> None:
    """What publishing, moving and removing left behind when they were killed, once it is a day old."""
    for path in folder.iterdir():
        left = path.name.startswith(LEFTOVERS) and not VERSION.fullmatch(path.name)
        if left and time.time() - _changed_s(path) > LEFTOVER_AFTER_S:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
