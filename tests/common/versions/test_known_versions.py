"""Which champion requests are answered by while a new one is being read."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.service.problems import Problem
from common.versions.known_versions import LOADING_S, KnownVersions
from common.versions.registry import Registry
from tests.common.conftest import FakeClock


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry(tmp_path)
    for version in ("1.0.0", "2.0.0"):
        registry.publish("core", {"model.txt": version.encode()}, version=version, alias=None)
    registry.point("core", "champion", "1.0.0")
    return registry


@pytest.fixture
def known(registry: Registry, clock: FakeClock) -> KnownVersions:
    known = KnownVersions(registry.root, ["core"], clock=clock)
    known.snapshot.refresh()
    return known


def moved(registry: Registry, known: KnownVersions, version: str) -> str:
    registry.point("core", "champion", version)
    known.snapshot.refresh()
    return known.resolve("core", "champion")


def test_a_new_champion_is_asked_only_once_the_model_process_had_time_to_read_it(
    registry: Registry, known: KnownVersions, clock: FakeClock
) -> None:
    assert moved(registry, known, "2.0.0") == "1.0.0"
    clock.advance(LOADING_S)
    known.snapshot.refresh()
    assert known.resolve("core", "champion") == "2.0.0"


def test_what_was_champion_before_is_followed_at_once(
    registry: Registry, known: KnownVersions, clock: FakeClock
) -> None:
    moved(registry, known, "2.0.0")
    clock.advance(LOADING_S)
    known.snapshot.refresh()
    assert moved(registry, known, "1.0.0") == "1.0.0"
    assert moved(registry, known, "2.0.0") == "2.0.0"


def test_a_promotion_that_is_taken_back_meanwhile_is_never_followed(
    registry: Registry, known: KnownVersions, clock: FakeClock
) -> None:
    moved(registry, known, "2.0.0")
    assert moved(registry, known, "1.0.0") == "1.0.0"
    clock.advance(LOADING_S)
    known.snapshot.refresh()
    assert known.resolve("core", "champion") == "1.0.0"
    assert moved(registry, known, "2.0.0") == "1.0.0"


def test_the_new_version_can_be_asked_for_by_number_meanwhile(registry: Registry, known: KnownVersions) -> None:
    moved(registry, known, "2.0.0")
    assert known.resolve("core", "2.0.0") == "2.0.0"
    with pytest.raises(Problem):
        known.resolve("core", "3.0.0")


def test_a_champion_that_is_gone_is_not_waited_for(registry: Registry, known: KnownVersions) -> None:
    (registry.root / "core" / "1.0.0" / "manifest.json").unlink()
    assert moved(registry, known, "2.0.0") == "2.0.0"


def test_what_was_published_after_the_last_look_is_published_and_an_alias_or_a_path_is_no_version(
    registry: Registry, known: KnownVersions
) -> None:
    registry.publish("core", {"model.txt": b"3"}, version="3.0.0", alias=None)
    asked = ("1.0.0", "3.0.0", "4.0.0", "champion", "..", "../core/1.0.0")
    assert [name for name in asked if known.is_published("core", name)] == ["1.0.0", "3.0.0"]


def test_where_no_version_is_known_any_may_be_published(tmp_path: Path) -> None:
    assert KnownVersions(tmp_path, ["core"]).is_published("core", "1.0.0")
