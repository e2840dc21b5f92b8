"""Which version a request meets, and what the service does by itself about what it sees."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from common.panel.health import releases
from common.releases.canary import Answered, CanaryPolicy
from common.releases.desk import ReleaseDesk
from common.releases.policy import ReleasePolicy
from common.releases.rollout import Assigned, Rollouts
from common.releases.store import ReleaseStore, State
from common.versions.registry import Registry

FINE = Answered(failed=False, latency_ms=10.0)
FAILED = Answered(failed=True, latency_ms=10.0)
POLICY = ReleasePolicy(
    needs_approval=False,
    canary=CanaryPolicy(steps=(0.5, 1.0), requests_per_step=20, comparisons_per_step=20, step_s=60.0),
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(tmp_path: Path) -> ReleaseDesk:
    registry = Registry(tmp_path / "registry")
    registry.publish("ranker", {"model": b"one"}, alias="champion")
    registry.publish("ranker", {"model": b"two"}, alias=None)
    store = ReleaseStore(create_engine(f"sqlite:///{tmp_path / 'state.sqlite3'}"))
    return ReleaseDesk(store, registry, {"ranker": POLICY}, now=lambda: datetime(2026, 3, 2, 10, tzinfo=UTC))


@pytest.fixture
def release_id(desk: ReleaseDesk) -> str:
    release = desk.propose("ranker", "1.1.0", who="ann", why="newer", report={})
    return desk.start(release.id, who="ann", why="newer").id


@pytest.fixture
def rollouts(desk: ReleaseDesk, clock: Clock, release_id: str) -> Rollouts:
    rollouts = Rollouts(desk, clock=clock)
    rollouts.refresh()
    return rollouts


def _item_of(rollouts: Rollouts, arm: str) -> str:
    return next(str(n) for n in range(1_000) if _assigned(rollouts, str(n)).arm == arm)


def _assigned(rollouts: Rollouts, item: str, *, asked: str = "champion") -> Assigned:
    return rollouts.assign("ranker", asked, caller="shop", item=item)


def test_without_a_rollout_everybody_gets_what_was_asked_for(desk: ReleaseDesk) -> None:
    assert _assigned(Rollouts(desk), "a") == Assigned("champion")


def test_what_waits_for_a_person_is_on_the_home_page_until_somebody_decides(desk: ReleaseDesk) -> None:
    rollouts = Rollouts(desk)
    assert releases(rollouts).level == "quiet"
    proposed = desk.propose("ranker", "1.1.0", who="ann", why="newer", report={})
    desk.store.add("of another service", from_version=None, to_version="7", report={}, who="ann", why="newer")
    rollouts.refresh()
    told = releases(rollouts)
    assert (told.level, told.sentence) == ("attention", "0 under way, 1 waiting for a person")
    assert told.lines == [("ranker", "1.1.0 is proposed")]
    desk.approve(proposed.id, who="ben", why="it is good")
    rollouts.refresh()
    assert releases(rollouts).lines == [("ranker", "1.1.0 is approved")]
    desk.start(proposed.id, who="ben", why="now")
    rollouts.refresh()
    assert releases(rollouts).sentence == "1 under way, 0 waiting for a person"


def test_about_its_share_of_the_requests_meet_the_challenger_and_always_the_same_ones(rollouts: Rollouts) -> None:
    arms = [_assigned(rollouts, str(n)).arm for n in range(1_000)]

    assert 430 < arms.count("challenger") < 570
    assert arms == [_assigned(rollouts, str(n)).arm for n in range(1_000)]


def test_both_arms_ask_for_a_number_so_that_a_promotion_in_between_changes_nothing(rollouts: Rollouts) -> None:
    assert _assigned(rollouts, _item_of(rollouts, "champion")) == Assigned("1.0.0", "champion")
    assert _assigned(rollouts, _item_of(rollouts, "challenger")) == Assigned("1.1.0", "challenger", "1.0.0")


def test_who_asks_for_a_version_gets_that_version(rollouts: Rollouts) -> None:
    item = _item_of(rollouts, "challenger")

    assert _assigned(rollouts, item, asked="1.0.0") == Assigned("1.0.0")


def test_a_refuted_challenger_gets_no_further_request_here_and_is_taken_back_and_frozen(
    rollouts: Rollouts, desk: ReleaseDesk, release_id: str
) -> None:
    item = _item_of(rollouts, "challenger")
    while _assigned(rollouts, item).arm == "challenger":
        rollouts.both_answered("ranker", FINE, FAILED)

    rollouts.refresh()

    release = desk.store.find(release_id)
    assert release is not None
    assert release.state == State.ROLLED_BACK
    assert "failures" in (desk.store.frozen("ranker") or "")
    assert _assigned(rollouts, item).arm == "champion"
    rollouts.refresh()
    assert _assigned(rollouts, item) == Assigned("champion")


def test_a_good_challenger_is_moved_on_after_enough_requests_and_enough_time(
    rollouts: Rollouts, desk: ReleaseDesk, release_id: str, clock: Clock
) -> None:
    def share() -> float:
        rollouts.refresh()
        release = desk.store.find(release_id)
        assert release is not None
        return release.share

    for _ in range(20):
        rollouts.answered("ranker")
        rollouts.both_answered("ranker", FINE, FINE)
    assert share() == 0.5  # not long enough yet
    clock.now_s = 61
    assert share() == 1.0
    clock.now_s = 200
    assert share() == 1.0
    for _ in range(20):
        rollouts.answered("ranker")
        rollouts.both_answered("ranker", FINE, FINE)
    clock.now_s = 300
    rollouts.refresh()
    release = desk.store.find(release_id)
    assert release is not None
    assert release.state == State.PROMOTED


def test_a_challenger_that_was_compared_with_nobody_waits_and_the_rollout_says_so(
    rollouts: Rollouts, desk: ReleaseDesk, release_id: str, clock: Clock
) -> None:
    for _ in range(1_000):
        rollouts.answered("ranker")
    clock.now_s = 1_000
    rollouts.refresh()

    release = desk.store.find(release_id)
    assert release is not None
    assert release.share == 0.5
    assert rollouts.as_json()["ranker"]["missing"] == "20 more comparisons with the champion"


def test_a_paused_rollout_keeps_its_share_but_is_still_taken_back(
    rollouts: Rollouts, desk: ReleaseDesk, release_id: str, clock: Clock
) -> None:
    desk.pause(release_id, who="ann", why="lunch")
    for _ in range(50):
        rollouts.answered("ranker")
        rollouts.both_answered("ranker", FINE, FINE)
    clock.now_s = 1_000
    rollouts.refresh()
    rollouts.refresh()
    release = desk.store.find(release_id)
    assert release is not None
    assert (release.share, release.paused) == (0.5, True)

    for _ in range(100):
        rollouts.compared("ranker", {"": 0.5})
    rollouts.refresh()

    release = desk.store.find(release_id)
    assert release is not None
    assert release.state == State.ROLLED_BACK


def test_while_the_database_cannot_be_read_the_shares_in_force_stay(
    rollouts: Rollouts, desk: ReleaseDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise OSError("gone")

    item = _item_of(rollouts, "challenger")
    monkeypatch.setattr(desk, "under_way", broken)

    rollouts.refresh()

    assert rollouts.trouble == "can't be followed: OSError"
    assert _assigned(rollouts, item).arm == "challenger"
