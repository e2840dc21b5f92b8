"""Manual switches: an owner, a reason and an end, without a database and with one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from structlog.testing import capture_logs

from common.calls.breaker import Breaker
from common.chain.fallback import FallbackChain, OptionalStage
from common.chain.standing import Standing
from common.chain.switches import Position, Switch, Switchboard
from common.deadline import Deadline
from common.service.problems import Problem
from common.settings import ServiceSettings
from common.state.controls import Controls, UnknownTarget, WrongState
from common.state.database import open_state
from common.state.overrides import OverrideStore
from tests.common.chain.test_fallback import constant, doubling, tier

REFUSED = "CREATE TRIGGER refused BEFORE UPDATE ON overrides BEGIN SELECT RAISE(ABORT, 'no'); END"
START = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Now:
    """A time of day that moves when told to."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
def now() -> Now:
    return Now()


def switch(target: str = "best", state: Position = "off", *, minutes: float = 5) -> Switch:
    ends_at = START + timedelta(minutes=minutes)
    return Switch(target=target, state=state, owner="Ann", reason="it raves", ends_at=ends_at)


async def served_by(switches: Switchboard, *stages: OptionalStage[str, float]) -> tuple[str, str | None]:
    chain = FallbackChain([tier("best", a=1.0), constant()], stages, standing=Standing(switches))
    [served] = await chain.answer(["a"], Deadline.after_ms(200))
    return served.served_by, served.reason


async def test_a_tier_that_is_switched_off_is_not_asked_until_the_switch_ends(now: Now) -> None:
    switches = Switchboard(lambda: {"best": switch()}, clock=now)
    assert await served_by(switches) == ("constant", "best:switched_off")
    now.moment += timedelta(minutes=5)
    assert await served_by(switches) == ("best", None)


async def test_a_stage_that_is_switched_off_leaves_the_answer_as_it_is(now: Now) -> None:
    switches = Switchboard(lambda: {"stage": switch("stage")}, clock=now)
    assert await served_by(switches, doubling()) == ("best", "stage:switched_off")


async def test_the_last_tier_is_asked_whatever_the_switches_say(now: Now) -> None:
    switches = Switchboard(lambda: {"best": switch(), "constant": switch("constant")}, clock=now)
    assert await served_by(switches) == ("constant", "best:switched_off")


def controls_over(engine: Engine, now: Now, breaker: Breaker | None = None) -> Controls:
    controls = Controls(
        engine,
        "shop",
        tiers=["best", "last"],
        required={"last": "it is the last tier"},
        breakers={"model": breaker or Breaker()},
        registry=CollectorRegistry(),
        now=now,
    )
    controls.refresh()
    return controls


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_state(ServiceSettings.model_validate({"var_dir": tmp_path}))
    yield engine
    engine.dispose()


def test_a_switch_is_seen_by_other_replicas_and_after_a_restart(engine: Engine, now: Now) -> None:
    here, there = controls_over(engine, now), controls_over(engine, now)
    here.put(switch())
    assert here.switches.position("best") == "off"
    there.refresh()
    assert there.switches.find("best") == here.switches.find("best") == switch()
    assert controls_over(engine, now).switches.position("best") == "off"


def test_the_last_decision_counts_and_one_removal_undoes_all_of_them(engine: Engine, now: Now) -> None:
    controls = controls_over(engine, now)
    controls.put(switch(minutes=60))
    now.moment -= timedelta(seconds=1)  # as on a replica whose clock is behind
    controls.put(switch(state="on", minutes=60))
    assert controls.switches.position("best") == "on"
    assert controls.remove("best") is True
    assert controls.switches.position("best") == "auto"
    assert controls.remove("best") is False


def test_a_switch_takes_the_place_of_others_at_once_or_not_at_all(engine: Engine, now: Now) -> None:
    controls = controls_over(engine, now)
    store = OverrideStore(engine, "shop.switches")
    for state in ("off", "on"):  # as two replicas wrote them at one moment
        store.add("best", {"state": state}, owner="A", reason="x", ends_at=START + timedelta(hours=1), now=START)
    with engine.begin() as connection:
        connection.exec_driver_sql(REFUSED)
    with pytest.raises(SQLAlchemyError):
        controls.put(switch(state="on"))
    assert len(store.in_force(now=START)) == 2
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER refused")
    controls.put(switch(state="on"))
    assert [one.owner for one in store.in_force(now=START)] == ["Ann"]
    now.moment += timedelta(minutes=5)
    controls.refresh()
    assert controls.switches.position("best") == "auto"


