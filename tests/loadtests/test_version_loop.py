"""What the kill loop would notice of versions, and a short run of the real thing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from common.progress import progress
from common.versions.registry import Registry
from loadtests.inside.shown_versions import ShownVersions
from loadtests.inside.version_loop import PARTS, kill_versions
from supermegaretail.demo_data import demo_table
from supermegaretail.table import save_table
from supermegaretail.training import train


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Of one component with two versions."""
    registry = Registry(tmp_path / "registry")
    registry.publish("core", {"model": b"one"}, alias="champion")
    registry.publish("core", {"model": b"two"}, alias=None)
    return registry


def test_whole_versions_and_aliases_that_move_are_no_news(registry: Registry) -> None:
    shown = ShownVersions(registry, ("core", "never-published"))
    assert shown.look() == []
    registry.point("core", "champion", "1.1.0")
    registry.publish("core", {"model": b"three"}, alias="champion")
    assert shown.look() == []
    assert shown.look(anew=True) == []
    assert shown.has("core", "1.2.0")


def test_a_version_that_is_half_there_is_noticed(registry: Registry) -> None:
    (registry.root / "core" / "1.1.0" / "model").unlink()
    [sentence] = ShownVersions(registry, ("core",)).look()
    assert sentence.startswith("core 1.1.0: model can't be read")


def test_an_alias_that_stands_for_no_whole_version_is_noticed(registry: Registry) -> None:
    (registry.root / "core" / "1.0.0" / "model").write_bytes(b"on")
    told = ShownVersions(registry, ("core",)).look()
    assert told[-1] == "core: champion stands for 1.0.0, and that is no whole version"


def test_a_version_that_is_gone_or_was_changed_with_its_manifest_is_noticed(registry: Registry) -> None:
    shown = ShownVersions(registry, ("core",))
    shown.look()
    shutil.rmtree(registry.root / "core" / "1.1.0")
    assert shown.look() == ["core 1.1.0 is gone"]
    registry.publish("core", {"model": b"not two"}, alias=None, version="1.1.0")
    shown.look()
    shutil.rmtree(registry.root / "core" / "1.1.0")
    registry.publish("core", {"model": b"two"}, alias=None, version="1.1.0")
    assert shown.look() == []
    assert shown.look(anew=True) == ["core 1.1.0 is not what it was"]


async def test_versions_stay_whole_and_are_served_whoever_is_killed(tmp_path: Path) -> None:
    table, registry = demo_table(stores=1, products=4, days=120), Registry(tmp_path / "registry")
    save_table(table, tmp_path / "supermegaretail" / "sales.parquet")
    train(table, registry, rows=500, threads=1)
    items = table.select("store", "sku").unique().to_dicts()
    (tmp_path / "demo.json").write_text(json.dumps({"items": items, "queries": ["dog"]}))
    with progress("kills") as reporter:
        life = await kill_versions(tmp_path, len(PARTS), 3, reporter=reporter)
    assert life.ledger.broken == []
    assert life.kills == len(PARTS)
    assert life.ledger.acknowledged > 0
    assert len(registry.versions("core")) > 1
