"""What a release would break: components whose versions must fit each other."""

from __future__ import annotations

from common.versions.registry import Registry


def objections(registry: Registry, component: str, version: str) -> list[str]:
    """Why a version can't be champion beside today's other champions; empty if it can.

    What it was made for must be champion: a reranker is made for one version of the encoder. And of what is made for
    the component there must be a version that fits the new one, as there must be a correction for a new core. What the
    registry does not know, such as a version of the code, is checked where the version is loaded.
    """
    wanted = registry.manifest(component, version).compatible_with
    needs = [
        f"{component} {version} was made for {other} {number}, and the champion is {champion}"
        for other, number in wanted.items()
        if (champion := registry.champion(other)) not in (None, number)
    ]
    breaks = [
        f"{other} {champion} was made for another {component}, and no {other} is made for {version}"
        for other in registry.components()
        if (champion := registry.champion(other)) is not None
        if component in registry.made_for(other, champion)
        if not _made_for(registry, other, component, version)
    ]
    return needs + breaks


def _made_for(registry: Registry, other: str, component: str, version: str) -> bool:
    return any(registry.made_for(other, number).get(component) == version for number in registry.versions(other))
