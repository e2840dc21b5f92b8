"""Versions of a model in memory: load new, swap, then drop old."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.versions.registry import Registry, UnknownVersion
from common.versions.slots import MAX_LOADED, ModelSlots


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry(tmp_path)
    for version in ("1.0.0", "2.0.0"):
        registry.publish("core", {"model.txt": version.encode()}, version=version, alias="champion")
    registry.point("core", "champion", "1.0.0")
    return registry


def slots(registry: Registry) -> ModelSlots[str]:
    return ModelSlots("core", registry, lambda version: registry.load("core", version).path("model.txt").read_text())


def test_it_follows_the_champion(registry: Registry) -> None:
    models = slots(registry)
    models.refresh()
    assert models.get("champion") == ("1.0.0", "1.0.0")
    registry.point("core", "champion", "2.0.0")
    models.refresh()
    assert (models.get("champion"), models.versions()) == (("2.0.0", "2.0.0"), {"core": "2.0.0"})


def test_a_damaged_champion_leaves_the_old_one_serving_and_says_why(registry: Registry) -> None:
    models = slots(registry)
    models.refresh()
    (registry.root / "core" / "2.0.0" / "model.txt").write_text("damaged")
    registry.point("core", "champion", "2.0.0")
    models.refresh()
    assert models.get("champion") == ("1.0.0", "1.0.0")
    assert models.trouble is not None
    assert "is damaged" in models.trouble


def test_any_version_can_be_asked_for(registry: Registry) -> None:
    models = slots(registry)
    assert models.get("2.0.0") is None
    assert models.load("2.0.0") == models.get("2.0.0") == ("2.0.0", "2.0.0")
    with pytest.raises(UnknownVersion):
        models.load("3.0.0")


def test_a_damaged_version_is_not_read_again_for_every_request(registry: Registry) -> None:
    reads: list[str] = []

    def read(version: str) -> str:
        reads.append(version)
        raise ValueError("damaged")

    models = ModelSlots("core", registry, read)
    for _ in range(3):
        with pytest.raises(ValueError, match="damaged"):
            models.load("1.0.0")
    assert reads == ["1.0.0"]


def test_a_version_that_is_mended_is_read_at_once(registry: Registry) -> None:
    models = slots(registry)
    artifact = registry.root / "core" / "1.0.0" / "model.txt"
    whole = artifact.read_bytes()
    artifact.write_text("damaged")
    models.refresh()
    assert models.get("champion") is None
    artifact.write_bytes(whole)
    models.refresh()
    assert (models.get("champion"), models.trouble) == (("1.0.0", "1.0.0"), None)


def test_memory_is_bounded(registry: Registry) -> None:
    models = slots(registry)
    for minor in range(MAX_LOADED + 2):
        version = f"3.{minor}.0"
        registry.publish("core", {"model.txt": version.encode()}, version=version, alias=None)
        models.load(version)
    assert models.get("3.0.0") is None
    assert models.get(f"3.{MAX_LOADED + 1}.0") is not None


def test_what_aliases_stand_for_and_the_former_champion_are_in_memory_before_anybody_asks(registry: Registry) -> None:
    registry.publish("core", {"model.txt": b"3.0.0"}, version="3.0.0", alias="challenger")
    models = slots(registry)
    models.refresh()
    registry.point("core", "champion", "2.0.0")
    models.refresh()
    assert [models.get(version) is not None for version in ("1.0.0", "2.0.0", "3.0.0")] == [True] * 3


def test_versions_that_others_ask_for_never_push_out_the_champion(registry: Registry) -> None:
    models = slots(registry)
    models.refresh()
    models.refresh()
    for minor in range(MAX_LOADED + 2):
        version = f"3.{minor}.0"
        registry.publish("core", {"model.txt": version.encode()}, version=version, alias=None)
        models.load(version)
    assert models.get("1.0.0") == ("1.0.0", "1.0.0")


def test_a_damaged_challenger_does_not_trouble_the_champion(registry: Registry) -> None:
    (registry.root / "core" / "2.0.0" / "model.txt").write_text("damaged")
    registry.point("core", "challenger", "2.0.0")
    models = slots(registry)
    for _ in range(3):
        models.refresh()
    assert (models.trouble, models.get("champion")) == (None, ("1.0.0", "1.0.0"))
