"""`python -m common registry`: exit codes 0, 1 and 2, and what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.__main__ import parser
from common.command_line import main
from common.releases.store import ReleaseStore
from common.replay.store import STORE_FILE, Record, ReplayStore
from common.settings import ServiceSettings
from common.state.database import open_state
from common.versions.registry import Registry


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    registry = Registry(tmp_path / "registry")
    registry.publish("core", {"model.txt": b"trees"}, why="the first", alias="champion")
    registry.publish("core", {"model.txt": b"better trees"}, alias="challenger")
    return registry


def run(*arguments: str) -> int:
    return main(parser(), ["registry", *arguments])


def test_versions_are_listed_with_their_aliases(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == run("list") == 0
    assert "challenger" in capsys.readouterr().out
    (registry.root / "core" / "1.1.0" / "model.txt").write_bytes(b"")
    assert run("list") == 1
    assert "is damaged" in capsys.readouterr().out


def test_a_promotion_and_a_rollback_are_in_the_history(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("promote", "core", "challenger", "--who", "ann", "--why", "better") == 0
    assert registry.resolve("core", "champion") == "1.1.0"
    assert run("rollback", "core", "--why", "complaints") == 0
    assert registry.resolve("core", "champion") == "1.0.0"
    capsys.readouterr()
    assert run("history", "core") == 0
    told = capsys.readouterr().out
    assert [word in told for word in ("the first", "ann", "better", "rollback", "complaints")] == [True] * 5


def test_what_has_releases_is_promoted_past_them_only_for_a_reason(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ReleaseStore(open_state(ServiceSettings(var_dir=tmp_path)))
    store.add("core", from_version="1.0.0", to_version="1.1.0", report={}, who="ann", why="newer")

    assert run("promote", "core", "1.1.0") == 1
    assert "--despite REASON" in capsys.readouterr().err
    assert registry.resolve("core", "champion") == "1.0.0"

    assert run("promote", "core", "1.1.0", "--despite", "the API is down") == 0
    assert registry.history("core", "champion")[-1].why == "the API is down"
    assert run("rollback", "core") == 0


def test_a_version_that_waits_for_a_decision_is_not_garbage(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        registry.publish("core", {"model.txt": str(number).encode()}, alias=None)
    store = ReleaseStore(open_state(ServiceSettings(var_dir=tmp_path)))
    store.add("core", from_version="1.0.0", to_version="1.2.0", report={}, who="ann", why="newer")

    assert run("gc", "--keep", "1", "--unused-days", "0") == 0

    assert "core 1.3.0: removed" in capsys.readouterr().out
    assert registry.versions("core") == ["1.0.0", "1.1.0", "1.2.0", "1.4.0"]


def test_a_version_that_a_replay_needs_is_not_garbage(registry: Registry, tmp_path: Path) -> None:
    for number in range(3):
        registry.publish("core", {"model.txt": str(number).encode()}, alias=None)
    store = ReplayStore(tmp_path / "supermegaretail" / "replays" / STORE_FILE, most_bytes=2**20, most_days=14)
    days_ago = {"1.2.0": 13, "1.3.0": 15}
    for version, days in days_ago.items():
        at = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        told = {"versions": {"core": version}}
        store.write([Record("one", at, "web", "/v1/forecasts", b"", 0, told)], [])

    assert run("gc", "--keep", "1", "--unused-days", "0") == 0

    assert "1.2.0" in registry.versions("core")
    assert "1.3.0" not in registry.versions("core")


def test_what_is_damaged_is_not_promoted(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    (registry.root / "core" / "1.1.0" / "model.txt").write_bytes(b"worse")
    assert run("promote", "core", "1.1.0") == 1
    assert registry.resolve("core", "champion") == "1.0.0"
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [("show", "core", "9.9.9"), ("promote", "Core!", "1.0.0"), ("rollback", "core"), ("verify",)]
)
def test_what_can_not_be_done_is_told_in_a_line(
    registry: Registry, tmp_path: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert registry.versions("core")
    assert run(*arguments, *(["--root", str(tmp_path)] if arguments == ("verify",) else [])) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_wrong_usage_is_exit_code_2() -> None:
    with pytest.raises(SystemExit) as ended:
        run("gc", "--keep", "0")
    assert ended.value.code == 2


def test_garbage_is_only_told_of_in_a_dry_run(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    for content in (b"a", b"b"):
        registry.publish("core", {"model.txt": content}, alias="challenger")
    (registry.root / "core" / "aliases.log.jsonl").unlink()
    assert run("gc", "--keep", "1", "--unused-days", "0", "--dry-run") == 0
    assert capsys.readouterr().out == "core 1.1.0: would go\ncore 1.2.0: would go\n"
    assert run("gc", "--keep", "1", "--unused-days", "0") == 0
    assert registry.versions("core") == ["1.0.0", "1.3.0"]
