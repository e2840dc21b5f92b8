"""Which versions may be asked for, from memory: the registry's folders are looked at in the background."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog

from common.service.problems import Problem
from common.state.snapshot import Snapshot
from common.versions.registry import ArtifactError, Registry

log = structlog.get_logger(__name__)

Known = dict[str, dict[str, str]]  # component -> name (version or alias) -> version


class KnownVersions:
    """A view of the registry for a process that answers requests."""

    def __init__(self, root: Path, components: Sequence[str]) -> None:
        registry = Registry(root)
        self.snapshot: Snapshot[Known] = Snapshot(
            "versions", lambda: {component: _names(registry, component) for component in components}, first={}
        )

    def resolve(self, component: str, name: str) -> str:
        """The version behind a name. `champion` always is one, be it unknown here; else `Problem` 404."""
        version = self.snapshot.value.get(component, {}).get(name)
        if version is None and name != "champion":
            raise Problem(404, f"{component} has no version or alias {name!r}")
        return version or name

    def champion(self, component: str) -> str | None:
        return self.snapshot.value.get(component, {}).get("champion")


def _names(registry: Registry, component: str) -> dict[str, str]:
    versions = {version: version for version in registry.versions(component)}
    try:
        aliases = registry.aliases(component)
    except ArtifactError as error:  # damaged: what is asked for by number is served all the same
        log.warning("registry.damaged", component=component, error=str(error))
        aliases = {}
    return versions | {alias: version for alias, version in aliases.items() if version in versions}
