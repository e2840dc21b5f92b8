"""Updates stop at the first malfunction: what an alarm about past forecasts does to releases."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from common.releases.desk import ReleaseDesk
from common.releases.policy import ReleasePolicy
from common.releases.store import ReleaseRecord, ReleaseStore, State
from common.versions.registry import Registry
from supermegaretail.monitoring.alarms import Alarm
from supermegaretail.releasing.alarm_watch import AlarmWatch

MONDAY_MORNING = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
ANN = {"who": "ann", "why": "it is better"}
SINCE = "2026-03-02T10:00:00+00:00"


def alarm(version: str, tier: str = "correction") -> Alarm:
    return Alarm("bias", tier, version, f"{tier} {version}: 8,400 units were forecast and 7,070 sold")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry(tmp_path / "registry")
    registry.publish("core", {"model": b"one"}, alias="champion")
    registry.publish("core", {"model": b"two"}, alias=None)
    return registry


@pytest.fixture
def state(tmp_path: Path) -> Engine:
    return create_engine(f"sqlite:///{tmp_path / 'state.sqlite3'}")


@pytest.fixture
def desk(registry: Registry, state: Engine) -> ReleaseDesk:
    policies = {"core": ReleasePolicy(needs_approval=False)}
    return ReleaseDesk(ReleaseStore(state), registry, policies, now=lambda: MONDAY_MORNING)


def started(desk: ReleaseDesk) -> ReleaseRecord:
    return desk.start(desk.propose("core", "1.1.0", report={}, **ANN).id, **ANN)


def watch(desk: ReleaseDesk, registry: Registry, state: Engine, *standing: Alarm) -> AlarmWatch:
    return AlarmWatch(desk, registry, state, lambda: dict.fromkeys(standing, SINCE))


def state_of(desk: ReleaseDesk, release: ReleaseRecord) -> State:
    found = desk.store.find(release.id)
    assert found is not None
    return found.state


def test_an_alarm_about_the_version_that_is_rolled_out_takes_it_back_and_freezes(
    desk: ReleaseDesk, registry: Registry, state: Engine
) -> None:
    release = started(desk)

    watch(desk, registry, state, alarm("1.1.0+1.0.0")).refresh()

    assert state_of(desk, release) == State.ROLLED_BACK
    assert "8,400 units" in str(desk.store.frozen("core"))
    assert registry.resolve("core", "champion") == "1.0.0"


def test_an_alarm_about_the_champion_lets_it_serve_and_the_rollout_go_on_but_no_other_release_begins(
    desk: ReleaseDesk, registry: Registry, state: Engine
) -> None:
    release = started(desk)

    watch(desk, registry, state, alarm("1.0.0+1.0.0")).refresh()

    assert state_of(desk, release) == State.CANARY
    assert registry.resolve("core", "champion") == "1.0.0"
    assert "1.0.0" in str(desk.store.frozen("core"))


@pytest.mark.parametrize("other", [alarm("0.9.0"), alarm("1.0.0", tier="moving_average")])
def test_alarms_about_what_is_not_released_here_stop_nothing(
    desk: ReleaseDesk, registry: Registry, state: Engine, other: Alarm
) -> None:
    watch(desk, registry, state, other).refresh()
    assert desk.store.frozen("core") is None


def test_who_thaws_while_the_alarm_stands_has_seen_it_also_after_a_restart(
    desk: ReleaseDesk, registry: Registry, state: Engine
) -> None:
    first = watch(desk, registry, state, alarm("1.0.0", tier="core"))
    first.refresh()
    desk.thaw("core", **ANN)

    first.refresh()
    watch(desk, registry, state, alarm("1.0.0", tier="core")).refresh()

    assert desk.store.frozen("core") is None


def test_an_alarm_that_stood_before_its_version_was_rolled_out_counts_when_it_is(
    desk: ReleaseDesk, registry: Registry, state: Engine
) -> None:
    watching = watch(desk, registry, state, alarm("1.1.0"))
    watching.refresh()
    assert desk.store.frozen("core") is None

    release = started(desk)
    watching.refresh()

    assert state_of(desk, release) == State.ROLLED_BACK


def test_a_lost_database_is_a_trouble_and_the_alarm_is_not_forgotten(
    desk: ReleaseDesk, registry: Registry, state: Engine, tmp_path: Path
) -> None:
    watching = watch(desk, registry, state, alarm("1.0.0"))
    path = tmp_path / "state.sqlite3"
    state.dispose()
    path.rename(tmp_path / "away")
    watching.refresh()
    assert "alarms" in str(watching.trouble)

    state.dispose()
    (tmp_path / "away").rename(path)
    watching.refresh()
    assert (watching.trouble, desk.store.frozen("core") is None) == (None, False)
