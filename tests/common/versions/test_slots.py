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
        registry.publish("core", {"model.txt": version.encode()}, version=version)
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


def test_memory_is_bounded(registry: Registry) -> None:
    models = slots(registry)
    for minor in range(MAX_LOADED + 2):
        version = f"3.{minor}.0"
        registry.publish("core", {"model.txt": version.encode()}, version=version, alias=None)
        models.load(version)
    assert models.get("3.0.0") is None
    assert models.get(f"3.{MAX_LOADED + 1}.0") is not None
