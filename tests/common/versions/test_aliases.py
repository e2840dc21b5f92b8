"""Aliases: moved at once, with a history, and never lost, whoever is killed while moving them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from common.versions import aliases
from common.versions.aliases import HISTORY, KEPT_MOVES
from common.versions.registry import ArtifactError, Registry, RegistryError

KILLS = 100
# Says "ready", then for each line it reads forks a child that promotes to and fro until it is killed, and tells its id.
PROMOTER = """
import os, sys
from pathlib import Path
from common.versions.registry import Registry
print("ready", flush=True)
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        registry = Registry(Path(sys.argv[1]))
        while True:
            for version in ("1.0.0", "1.1.0"):
                registry.point("core", "champion", version, who="promoter", why="to and fro")
    print(child, flush=True)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry(tmp_path / "registry")
    for content in (b"trees", b"better trees", b"best trees"):
        registry.publish("core", {"model.txt": content}, alias=None)
    registry.point("core", "champion", "1.0.0", who="ann", why="the first")
    return registry


def test_every_move_is_told_with_who_when_and_why(registry: Registry) -> None:
    registry.point("core", "champion", "1.1.0", who="bob", why="better")
    first, second = registry.history("core", "champion")
    assert (first.was, first.version, first.who, first.why) == (None, "1.0.0", "ann", "the first")
    assert (second.was, second.version, second.who, second.kind) == ("1.0.0", "1.1.0", "bob", "point")
    assert first.at <= second.at


def test_a_move_to_where_it_is_already_is_none(registry: Registry) -> None:
    assert registry.point("core", "champion", "1.0.0") is None
    assert len(registry.history("core", "champion")) == 1


def test_a_rollback_goes_to_what_was_before_and_a_second_one_further_back(registry: Registry) -> None:
    registry.point("core", "champion", "1.1.0")
    registry.point("core", "champion", "1.2.0")
    assert [registry.rollback("core").version, registry.rollback("core").version] == ["1.1.0", "1.0.0"]
    with pytest.raises(RegistryError, match="never stood for anything else"):
        registry.rollback("core")


def test_after_a_rollback_another_promotion_can_be_rolled_back_too(registry: Registry) -> None:
    registry.point("core", "champion", "1.1.0")
    registry.rollback("core")
    registry.point("core", "champion", "1.2.0")
    assert registry.rollback("core").version == "1.0.0"


def test_nothing_is_rolled_back_to_what_is_damaged(registry: Registry) -> None:
    registry.point("core", "champion", "1.1.0")
    (registry.root / "core" / "1.0.0" / "model.txt").write_bytes(b"treeS")
    with pytest.raises(ArtifactError, match="is damaged"):
        registry.rollback("core")
    assert registry.resolve("core", "champion") == "1.1.0"


def test_a_move_that_was_written_but_never_made_is_no_part_of_the_history(registry: Registry) -> None:
    log = registry.root / "core" / HISTORY
    crashed = log.read_bytes().replace(b"null", b'"1.0.0"').replace(b'"version": "1.0.0"', b'"version": "1.1.0"')
    log.write_bytes(log.read_bytes() + crashed + b'{"alias": "cham')  # and one whose line was torn
    assert [move.version for move in registry.history("core", "champion")] == ["1.0.0"]
    registry.point("core", "champion", "1.2.0")
    assert [move.version for move in registry.history("core", "champion")] == ["1.0.0", "1.2.0"]


def test_damaged_aliases_are_never_overwritten(registry: Registry) -> None:
    path = registry.root / "core" / "aliases.json"
    path.write_text("{")
    with pytest.raises(ArtifactError, match="can't be read"):
        registry.point("core", "champion", "1.1.0")
    assert path.read_text() == "{"


def test_two_who_move_different_aliases_at_once_lose_neither(registry: Registry) -> None:
    def move(alias: str) -> None:
        for version in ("1.0.0", "1.1.0") * 20:
            registry.point("core", alias, version)

    threads = [threading.Thread(target=move, args=(alias,)) for alias in ("challenger", "shadow", "champion")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert registry.aliases("core") == dict.fromkeys(("challenger", "champion", "shadow"), "1.1.0")
    assert len(registry.history("core", "shadow")) == 40


def test_aliases_from_before_there_was_a_history_can_be_moved_and_rolled_back(registry: Registry) -> None:
    (registry.root / "core" / HISTORY).unlink()
    assert registry.history("core", "champion") == []
    registry.point("core", "champion", "1.1.0")
    assert registry.rollback("core").version == "1.0.0"


def test_the_history_is_bounded(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aliases, "KEPT_MOVES", 10)
    for _ in range(30):
        registry.point("core", "champion", "1.1.0")
        registry.point("core", "champion", "1.0.0")
    assert 10 <= len(registry.history("core", "champion")) <= 20 < KEPT_MOVES
    assert registry.rollback("core").version == "1.1.0"


def test_an_alias_that_moves_often_takes_no_history_from_another(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aliases, "KEPT_MOVES", 10)
    registry.point("core", "champion", "1.1.0")
    for _ in range(15):
        registry.point("core", "challenger", "1.1.0")
        registry.point("core", "challenger", "1.0.0")
    assert [move.version for move in registry.history("core", "champion")] == ["1.0.0", "1.1.0"]
    assert len(registry.history("core", "challenger")) <= 20


def test_an_alias_stays_where_it_is_unless_what_was_asked_under_the_lock_still_holds(registry: Registry) -> None:
    assert registry.point("core", "champion", "1.1.0", only_if=lambda: registry.champion("core") == "1.2.0") is None
    assert registry.champion("core") == "1.0.0"
    assert registry.point("core", "champion", "1.1.0", only_if=lambda: registry.champion("core") == "1.0.0")


def test_whoever_is_killed_while_promoting_there_is_one_champion_and_it_serves(registry: Registry) -> None:
    command = [sys.executable, "-c", PROMOTER, str(registry.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as promoter:
        assert promoter.stdin is not None
        assert promoter.stdout is not None
        assert promoter.stdout.readline() == "ready\n"
        for kill in range(KILLS):
            promoter.stdin.write("once more\n")
            promoter.stdin.flush()
            child = int(promoter.stdout.readline())
            time.sleep(0.001 + kill * 0.000_37)  # sooner or later within some moves
            os.kill(child, signal.SIGKILL)
            assert promoter.stdout.readline() == "dead\n"
            champion = registry.load("core").manifest.version
            assert champion in {"1.0.0", "1.1.0"}
            assert registry.aliases("core") == {"champion": champion}
        promoter.stdin.close()
        assert promoter.wait(timeout=10) == 0
    moves = registry.history("core", "champion")
    assert len(moves) > 3  # of those that were not killed before they had begun
    assert all(earlier.version == later.was for earlier, later in pairwise(moves))
    assert registry.point("core", "champion", "1.2.0") is not None
    assert registry.rollback("core").version == moves[-1].version
