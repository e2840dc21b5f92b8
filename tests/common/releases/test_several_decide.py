"""Several people and processes decide about releases at the same time, and one of them may be late, or dead."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine

from common.releases.canary import CanaryJudge, CanaryPolicy, Verdict
from common.releases.desk import Refused, ReleaseDesk
from common.releases.policy import ReleasePolicy
from common.releases.rollout import NotLoadable, Rollouts
from common.releases.store import Conflict, ReleaseRecord, ReleaseStore, State
from common.versions.registry import Registry

MONDAY_MORNING = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
SATURDAY = datetime(2026, 3, 7, 10, 0, tzinfo=UTC)
ANN: dict[str, Any] = {"who": "ann", "why": "it is better"}
POLICY = ReleasePolicy(needs_approval=False, canary=CanaryPolicy(steps=(0.5, 1.0)), load_timeout_s=60.0)
AT_ONCE = ReleasePolicy(needs_approval=False, at_once=True)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Three versions of each, the first is champion."""
    registry = Registry(tmp_path / "registry")
    for component in ("ranker", "encoder", "filter"):
        for number in range(3):
            registry.publish(component, {"model": str(number).encode()}, alias=None)
        registry.point(component, "champion", "1.0.0")
    return registry


@pytest.fixture
def state(tmp_path: Path) -> Engine:
    return create_engine(f"sqlite:///{tmp_path / 'state.sqlite3'}")


@pytest.fixture
def desk(state: Engine, registry: Registry) -> ReleaseDesk:
    return _desk(state, registry)


def _desk(state: Engine, registry: Registry, *, now: datetime = MONDAY_MORNING) -> ReleaseDesk:
    policies = {"ranker": POLICY, "encoder": POLICY, "filter": AT_ONCE}
    return ReleaseDesk(ReleaseStore(state), registry, policies, now=lambda: now)


def _started(desk: ReleaseDesk, version: str = "1.1.0", component: str = "ranker") -> ReleaseRecord:
    release = desk.propose(component, version, report={}, **ANN)
    return desk.start(release.id, insist="both are needed", **ANN)


def _state(desk: ReleaseDesk, release: ReleaseRecord) -> State:
    found = desk.store.find(release.id)
    assert found is not None
    return found.state


def _break(monkeypatch: pytest.MonkeyPatch, registry: Registry, *, only: str) -> None:
    point = registry.point

    def full(component: str, *args: Any, **kwargs: Any) -> Any:
        if component == only:
            raise OSError("no space left on device")
        return point(component, *args, **kwargs)

    monkeypatch.setattr(registry, "point", full)


def test_a_release_that_waited_does_not_take_back_what_was_promoted_meanwhile(
    desk: ReleaseDesk, registry: Registry
) -> None:
    waited = desk.propose("ranker", "1.1.0", report={}, **ANN)
    desk.promote(_started(desk, "1.2.0").id, **ANN)

    with pytest.raises(Refused, match=r"compared with 1\.0\.0, and the champion is 1\.2\.0 by now"):
        desk.start(waited.id, insist="but I want it", **ANN)

    assert registry.champion("ranker") == "1.2.0"
    with pytest.raises(Refused, match="review it again"):
        desk.propose("ranker", "1.0.0", report={"champion": "1.1.0"}, **ANN)


@pytest.mark.parametrize(("by_hand", "ends"), [("1.2.0", State.ROLLED_BACK), ("1.1.0", State.PROMOTED)])
def test_a_rollout_ends_when_somebody_moves_the_champion_by_hand(
    desk: ReleaseDesk, registry: Registry, by_hand: str, ends: State
) -> None:
    release = _started(desk)
    registry.point("ranker", "champion", by_hand)

    desk.reconcile()

    assert (_state(desk, release), registry.champion("ranker")) == (ends, by_hand)
    assert desk.store.frozen("ranker") is None


