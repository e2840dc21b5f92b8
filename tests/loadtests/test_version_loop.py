"""What the kill loop would notice of versions, and a short run of the real thing."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from common.progress import progress
from common.versions.registry import Registry
from loadtests.inside import version_loop
from loadtests.inside.shown_versions import ShownVersions
from loadtests.inside.version_loop import PARTS, kill_versions
from loadtests.traffic import NoDemoError
from supermegaretail.demo_data import demo_table
from supermegaretail.table import save_table
from supermegaretail.training import train

DEMO = json.dumps({"items": [{"store": "s", "sku": "p"}], "queries": ["dog"]})


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
    assert shown.look(anew=("core",)) == []
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
    assert shown.look(anew=("core",)) == ["core 1.1.0 is not what it was"]


class AllServe(SimpleNamespace):
    """In place of the processes that serve: all is well with them."""

    async def start(self, *_: object) -> None:
        pass

    async def start_api(self) -> None:
        pass

    async def all_serve(self) -> None:
        pass

    async def ask_for_ever(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def nobody_is_asked(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A VAR_DIR over which only publishers are at work."""
    folder = registry.root.parent
    (folder / "demo.json").write_text(DEMO)
    served = AllServe(models={"core": None}, starts_s={}, environment={})
    monkeypatch.setattr(version_loop, "ServedVersions", lambda *_: served)
    return folder


async def kill_publishers(folder: Path) -> Sequence[str]:
    with progress("kills") as reporter:
        return (await kill_versions(folder, 1, 3, parts=("publishing",), reporter=reporter)).ledger.broken


async def test_aliases_that_cannot_be_read_are_told(nobody_is_asked: Path) -> None:
    (nobody_is_asked / "registry" / "published").mkdir()
    (nobody_is_asked / "registry" / "published" / "aliases.json").write_text("{")
    broken = await kill_publishers(nobody_is_asked)
    assert broken[0].startswith("at the start: published: aliases.json can't be read")


async def test_a_publisher_that_dies_by_itself_is_told(nobody_is_asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version_loop, "PUBLISHER_LIVES_S", 60.0)
    (nobody_is_asked / "registry" / "published" / ".lock").mkdir(parents=True)
    assert await kill_publishers(nobody_is_asked) == ["after kill 0: the publisher ended by itself with code 1"]


@pytest.fixture
def trained(tmp_path: Path) -> Registry:
    """In a VAR_DIR with all that the kill loop needs."""
    table, registry = demo_table(stores=1, products=4, days=120), Registry(tmp_path / "registry")
    save_table(table, tmp_path / "supermegaretail" / "sales.parquet")
    train(table, registry, rows=500, threads=1)
    items = table.select("store", "sku").unique().to_dicts()
    (tmp_path / "demo.json").write_text(json.dumps({"items": items, "queries": ["dog"]}))
    return registry


async def test_versions_stay_whole_and_are_served_whoever_is_killed(tmp_path: Path, trained: Registry) -> None:
    with progress("kills") as reporter:
        life = await kill_versions(tmp_path, len(PARTS), 3, reporter=reporter)
    assert life.ledger.broken == []
    assert life.kills == len(PARTS)
    assert life.ledger.acknowledged > 0
    assert len(trained.versions("core")) > 1


async def test_a_core_without_a_correction_serves_again_after_a_kill(tmp_path: Path, trained: Registry) -> None:
    shutil.rmtree(trained.root / "correction")
    with progress("kills") as reporter:
        life = await kill_versions(tmp_path, 1, 3, parts=("models",), reporter=reporter)
    assert life.ledger.broken == []
    assert len(life.starts_s) == 2


async def test_without_a_core_the_kill_loop_does_not_begin(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text(DEMO)
    with progress("kills") as reporter, pytest.raises(NoDemoError, match="no core that serves; `make train` makes one"):
        await kill_versions(tmp_path, 1, 3, reporter=reporter)
