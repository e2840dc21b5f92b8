"""Which versions may be asked for, from memory: the registry's folders are looked at in the background."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from common.service.problems import Problem
from common.state.snapshot import Snapshot
from common.versions.registry import CHAMPION, ArtifactError, Registry

# A champion that was never heard of is followed so much later: meanwhile the model process reads it, while the old one
# goes on answering, so that no request ever waits for a model to be loaded. One that was champion before, as after a
# rollback, is in that process's memory still, and so is one that another alias stood for as long; they are followed at
# once.
LOADING_S = 2.5
log = structlog.get_logger(__name__)

Known = dict[str, dict[str, str]]  # component -> name (version or alias) -> version


class KnownVersions:
    """A view of the registry for a process that answers requests."""

    def __init__(self, root: Path, components: Sequence[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry = Registry(root)
        champions = {component: _Champion(clock) for component in components}

        def read() -> Known:
            known = {component: _names(registry, component) for component in components}
            for component, names in known.items():
                if (champion := champions[component].followed(names)) is not None:
                    names[CHAMPION] = champion
            return known

        self.snapshot: Snapshot[Known] = Snapshot("versions", read, first={})

    def resolve(self, component: str, name: str) -> str:
        """The version behind a name. `champion` always is one, be it unknown here; else `Problem` 404."""
        version = self.snapshot.value.get(component, {}).get(name)
        if version is None and name != CHAMPION:
            raise Problem(404, f"{component} has no version or alias {name!r}")
        return version or name

    def is_published(self, component: str, version: str) -> bool:
        """Whether there is such a version, be it newer than the last look. Where none is known, it may be."""
        known = self.snapshot.value.get(component)
        if not known or known.get(version) == version:
            return True
        with suppress(OSError):
            return self._registry.has(component, version)
        return False

    def champion(self, component: str) -> str | None:
        return self.snapshot.value.get(component, {}).get(CHAMPION)


class _Champion:
    """Which champion requests are answered by; only one thread at a time asks."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._current: str | None = None
        self._served: set[str] = set()  # as champions, as far as they are still published
        self._coming: tuple[str, float] | None = None
        self._ahead_since_s: dict[str, float] = {}  # versions that an alias stands for, or did

    def followed(self, names: dict[str, str]) -> str | None:
        """The champion to ask for, given the names in the registry."""
        wanted, now_s = names.get(CHAMPION), self._clock()
        self._served &= names.keys()
        others = {version for alias, version in names.items() if alias not in (CHAMPION, version)}
        since = self._ahead_since_s | {version: self._ahead_since_s.get(version, now_s) for version in others}
        self._ahead_since_s = {version: since_s for version, since_s in since.items() if version in names}
        self._served |= {version for version, since_s in self._ahead_since_s.items() if now_s - since_s >= LOADING_S}
        if wanted is None or wanted == self._current or self._current not in names or wanted in self._served:
            return self._follow(wanted)
        if self._coming is None or self._coming[0] != wanted:
            self._coming = wanted, self._clock() + LOADING_S
        return self._follow(wanted) if self._clock() >= self._coming[1] else self._current

    def _follow(self, version: str | None) -> str | None:
        self._coming = None
        if version is not None:
            self._served.add(version)
            self._current = version
        return version


def _names(registry: Registry, component: str) -> dict[str, str]:
    versions = {version: version for version in registry.versions(component)}
    try:
        aliases = registry.aliases(component)
    except ArtifactError as error:  # damaged: what is asked for by number is served all the same
        log.warning("registry.damaged", component=component, error=str(error))
        aliases = {}
    return versions | {alias: version for alias, version in aliases.items() if version in versions}