def test_a_late_process_does_not_promote_again_what_was_taken_back(
    state: Engine, registry: Registry, desk: ReleaseDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = _started(desk)
    promoting = desk.store.change(release, State.PROMOTING, who="ann", why="good")
    late = _desk(state, registry)
    desk.reconcile()
    desk.roll_back(release.id, who="ann", why="complaints")
    listed = late.store.listed
    monkeypatch.setattr(late.store, "listed", lambda *a, **k: [promoting] if k.get("states") else listed(*a, **k))

    late.reconcile()

    assert (_state(desk, release), registry.champion("ranker")) == (State.ROLLED_BACK, "1.0.0")


def test_a_promotion_that_can_not_be_finished_can_be_taken_back_and_stops_nobody_else(
    desk: ReleaseDesk, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, other = _started(desk), _started(desk, component="encoder")
    rollouts = Rollouts(desk, loaded={"encoder": _unreadable})
    _break(monkeypatch, registry, only="ranker")

    assert desk.promote(stuck.id, **ANN).state == State.PROMOTING
    rollouts.refresh()

    assert "of ranker are stuck: release" in str(rollouts.trouble)
    assert _state(desk, other) == State.ROLLED_BACK
    monkeypatch.undo()
    assert desk.roll_back(stuck.id, **ANN).state == State.ROLLED_BACK
    assert registry.champion("ranker") == "1.0.0"
    rollouts.refresh()
    assert rollouts.trouble is None


def _unreadable(_version: str) -> bool:
    raise NotLoadable("damaged")


def test_what_is_taken_back_is_frozen_in_the_same_moment_with_who_did_it(desk: ReleaseDesk) -> None:
    release = _started(desk)

    desk.roll_back(release.id, who="a judge", why="failures", freeze=True)

    assert desk.store.frozen("ranker") == f"release {release.id} was taken back: failures"
    assert desk.store.freeze_events()[0].who == "a judge"


def test_a_component_has_one_rollout_and_nobody_can_insist_on_two(desk: ReleaseDesk) -> None:
    first, second = (desk.propose("ranker", version, report={}, **ANN) for version in ("1.1.0", "1.2.0"))
    desk.start(first.id, **ANN)

    with pytest.raises(Refused, match=r"ranker 1\.1\.0 is being rolled out") as refused:
        desk.start(second.id, insist="both, please", **ANN)
    assert not refused.value.may_insist
    with pytest.raises(Conflict, match="another release of ranker is under way"):  # who looked a moment earlier
        desk.store.change(second, State.CANARY, **ANN)


def test_a_version_is_proposed_once_however_many_propose_it(state: Engine, registry: Registry) -> None:
    desks = [_desk(state, registry) for _ in range(4)]
    together = threading.Barrier(len(desks))
    outcomes: list[str] = []

    def propose(desk: ReleaseDesk) -> None:
        together.wait()
        try:
            desk.propose("ranker", "1.1.0", report={}, **ANN)
            outcomes.append("proposed")
        except Conflict as conflict:
            outcomes.append(str(conflict))

    threads = [threading.Thread(target=propose, args=(desk,)) for desk in desks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["proposed", *["ranker 1.1.0 is proposed already"] * 3]


def test_what_goes_at_once_is_finished_by_the_next_process(
    desk: ReleaseDesk, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    _break(monkeypatch, registry, only="filter")
    assert _started(desk, component="filter").state == State.PROMOTING
    monkeypatch.undo()

    [finished] = desk.reconcile()

    assert finished.state == State.PROMOTED
    made = registry.history("filter", "champion")[-1]
    assert (made.version, made.who, made.why) == ("1.1.0", "ann", f"release {finished.id}: it is better")


def test_an_older_release_is_taken_back_along_with_what_is_rolled_out_after_it(
    desk: ReleaseDesk, registry: Registry
) -> None:
    older = _started(desk)
    desk.promote(older.id, **ANN)
    newer = _started(desk, "1.2.0")

    desk.roll_back(older.id, who="ann", why="complaints")

    assert (_state(desk, older), _state(desk, newer)) == (State.ROLLED_BACK, State.ROLLED_BACK)
    assert registry.champion("ranker") == "1.0.0"


def test_at_a_bad_moment_a_rollout_goes_on_only_for_who_insists(
    state: Engine, registry: Registry, desk: ReleaseDesk
) -> None:
    release, weekend = _started(desk), _desk(state, registry, now=SATURDAY)

    for step in (weekend.advance, weekend.promote):
        with pytest.raises(Refused, match="Saturday") as refused:
            step(release.id, **ANN)
        assert refused.value.may_insist

    assert weekend.advance(release.id, insist="a sale begins", **ANN).share == 1.0
    assert weekend.advance(release.id, insist="a sale begins", **ANN).state == State.PROMOTED


def test_by_itself_a_rollout_waits_for_a_good_moment_and_says_so(
    state: Engine, registry: Registry, desk: ReleaseDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, weekend = _started(desk), _desk(state, registry, now=SATURDAY)
    rollouts = Rollouts(weekend)
    rollouts.refresh()
    monkeypatch.setattr(rollouts, "_step_lasted", lambda *_: True)
    monkeypatch.setattr(CanaryJudge, "verdict", lambda _: Verdict("advance"))

    rollouts.refresh()

    assert _state(desk, release) == State.CANARY
    assert "Saturday" in rollouts.as_json()["ranker"]["waits_for"]
    assert rollouts.trouble is None


def test_a_paused_rollout_stays_paused_when_a_person_advances_it(desk: ReleaseDesk) -> None:
    release = _started(desk)
    desk.pause(release.id, **ANN)

    assert desk.advance(release.id, **ANN).paused
    assert not desk.resume(release.id, **ANN).paused


def test_a_release_that_is_never_in_memory_is_taken_back_with_the_reason(desk: ReleaseDesk) -> None:
    now_s = 0.0
    release = _started(desk)
    rollouts = Rollouts(desk, loaded={"ranker": lambda _: False}, clock=lambda: now_s)
    rollouts.refresh()
    assert rollouts.as_json()["ranker"]["waits_for"] == "it is not in memory yet where it is to serve"

    now_s = 61.0
    rollouts.refresh()

    assert _state(desk, release) == State.ROLLED_BACK
    assert "not in memory after 60 s" in str(desk.store.frozen("ranker"))


def test_a_damaged_version_of_something_else_stops_no_release(desk: ReleaseDesk, registry: Registry) -> None:
    (registry.root / "encoder" / "1.0.0" / "manifest.json").write_text("{")
    (registry.root / "ranker" / "1.2.0" / "manifest.json").write_text("{")

    assert _started(desk).state == State.CANARY
    assert registry.publish("ranker", {"model": b"1"}, alias=None).version == "1.1.0"