def test_whoever_switches_without_the_database_being_read_here_is_told_that_it_is_only_stored(
    engine: Engine, now: Now, monkeypatch: pytest.MonkeyPatch
) -> None:
    controls = controls_over(engine, now)
    gone = OperationalError("SELECT", {}, Exception("gone"))
    with monkeypatch.context() as broken:
        broken.setattr(OverrideStore, "active", mock.Mock(side_effect=gone))
        with pytest.raises(Problem, match="the switch is stored, but not seen here yet") as told:
            controls.put(switch())
        assert told.value.status == 503
    controls.refresh()
    assert controls.switches.position("best") == "off"


def test_a_switch_of_one_service_is_none_of_another(engine: Engine, now: Now) -> None:
    controls_over(engine, now).put(switch())
    other = Controls(engine, "zoo", tiers=["best"], required={}, breakers={}, registry=CollectorRegistry(), now=now)
    other.refresh()
    assert other.switches.position("best") == "auto"


@pytest.mark.parametrize(
    ("wish", "error", "sentence"),
    [
        (switch("worst"), UnknownTarget, "there is no 'worst' to switch; there are best, last, upstream:model"),
        (switch("last"), WrongState, "last can't be switched off: it is the last tier"),
        (switch(state="open"), WrongState, "best can be on, off or auto"),
        (switch("upstream:model"), WrongState, "upstream:model can be open, closed or observe"),
        (switch(minutes=-1), ValueError, "ends_at must lie between now and 366 days from now"),
    ],
)
def test_a_switch_that_makes_no_sense_is_refused_with_a_sentence(
    engine: Engine, now: Now, wish: Switch, error: type[Exception], sentence: str
) -> None:
    controls = controls_over(engine, now)
    with pytest.raises(error, match=sentence):
        controls.put(wish)
    assert all(shown["switch"] is None for shown in controls.as_json())


def test_a_breaker_obeys_its_switch_until_it_ends_or_is_removed(engine: Engine, now: Now) -> None:
    breaker = Breaker(now=now)
    controls = controls_over(engine, now, breaker)
    controls.put(switch("upstream:model", "open"))
    assert not breaker.admits()
    now.moment += timedelta(minutes=5)
    assert breaker.admits()
    controls.put(switch("upstream:model", "open", minutes=60))
    assert not breaker.admits()
    controls.remove("upstream:model")
    assert breaker.admits()


def test_without_the_database_the_last_known_switches_stay_in_force(engine: Engine, now: Now) -> None:
    controls = controls_over(engine, now)
    controls.put(switch())
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE overrides RENAME TO gone")
    controls.refresh()
    assert controls.switches.position("best") == "off"
    assert controls.trouble is not None


def test_the_numbers_tell_the_manual_position_and_its_end(engine: Engine, now: Now) -> None:
    registry = CollectorRegistry()
    controls = Controls(engine, "shop", tiers=["best"], required={}, breakers={}, registry=registry, now=now)
    controls.put(switch())

    def position() -> float | None:
        return registry.get_sample_value("switch_position", {"target": "best"})

    assert position() == 2
    now.moment += timedelta(minutes=5)
    assert position() == 0
    assert registry.get_sample_value("fallback_tier_state", {"tier": "best"}) == 0


def test_who_switched_what_and_why_is_logged(engine: Engine, now: Now) -> None:
    controls = controls_over(engine, now)
    with capture_logs() as lines:
        controls.put(switch())
        controls.remove("best")
        controls.remove("best")
    told = [(line["event"], line["target"], line["state"], line["owner"], line["reason"]) for line in lines]
    assert told == [(event, "best", "off", "Ann", "it raves") for event in ("switch.set", "switch.removed")]
