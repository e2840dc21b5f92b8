"""Versions on disk: immutable, checked, and found by alias."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.versions.registry import ArtifactError, Manifest, Registry, RegistryError, UnknownVersion


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path)


def publish(registry: Registry, content: bytes = b"trees", alias: str = "champion", **details: str) -> Manifest:
    return registry.publish("core", {"model.txt": content}, training={"seed": 1}, alias=alias, **details)  # type: ignore[arg-type]


def test_a_published_version_loads_with_what_was_published(registry: Registry) -> None:
    publish(registry)
    release = registry.load("core", "champion")
    assert (release.manifest.version, release.path("model.txt").read_bytes()) == ("1.0.0", b"trees")


def test_the_next_version_is_the_next_minor_one_and_becomes_champion(registry: Registry) -> None:
    publish(registry)
    assert publish(registry, b"better trees").version == "1.1.0"
    assert registry.resolve("core", "champion") == "1.1.0"
    assert registry.versions("core") == ["1.0.0", "1.1.0"]


def test_publishing_the_same_content_again_makes_no_new_version(registry: Registry) -> None:
    publish(registry)
    assert publish(registry).version == "1.0.0"
    assert registry.versions("core") == ["1.0.0"]


def test_a_version_cannot_get_other_content(registry: Registry) -> None:
    publish(registry, version="1.0.0")
    with pytest.raises(RegistryError, match="other content"):
        publish(registry, b"other trees", version="1.0.0")
    assert registry.load("core").path("model.txt").read_bytes() == b"trees"


@pytest.mark.parametrize("damage", [b"", b"tree", b"treeS"])
def test_a_truncated_or_corrupt_artifact_is_never_handed_out(registry: Registry, damage: bytes) -> None:
    publish(registry)
    registry.load("core").path("model.txt").write_bytes(damage)
    with pytest.raises(ArtifactError, match=r"model\.txt is damaged"):
        registry.load("core")


def test_a_missing_artifact_is_named(registry: Registry) -> None:
    publish(registry)
    registry.load("core").path("model.txt").unlink()
    with pytest.raises(ArtifactError, match=r"model\.txt can't be read"):
        registry.load("core")


def test_a_folder_without_manifest_is_no_version(registry: Registry) -> None:
    publish(registry)
    half = registry.root / "core" / "2.0.0"
    half.mkdir()
    (half / "model.txt").write_bytes(b"half")
    assert registry.versions("core") == ["1.0.0"]


def test_a_copied_folder_is_not_taken_for_another_version(registry: Registry) -> None:
    publish(registry)
    (registry.root / "core" / "1.0.0").rename(registry.root / "core" / "9.0.0")
    with pytest.raises(ArtifactError, match="was it copied"):
        registry.load("core", "9.0.0")


@pytest.mark.parametrize("name", ["9.9.9", "challenger", "../core", "", "1.0.0/../1.0.0"])
def test_an_unknown_name_is_unknown(registry: Registry, name: str) -> None:
    publish(registry)
    with pytest.raises(UnknownVersion):
        registry.resolve("core", name)


def test_versions_are_in_the_order_of_their_numbers(registry: Registry) -> None:
    for version in ("1.10.0", "1.9.0", "2.0.0"):
        publish(registry, version.encode(), version=version)
    assert registry.versions("core") == ["1.9.0", "1.10.0", "2.0.0"]


def test_an_alias_points_where_it_was_moved(registry: Registry) -> None:
    publish(registry)
    publish(registry, b"better trees")
    registry.point("core", "champion", "1.0.0")
    assert registry.load("core").manifest.version == "1.0.0"


def test_a_component_cannot_climb_out_of_the_registry(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="not a name"):
        registry.versions("../elsewhere")
