"""Deadline, worker pool, overrides, snapshots: the small parts, each by its promise."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

import common
from common.deadline import Deadline
from common.errors import PoolFull
from common.service.auth import AdminGate, digest_of
from common.settings import ServiceSettings
from common.state.database import open_state
from common.state.overrides import OverrideStore
from common.state.snapshot import Snapshot
from common.workers import WorkerPool
from tests.common.conftest import FakeClock

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_a_deadline_runs_down_and_stops_at_zero(clock: FakeClock) -> None:
    deadline = Deadline.after_ms(100, clock=clock)
    clock.advance(0.06)
    assert deadline.remaining_ms == pytest.approx(40)
    assert deadline.keeping_ms(30).remaining_ms == pytest.approx(10)
    assert deadline.at_most_ms(1_000).remaining_ms == pytest.approx(40)
    clock.advance(1)
    assert (deadline.remaining_ms, deadline.expired) == (0, True)


async def test_a_full_pool_refuses_at_once_and_is_usable_again() -> None:
    pool, release = WorkerPool("test", threads=1, queue=1), threading.Event()
    waiting = [asyncio.create_task(pool.run(release.wait, 5, deadline=Deadline.after_ms(5_000))) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(PoolFull):
        await pool.run(int, deadline=Deadline.after_ms(5_000))
    release.set()
    assert await asyncio.gather(*waiting) == [True, True]
    assert await pool.run(int, "7", deadline=Deadline.after_ms(5_000)) == 7
    pool.close()


async def test_a_slot_is_taken_until_the_thread_is_done_even_when_its_caller_has_gone() -> None:
    pool, release = WorkerPool("test", threads=1, queue=0), threading.Event()
    with pytest.raises(TimeoutError):
        await pool.run(release.wait, 5, deadline=Deadline.after_ms(20))
    with pytest.raises(PoolFull):
        await pool.run(int, deadline=Deadline.after_ms(20))
    release.set()
    pool.close()


async def test_the_request_id_goes_along_into_the_worker() -> None:
    pool = WorkerPool("test", threads=1, queue=0)
    with structlog.contextvars.bound_contextvars(request_id="order-7"):
        seen = await pool.run(structlog.contextvars.get_contextvars, deadline=Deadline.after_ms(1_000))
    pool.close()
    assert seen["request_id"] == "order-7"


@pytest.fixture
def store(tmp_path: Path) -> OverrideStore:
    return OverrideStore(open_state(ServiceSettings(var_dir=tmp_path)), "shop")


def test_an_override_is_in_force_until_its_end(store: OverrideStore) -> None:
    made = store.add("a", {"demand": 3.0}, owner="Ann", reason="party", ends_at=NOW + timedelta(days=1), now=NOW)
    assert store.active(now=NOW) == {"a": made}
    assert store.active(now=NOW + timedelta(days=2)) == {}


def test_a_later_override_wins_and_a_withdrawn_one_is_over(store: OverrideStore) -> None:
    end = NOW + timedelta(days=1)
    store.add("a", {"demand": 1.0}, owner="Ann", reason="party", ends_at=end, now=NOW)
    later = store.add("a", {"demand": 2.0}, owner="Bob", reason="larger", ends_at=end, now=NOW + timedelta(seconds=1))
    assert store.active(now=NOW)["a"].id == later.id
    assert store.withdraw(later.id, now=NOW)
    assert not store.withdraw(later.id, now=NOW)
    assert store.active(now=NOW)["a"].value == {"demand": 1.0}


@pytest.mark.parametrize("ends_at", [NOW, NOW - timedelta(days=1), NOW + timedelta(days=400), datetime(2026, 6, 2)])  # noqa: DTZ001  that one is the point
def test_an_override_without_a_sensible_end_is_refused(store: OverrideStore, ends_at: datetime) -> None:
    with pytest.raises(ValueError, match="ends_at"):
        store.add("a", {}, owner="Ann", reason="party", ends_at=ends_at, now=NOW)


def test_a_snapshot_keeps_its_last_copy_while_the_source_fails() -> None:
    answers = iter([1])
    snapshot = Snapshot("numbers", lambda: next(answers), first=0)
    snapshot.refresh()
    snapshot.refresh()
    assert (snapshot.value, snapshot.trouble) == (1, "can't be read: StopIteration")


def test_the_admin_token_is_kept_as_a_hash_and_shown_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ServiceSettings(var_dir=tmp_path)
    AdminGate(settings)
    token = capsys.readouterr().err.split()[-1]
    gate = AdminGate(settings)
    assert capsys.readouterr().err == ""
    assert gate.digest == digest_of(token)
    assert gate.digest != digest_of("guess")
    assert all(token not in path.read_text() for path in tmp_path.iterdir())


def test_the_public_names_are_those_that_exist_in_order() -> None:
    assert common.__all__ == sorted(common.__all__)
    assert all(hasattr(common, name) for name in common.__all__)


def test_importing_common_loads_no_web_framework_no_database_and_no_model_library() -> None:
    program = "import sys, common; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"fastapi", "sqlalchemy", "aiohttp", "httpx", "torch", "lightgbm", "polars", "numpy"} & set(loaded)


def test_sqlite_is_durable_and_shared(tmp_path: Path) -> None:
    engine = open_state(ServiceSettings(var_dir=tmp_path))
    with engine.connect() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]
