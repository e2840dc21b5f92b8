"""What a registry shows while others publish and promote: each version whole and the same for ever, each alias one."""

from __future__ import annotations

from collections.abc import Collection

from common.versions.registry import Registry, RegistryError


class ShownVersions:
    """Looks at some components again and again, and remembers what was there."""

    def __init__(self, registry: Registry, components: Collection[str]) -> None:
        self._registry, self._components = registry, components
        self._seen: dict[tuple[str, str], str] = {}  # component and version → what it holds

    def look(self, *, anew: Collection[str] = ()) -> list[str]:
        """A sentence for whatever is wrong. Versions that were whole are read again only of the components `anew`."""
        told = []
        for component in self._components:
            try:
                told += self._look_at(component, anew=component in anew)
            except RegistryError as error:
                told.append(str(error))
        return told

    def has(self, component: str, version: str) -> bool:
        """Whether it was there at the last look, and whole."""
        return (component, version) in self._seen

    def _look_at(self, component: str, *, anew: bool) -> list[str]:
        aliases = self._registry.aliases(component)  # first: what they stand for was published before
        versions, told = self._registry.versions(component), []
        for version in versions:
            try:
                told += self._read(component, version) if anew or not self.has(component, version) else []
            except RegistryError as error:
                told.append(str(error))
        gone = [key for key in self._seen if key[0] == component and key[1] not in versions]
        for key in gone:
            del self._seen[key]
        told += [f"{component} {version} is gone" for _, version in gone]
        return told + [
            f"{component}: {alias} stands for {version}, and that is no whole version"
            for alias, version in aliases.items()
            if not self.has(component, version)
        ]

    def _read(self, component: str, version: str) -> list[str]:
        found = self._registry.load(component, version).manifest.model_dump_json()
        before = self._seen.setdefault((component, version), found)
        return [] if found == before else [f"{component} {version} is not what it was"]
