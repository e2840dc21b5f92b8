"""What can be done to a release, what stands in the way, and that a decision survives whoever made it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine

from common.releases.canary import CanaryPolicy
from common.releases.desk import SERVICE, Refused, ReleaseDesk
from common.releases.policy import GoodHours, ReleasePolicy
from common.releases.store import Conflict, ReleaseStore, State
from common.versions.registry import Registry, UnknownVersion

MONDAY_MORNING = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
FRIDAY_AFTERNOON = datetime(2026, 3, 6, 15, 0, tzinfo=UTC)
ANN: dict[str, Any] = {"who": "ann", "why": "it is better"}


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry(tmp_path / "registry")
    registry.publish("ranker", {"model": b"one"}, alias="champion")
    registry.publish("ranker", {"model": b"two"}, alias="challenger")
    return registry


@pytest.fixture
def state(tmp_path: Path) -> Engine:
    return create_engine(f"sqlite:///{tmp_path / 'state.sqlite3'}")


def _desk(
    state: Engine,
    registry: Registry,
    *,
    now: datetime = MONDAY_MORNING,
    reviewed: bool = True,
    incident: str | None = None,
) -> ReleaseDesk:
    policies = {"ranker": ReleasePolicy(needs_approval=reviewed), "encoder": ReleasePolicy(needs_approval=False)}
    return ReleaseDesk(ReleaseStore(state), registry, policies, now=lambda: now, incident=lambda: incident)


def test_a_version_walks_from_proposal_over_canary_steps_to_champion(state: Engine, registry: Registry) -> None:
    desk = _desk(state, registry)
    release = desk.propose("ranker", "challenger", report={}, **ANN)
    desk.approve(release.id, who="bob", why="looked at forty searches")
    desk.start(release.id, **ANN)

    shares = [desk.advance(release.id, **ANN).share for _ in range(4)]

    assert shares == [0.05, 0.25, 1.0, 1.0]
    assert registry.resolve("ranker", "champion") == "1.1.0"
    told = [(event.who, event.what) for event in desk.store.events(release.id)]
    assert told[1] == ("bob", "approved")
    assert told[-1] == ("the service itself", "promoted")


def test_nothing_is_rolled_out_that_nobody_has_approved_where_a_person_has_to(
    state: Engine, registry: Registry
) -> None:
    desk = _desk(state, registry)
    release = desk.propose("ranker", "1.1.0", report={}, **ANN)

    with pytest.raises(Refused, match="approve"):
        desk.start(release.id, **ANN)

    desk.reject(release.id, who="bob", why="worse on two words")
    with pytest.raises(Conflict, match="rejected"):
        desk.start(release.id, **ANN)


def test_where_no_person_has_to_look_a_proposal_may_start_at_once(state: Engine, registry: Registry) -> None:
    desk = _desk(state, registry, reviewed=False)

    assert desk.start(desk.propose("ranker", "1.1.0", report={}, **ANN).id, **ANN).share == 0.01


def test_a_promoted_version_is_taken_back_in_one_step(state: Engine, registry: Registry) -> None:
    desk = _desk(state, registry, reviewed=False)
    release = desk.propose("ranker", "1.1.0", report={}, **ANN)
    desk.start(release.id, **ANN)
    desk.promote(release.id, **ANN)

    desk.roll_back(release.id, who="ann", why="complaints")

    assert registry.resolve("ranker", "champion") == "1.0.0"
    with pytest.raises(Conflict, match="rolled_back"):
        desk.roll_back(release.id, **ANN)


def test_an_old_release_does_not_take_back_a_newer_one(state: Engine, registry: Registry) -> None:
    desk = _desk(state, registry, reviewed=False)
    first = desk.propose("ranker", "1.1.0", report={}, **ANN)
    desk.start(first.id, **ANN)
    desk.promote(first.id, **ANN)
    registry.publish("ranker", {"model": b"three"}, alias="champion")

    with pytest.raises(Conflict, match="not the champion any more"):
        desk.roll_back(first.id, **ANN)

    assert registry.resolve("ranker", "champion") == "1.2.0"


@pytest.mark.parametrize("decided", [State.PROMOTING, State.ROLLING_BACK])
def test_what_a_process_decided_before_it_died_is_finished_by_the_next(
    state: Engine, registry: Registry, decided: State
) -> None:
    desk = _desk(state, registry, reviewed=False)
    release = desk.start(desk.propose("ranker", "1.1.0", report={}, **ANN).id, **ANN)
    desk.store.change(release, decided, who="ann", why="and then the power went")

    [finished] = _desk(state, registry).reconcile()

    promoted = decided == State.PROMOTING
    assert finished.state == (State.PROMOTED if promoted else State.ROLLED_BACK)
    assert registry.resolve("ranker", "champion") == ("1.1.0" if promoted else "1.0.0")
    assert _desk(state, registry).reconcile() == []


def test_of_two_who_change_the_same_release_one_is_told_no(state: Engine, registry: Registry) -> None:
    desk = _desk(state, registry)
    release = desk.propose("ranker", "1.1.0", report={}, **ANN)
    desk.approve(release.id, **ANN)

    with pytest.raises(Conflict, match="somebody else"):
        desk.store.change(release, State.REJECTED, who="ann", why="no")


def test_a_bad_moment_is_refused_unless_there_is_a_reason_which_is_written_down(
    state: Engine, registry: Registry
) -> None:
    desk = _desk(state, registry, now=FRIDAY_AFTERNOON, reviewed=False)
    release = desk.propose("ranker", "1.1.0", report={}, **ANN)

    with pytest.raises(Refused, match="Friday 15:00") as refused:
        desk.start(release.id, **ANN)
    assert refused.value.may_insist

    desk.start(release.id, insist="the old one is on fire", **ANN)
    assert desk.store.events(release.id)[-1].insist == "the old one is on fire"


def test_nothing_begins_during_an_incident_or_beside_another_rollout(state: Engine, registry: Registry) -> None:
    registry.publish("encoder", {"model": b"one"}, alias="champion")
    registry.publish("encoder", {"model": b"two"}, alias=None)
    desk = _desk(state, registry, reviewed=False)
    desk.start(desk.propose("ranker", "1.1.0", report={}, **ANN).id, **ANN)
    encoder = desk.propose("encoder", "1.1.0", report={}, **ANN)

    with pytest.raises(Refused, match=r"ranker 1\.1\.0 is being rolled out"):
        desk.start(encoder.id, **ANN)
    with pytest.raises(Refused, match="searches fail"):
        _desk(state, registry, reviewed=False, incident="searches fail").start(encoder.id, **ANN)


def test_a_frozen_component_stays_as_it_is_even_for_who_insists(state: Engine, registry: Registry) -> None:
    desk = _desk(state, registry, reviewed=False)
    release = desk.propose("ranker", "1.1.0", report={}, **ANN)
    desk.freeze("ranker", "the last one was taken back")

    with pytest.raises(Refused, match="frozen: the last one"):
        desk.start(release.id, insist="but I want it", **ANN)

    assert desk.thaw("ranker", **ANN)
    told = [(event.who, event.what, event.why) for event in desk.store.freeze_events()]
    assert told == [("ann", "thawed", "it is better"), (SERVICE, "frozen", "the last one was taken back")]
    assert desk.start(release.id, **ANN).state == State.CANARY


def test_a_version_made_for_another_encoder_is_not_released(state: Engine, registry: Registry) -> None:
    registry.publish("encoder", {"model": b"one"}, alias="champion")
    registry.publish("ranker", {"model": b"three"}, compatible_with={"encoder": "9.9.9"}, alias=None)
    desk = _desk(state, registry, reviewed=False)
    release = desk.propose("ranker", "1.2.0", report={}, **ANN)

    with pytest.raises(Refused, match=r"made for encoder 9\.9\.9, and the champion is 1\.0\.0"):
        desk.start(release.id, **ANN)


def test_a_version_that_would_leave_its_dependents_behind_is_not_released(state: Engine, registry: Registry) -> None:
    registry.publish("encoder", {"model": b"one"}, alias="champion")
    registry.publish("encoder", {"model": b"two"}, alias=None)
    registry.publish("ranker", {"model": b"three"}, compatible_with={"encoder": "1.0.0"}, alias="champion")
    desk = _desk(state, registry)
    release = desk.propose("encoder", "1.1.0", report={}, **ANN)

    with pytest.raises(Refused, match=r"no ranker is made for 1\.1\.0"):
        desk.start(release.id, **ANN)

    registry.publish("ranker", {"model": b"four"}, compatible_with={"encoder": "1.1.0"}, alias=None)
    assert desk.start(release.id, **ANN).state == State.CANARY


def test_unknown_components_versions_and_releases_are_told_apart(state: Engine, registry: Registry) -> None:
    desk = _desk(state, registry)

    for component, version in (("cook", "1.0.0"), ("ranker", "7.0.0")):
        with pytest.raises(UnknownVersion):
            desk.propose(component, version, report={}, **ANN)
    with pytest.raises(UnknownVersion):
        desk.approve("0123", **ANN)
    with pytest.raises(Refused, match="champion already"):
        desk.propose("ranker", "champion", report={}, **ANN)


@pytest.mark.parametrize(
    ("moment", "good"),
    [
        (datetime(2026, 3, 6, 11, 59, tzinfo=UTC), True),
        (datetime(2026, 3, 6, 12, 0, tzinfo=UTC), False),
        (datetime(2026, 3, 7, 10, 0, tzinfo=UTC), False),
        (datetime(2026, 3, 4, 3, 0, tzinfo=UTC), False),
        (datetime(2026, 3, 4, 10, 0, tzinfo=UTC), False),
        (datetime(2026, 3, 5, 10, 0, tzinfo=UTC), True),
    ],
)
def test_good_hours_are_working_hours_but_not_friday_after_lunch(moment: datetime, good: bool) -> None:
    hours = GoodHours(holidays=frozenset({date(2026, 3, 4)}))

    assert (hours.objection(moment) is None) == good


def test_the_last_step_of_a_plan_of_one_step_is_promotion(state: Engine, registry: Registry) -> None:
    policies = {"ranker": ReleasePolicy(needs_approval=False, canary=CanaryPolicy(steps=(1.0,)))}
    desk = ReleaseDesk(ReleaseStore(state), registry, policies, now=lambda: MONDAY_MORNING)
    release = desk.start(desk.propose("ranker", "1.1.0", report={}, **ANN).id, **ANN)

    assert desk.advance(release.id, **ANN).state == State.PROMOTED
