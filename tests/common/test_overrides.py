"""What every service's overrides share: the store, the live copy, the counts and the report."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from common.__main__ import parser
from common.command_line import Failed
from common.overrides.contract import NewDecision
from common.overrides.live import LiveOverrides
from common.overrides.report import Limits, concerns
from common.overrides.uses import Count, OverrideUses
from common.panel.commands import at_the_shell
from common.settings import ServiceSettings
from common.state import overrides as state
from common.state.database import open_state
from common.state.overrides import Clash, Override, OverrideStore

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
OLD_TABLE = """CREATE TABLE overrides (
  id VARCHAR(32) PRIMARY KEY, scope VARCHAR(64) NOT NULL, target VARCHAR(512) NOT NULL,
  value TEXT NOT NULL, owner VARCHAR(200) NOT NULL, reason TEXT NOT NULL, created_at VARCHAR(40) NOT NULL,
  ends_at VARCHAR(40) NOT NULL, withdrawn_at VARCHAR(40))"""


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_state(ServiceSettings(var_dir=tmp_path))


def add(store: OverrideStore, target: str = "a", *, days: float = 30, now: datetime = NOW, **more: str) -> Override:
    return store.add(target, {}, owner="Ann", reason="party", ends_at=now + timedelta(days=days), now=now, **more)  # type: ignore[arg-type]


def test_a_database_of_an_earlier_version_keeps_its_overrides(tmp_path: Path) -> None:
    engine = open_state(ServiceSettings(var_dir=tmp_path))
    with engine.begin() as connection:
        connection.exec_driver_sql(OLD_TABLE)
        values = (
            "'1', 'shop', 'a', '{}', 'Ann', 'party', '2026-01-01T00:00:00.000+00:00', '2026-12-01T00:00:00.000+00:00'"
        )
        connection.exec_driver_sql(f"INSERT INTO overrides VALUES ({values}, NULL)")
    store = OverrideStore(engine, "shop")
    add(store, "b", ticket="T-1", plan="retrain", plan_due="2026-07-01")
    old, new = store.in_force(now=NOW)
    assert (old.id, old.ticket, old.plan_due, new.ticket, new.plan) == ("1", "", None, "T-1", "retrain")


def test_one_that_replaces_another_ends_it_in_the_same_moment(engine: Engine) -> None:
    store = OverrideStore(engine, "shop")
    first = add(store)
    second = add(store, replaces=first.id)
    assert [one.id for one in store.in_force(now=NOW)] == [second.id]
    assert [one.id for one in store.past(now=NOW)] == [first.id]
    with pytest.raises(LookupError):
        add(store, replaces=first.id)
    assert [one.id for one in store.in_force(now=NOW)] == [second.id]


def test_a_clash_leaves_everything_as_it_was(engine: Engine) -> None:
    store = OverrideStore(engine, "shop")
    first = add(store)

    def refuse(others: Sequence[Override]) -> None:
        raise Clash("two of a kind", others[0].id)

    before = store.revision()
    with pytest.raises(Clash) as clash:
        store.add("a", {}, owner="Bob", reason="x", ends_at=NOW + timedelta(days=1), now=NOW, clash=refuse)
    assert (clash.value.other, store.revision(), len(store.in_force(now=NOW))) == (first.id, before, 1)


def test_no_more_are_in_force_than_anybody_can_know(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MOST_IN_FORCE", 2)
    store = OverrideStore(engine, "shop")
    add(store), add(store, "b")
    with pytest.raises(state.TooMany):
        store.add("c", {}, owner="B", reason="x", ends_at=NOW + timedelta(days=1), now=NOW, clash=lambda _: None)


def test_the_live_copy_is_made_anew_only_after_a_change(engine: Engine) -> None:
    made: list[int] = []

    def count(found: Sequence[Override]) -> int:
        made.append(len(found))
        return len(found)

    store, other = OverrideStore(engine, "shop"), OverrideStore(engine, "shop")
    live = LiveOverrides(store, count)
    live.refresh()
    live.refresh()
    one = add(other, now=datetime.now(UTC))
    live.refresh()
    live.refresh()
    assert live.value == 1
    other.withdraw(one.id, now=datetime.now(UTC))
    live.refresh()
    assert made == [0, 1, 0]  # the first of them before anything was read


def test_uses_of_all_replicas_are_added_up(engine: Engine) -> None:
    store = OverrideStore(engine, "shop")
    one = add(store, now=datetime.now(UTC))
    first, second = OverrideUses(store), OverrideUses(store)
    first.note(one.id, Count(2, 1, -3.0, 3.0))
    first.note(one.id, Count(1))
    second.note(one.id, Count(1, 1, 1.0, 1.0))
    for uses in (first, second, first):
        uses.flush()
    told = first.stored[one.id]
    assert (told["used"], told["compared"], told["difference"], told["distance"]) == (4, 2, -2.0, 4.0)


def test_counts_that_could_not_be_stored_are_kept(engine: Engine) -> None:
    store = OverrideStore(engine, "shop")
    one = add(store, now=datetime.now(UTC))
    uses = OverrideUses(store)
    uses.note(one.id, Count(2))
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE override_uses RENAME TO gone")
    uses.flush()
    assert uses.trouble is not None
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO override_uses")
    uses.flush()
    assert uses.stored[one.id]["used"] == 2
    assert not uses.trouble


def test_each_reason_for_a_look_is_told(engine: Engine) -> None:
    store = OverrideStore(engine, "shop")
    fresh = add(store, ticket="T-1", plan="retrain", plan_due="2026-08-01", days=60)

    def told(days: float, used_days_ago: float | None = None) -> list[str]:
        now = NOW + timedelta(days=days)
        used = None if used_days_ago is None else (now - timedelta(days=used_days_ago)).isoformat()
        return concerns(fresh, last_used_at=used, counted=True, limits=Limits.at(now))

    assert told(1) == []
    assert told(20) == ["unused"]
    assert told(20, 1) == []
    assert told(55, 1) == ["expiring"]
    assert told(92, 1) == ["expiring", "old", "past_plan"]
    bare = concerns(add(store), last_used_at=None, counted=True, limits=Limits.at(NOW))
    assert bare == ["no_plan", "no_ticket"]


def test_one_that_ended_is_out_of_force_while_the_database_is_away(engine: Engine) -> None:
    store, now = OverrideStore(engine, "shop"), datetime.now(UTC)
    add(store, days=1 / 86_400, now=now), add(store, "b", now=now)
    live = LiveOverrides(store, lambda found: [one.target for one in found])
    live.refresh()
    assert sorted(live.value) == ["a", "b"]
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE override_revisions RENAME TO gone")
    while datetime.now(UTC) <= now + timedelta(seconds=1.01):
        time.sleep(0.02)
    live.refresh()
    assert live.value == ["b"]
    assert live.trouble is not None


@pytest.mark.parametrize("away", [False, True])
def test_a_clock_that_jumps_an_hour_and_back_leaves_everything_in_force(engine: Engine, away: bool) -> None:
    moment = [NOW]
    store = OverrideStore(engine, "shop")
    add(store, days=1 / 48), add(store, "b")
    live = LiveOverrides(store, lambda found: [one.target for one in found], clock=lambda: moment[0])
    live.refresh()
    moment[0] += timedelta(hours=1)
    with engine.begin() as connection:
        if away:
            connection.exec_driver_sql("ALTER TABLE override_revisions RENAME TO gone")
    live.refresh()
    assert live.value == ["b"]
    moment[0] -= timedelta(minutes=59)
    with engine.begin() as connection:
        if away:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO override_revisions")
    live.refresh()
    assert sorted(live.value) == ["a", "b"]


def test_after_a_change_only_what_is_new_is_read(engine: Engine) -> None:
    store, now = OverrideStore(engine, "shop"), datetime.now(UTC)
    first = add(store, now=now)
    live = LiveOverrides(store, len)
    live.refresh()
    [known] = live.all
    add(store, "b", now=now + timedelta(seconds=1))
    live.refresh()
    assert [one.target for one in live.all] == ["a", "b"]
    assert any(one is known for one in live.all)
    assert store.in_force(now=now, known={first.id: known})[0] is known


def test_withdrawing_what_is_not_there_changes_nothing_and_why_is_kept(engine: Engine) -> None:
    store = OverrideStore(engine, "shop")
    one = add(store)
    before = store.revision()
    assert not store.withdraw("0" * 16, now=NOW)
    assert store.revision() == before
    assert store.withdraw(one.id, now=NOW, why="the party is off")
    assert store.past(now=NOW)[0].withdrawn_why == "the party is off"


def test_uses_that_another_replica_counted_arrive_without_reading_all(engine: Engine) -> None:
    store = OverrideStore(engine, "shop")
    one, two = add(store, now=datetime.now(UTC)), add(store, "b", now=datetime.now(UTC))
    first, second = OverrideUses(store), OverrideUses(store)
    first.note(one.id, Count(1))
    first.flush()
    second.note(two.id, Count(1))
    second.flush()
    first.flush()
    assert {override_id: use["used"] for override_id, use in first.stored.items()} == {one.id: 1, two.id: 1}


def run(arguments: list[str]) -> int:
    told = parser().parse_args(arguments)
    return int(told.run(told))


def test_what_is_typed_at_the_shell_belongs_to_who_typed_it_unless_it_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    ends_at = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    fields = ["store=7", "effect=factor", "value=1.5", "reason=a party", f"ends_at={ends_at}"]
    assert run(["overrides", "add", *fields]) == 0
    assert json.loads(capsys.readouterr().out)["owner"] == at_the_shell()
    with pytest.raises(Failed, match="owner: "):
        run(["overrides", "add", *fields, "owner="])


def test_without_an_operator_a_decision_that_names_no_owner_is_refused() -> None:
    with pytest.raises(ValidationError, match="owner"):
        NewDecision.model_validate({"reason": "a party", "ends_at": NOW})


def test_a_database_that_another_program_locks_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    ends_at = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    locked = OperationalError("INSERT", {}, Exception("database is locked"))
    monkeypatch.setattr(OverrideStore, "add", mock.Mock(side_effect=locked))
    with pytest.raises(Failed, match="the state database can't take it: database is locked"):
        run(["overrides", "add", "store=7", "effect=factor", "value=1.5", "reason=a party", f"ends_at={ends_at}"])


def test_the_command_line_takes_numbers_as_each_field_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    ends_at = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    fields = ["store=7", "sku=0012", "effect=factor", "value=1.5", "owner=Ann", "reason=a party", f"ends_at={ends_at}"]

    assert run(["overrides", "add", *fields]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["store"], told["sku"], told["value"]) == ("7", "0012", 1.5)
    assert run(["overrides", "list"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == told["id"]
    assert run(["overrides", "withdraw", told["id"], "--reason", "it is over"]) == 0
