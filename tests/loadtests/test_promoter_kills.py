"""A promoter that is killed at any moment leaves one champion behind."""

from __future__ import annotations

from pathlib import Path

from common.versions.registry import Registry
from common.versions.slots import CHAMPION, ModelSlots
from loadtests.experiments.promoter_kills import kill_again_and_again

KILLS = 5


async def test_after_each_kill_there_is_one_champion_and_it_is_the_one_that_was_decided_on(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    registry.publish("core", {"model": b"one"}, alias="champion")
    registry.publish("core", {"model": b"two"}, alias=None)
    slots = ModelSlots("core", registry, lambda version: registry.load("core", version).path("model").read_bytes())

    async def serves(version: str) -> bool:
        slots.refresh()
        serving = slots.get(CHAMPION)
        return serving is not None and serving[0] == version

    broken, _ = await kill_again_and_again(tmp_path, KILLS, seed=3, serves=serves)

    assert broken == []
    assert len(registry.history("core", CHAMPION)) > 1
