"""Calls are counted without making anybody wait, and none is lost while the database is away for a moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from common.lifecycle import usage as usage_module
from common.lifecycle.usage import OTHERS, Usage
from common.lifecycle.usage_store import KEEP_DAYS, UsageStore, Use
from common.settings import ServiceSettings
from common.state.database import open_state

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
def state(tmp_path: Path) -> Engine:
    return open_state(ServiceSettings(var_dir=tmp_path))


def test_replicas_add_to_the_same_counts(state: Engine) -> None:
    for _ in range(2):
        replica = Usage(UsageStore(state, "shop"), clock=lambda: NOW)
        for _ in range(3):
            replica.note("till", "GET /v1/search", "1.0.0")
        replica.flush()
    (used,) = UsageStore(state, "shop").used(days=1, now=NOW)
    assert (used.caller, used.endpoint, used.version, used.calls) == ("till", "GET /v1/search", "1.0.0", 6)
    assert UsageStore(state, "another").used(days=1, now=NOW) == []


def test_what_can_not_be_stored_is_kept_for_the_next_time(state: Engine) -> None:
    class Away(UsageStore):
        def add(self, counts: Mapping[Use, int], *, now: datetime) -> None:
            raise OperationalError("insert", {}, Exception("away"))

    counter = Usage(Away(state, "shop"), clock=lambda: NOW)
    counter.note("till", "GET /v1/search")
    counter.flush()
    assert counter.trouble == "can't be stored: OperationalError"
    counter.note("till", "GET /v1/search")
    counter.store = UsageStore(state, "shop")
    counter.flush()
    assert counter.trouble is None
    assert [used.calls for used in counter.store.used(days=1, now=NOW)] == [2]


def test_however_many_callers_there_are_memory_is_bounded(state: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_module, "MAX_COUNTED", 10)
    counter = Usage(UsageStore(state, "shop"), clock=lambda: NOW)
    for number in range(100):
        counter.note(f"caller {number}", "GET /v1/search", str(number))
    counter.flush()
    used = counter.store.used(days=1, now=NOW)
    assert sum(one.calls for one in used) == 100
    assert len(used) == 21
    assert any(one.caller == OTHERS for one in used)


def test_old_days_are_forgotten_and_recent_ones_are_not(state: Engine) -> None:
    store = UsageStore(state, "shop")
    store.add({Use("old", "GET /", ""): 1}, now=NOW - timedelta(days=KEEP_DAYS + 1))
    store.add({Use("new", "GET /", ""): 1}, now=NOW)
    store.tidy(now=NOW)
    assert store.counted_since() == "2026-12-01"
    assert [one.caller for one in store.used(days=KEEP_DAYS * 2, now=NOW)] == ["new"]


def test_counts_are_stored_when_the_service_ends(state: Engine) -> None:
    counter = Usage(UsageStore(state, "shop"), clock=lambda: NOW, every_s=3_600)
    counter.start()
    counter.note("till", "GET /v1/search")
    counter.close()
    assert [one.calls for one in counter.store.used(days=1, now=NOW)] == [1]
