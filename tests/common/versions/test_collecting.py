"""Garbage collection: removes what nothing needs, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from common.versions.collecting import GarbagePolicy, collect, garbage, note_use
from common.versions.registry import Registry

LONG_AGO = time.time() - 30 * 86_400
KEEP_ONE = GarbagePolicy(keep=1)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Eight cores, a month old; the champion went from the third to the fifth."""
    registry = Registry(tmp_path)
    for number in range(8):
        registry.publish("core", {"model.txt": str(number).encode()}, alias=None)
    for version in ("1.2.0", "1.4.0"):
        registry.point("core", "champion", version)
    aged(registry)
    return registry


def aged(registry: Registry) -> None:
    for manifest in registry.root.glob("*/*/manifest.json"):
        os.utime(manifest, (LONG_AGO, LONG_AGO))


def test_champion_rollback_target_and_newest_stay(registry: Registry) -> None:
    assert garbage(registry, KEEP_ONE) == {"core": ["1.0.0", "1.1.0", "1.3.0", "1.5.0", "1.6.0"]}
    assert garbage(registry, GarbagePolicy(keep=3)) == {"core": ["1.0.0", "1.1.0", "1.3.0"]}


def test_what_an_alias_stands_for_stays(registry: Registry) -> None:
    registry.point("core", "shadow", "1.0.0")
    assert "1.0.0" not in garbage(registry, KEEP_ONE)["core"]


def test_what_was_used_or_published_lately_stays(registry: Registry) -> None:
    note_use(registry, "core", "1.1.0")
    (registry.root / "core" / "1.3.0" / "manifest.json").touch()
    assert garbage(registry, KEEP_ONE) == {"core": ["1.0.0", "1.5.0", "1.6.0"]}
    os.utime(registry.root / "core" / ".used" / "1.1.0", (LONG_AGO, LONG_AGO))
    assert "1.1.0" in garbage(registry, KEEP_ONE)["core"]


def test_a_kept_core_keeps_its_newest_correction_and_a_kept_correction_its_core(registry: Registry) -> None:
    for core in ("1.0.0", "1.4.0", "1.4.0", "1.1.0", "1.3.0"):
        content = f"{core} {len(registry.versions('correction'))}".encode()
        registry.publish("correction", {"model.txt": content}, compatible_with={"core": core}, alias=None)
    aged(registry)
    gone = garbage(registry, KEEP_ONE)
    assert gone["correction"] == ["1.0.0", "1.1.0", "1.3.0"]  # 1.2.0 is for the champion, 1.4.0 the newest
    assert gone["core"] == ["1.0.0", "1.1.0", "1.5.0", "1.6.0"]  # 1.3.0 is what the newest correction is for


def test_what_is_collected_is_gone_and_the_rest_is_whole(registry: Registry) -> None:
    gone = collect(registry, KEEP_ONE)
    assert registry.versions("core") == ["1.2.0", "1.4.0", "1.7.0"]
    assert sorted(gone["core"] + registry.versions("core")) == [f"1.{number}.0" for number in range(8)]
    assert registry.rollback("core").version == "1.2.0"
    assert collect(registry, KEEP_ONE) == {"core": []}
    assert registry.publish("core", {"model.txt": b"new"}, alias="champion").version == "1.8.0"


def test_what_crashes_left_behind_goes_once_it_is_old(registry: Registry) -> None:
    folder = registry.root / "core"
    for name in (".draft-old", ".trash-1.9.0", ".draft-now"):
        (folder / name).mkdir()
        (folder / name / "model.txt").touch()
    (folder / ".aliases.json-abc").touch()
    for name in (".draft-old", ".trash-1.9.0", ".aliases.json-abc"):
        os.utime(folder / name, (LONG_AGO, LONG_AGO))
    collect(registry, KEEP_ONE)
    assert [path.name for path in folder.iterdir() if path.name.startswith((".draft", ".trash", ".alias"))] == [
        ".draft-now"
    ]
