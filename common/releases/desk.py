"""Everything that can be done to a release, and what stands in the way of it.

    proposed → approved → canary 1, 5, 25, 100 % → promoted        and back from anywhere, at once
             └ rejected        └ rolled back  ←────┘

The registry's alias is the truth about who is champion: it moves in one step, or not at all. A decision is written down
before the alias moves and ticked off after. A process that dies in between leaves `promoting` or `rolling_back` behind,
and whoever comes next, `reconcile`, finishes what was decided. The alias moves only under the registry's lock, while
the decision still stands and the alias is where it was when the rollout began: who moved it by hand has the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from common.releases.guard import GuardRail
from common.releases.guard import Refused as Refused
from common.releases.policy import ReleasePolicy
from common.releases.store import UNDER_WAY, Conflict, ReleaseRecord, ReleaseStore, State
from common.versions.registry import Registry, RegistryError, UnknownVersion
from common.versions.slots import CHAMPION

log = structlog.get_logger(__name__)
CHALLENGER = "challenger"
SERVICE = "the service itself"  # who did it, if nobody did


class ReleaseDesk:
    """Moves releases from state to state; for worker threads and the command line, any number at a time.

    Args:
        policies: by component; what has none here is not released from this desk.
        incident: what is wrong in production just now, None if nothing is known to be.
    """

    def __init__(
        self,
        store: ReleaseStore,
        registry: Registry,
        policies: Mapping[str, ReleasePolicy],
        *,
        incident: Callable[[], str | None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.store = store
        self.policies = policies
        self._registry = registry
        self._guard = GuardRail(store, registry, policies, incident=incident, now=now)
        self.bad_moment = self._guard.bad_moment
        self.stuck: Mapping[str, str] = {}  # by component, why the last `reconcile` could not finish its release

    def propose(self, component: str, version: str, *, who: str, why: str, report: Mapping[str, Any]) -> ReleaseRecord:
        """A release to be looked at.

        Raises `Refused` for the champion and for a comparison with another one, `Conflict` for what is open.
        """
        self._guard.policy_of(component)
        number = self._registry.resolve(component, version)
        champion = self._registry.champion(component)
        if number == champion:
            raise Refused(f"{component} {number} is the champion already")
        if report.get("champion") not in (None, champion):
            raise Refused(f"it was compared with {report['champion']}, and the champion is {champion}: review it again")
        return self.store.add(component, from_version=champion, to_version=number, report=report, who=who, why=why)

    def approve(self, release_id: str, *, who: str, why: str) -> ReleaseRecord:
        return self._change(release_id, (State.PROPOSED,), State.APPROVED, who=who, why=why)

    def reject(self, release_id: str, *, who: str, why: str) -> ReleaseRecord:
        return self._change(release_id, (State.PROPOSED, State.APPROVED), State.REJECTED, who=who, why=why)

    def start(self, release_id: str, *, who: str, why: str, insist: str | None = None) -> ReleaseRecord:
        """The first share of the traffic, or the whole where it can't serve beside another version.

        Raises `Refused` without approval, at a bad moment (unless there is a reason to `insist`), while what depends on
        the component would not fit, and where another version than the one it was compared with is champion by now.
        """
        release = self._find(release_id)
        policy = self._guard.policy_of(release.component)
        if release.state == State.PROPOSED and policy.needs_approval:
            raise Refused(f"a person has to approve {release.component} {release.to_version} first")
        self._guard.refuse_what_does_not_fit(release)
        self._guard.refuse_what_may_not_begin(release)
        self._guard.refuse_bad_moment(release, insist)
        states = (State.PROPOSED, State.APPROVED)
        if policy.at_once:
            promoting = self._change(release_id, states, State.PROMOTING, who=who, why=why, share=1.0, insist=insist)
            return self._finish_or_later(promoting)
        share = policy.canary.steps[0]
        what = f"canary {share:.0%}"
        started = self._change(
            release_id, states, State.CANARY, who=who, why=why, what=what, share=share, insist=insist
        )
        self._announce(started)
        return started

    def advance(self, release_id: str, *, who: str, why: str, insist: str | None = None) -> ReleaseRecord:
        """The next share, or the whole: then it is the champion. `Refused` at a bad moment, but for who insists."""
        release = self._find(release_id)
        if release.state != State.CANARY:
            raise Conflict(f"release {release_id} is {release.state}, so there is no next step")
        larger = [share for share in self._guard.policy_of(release.component).canary.steps if share > release.share]
        if not larger:
            return self.promote(release_id, who=who, why=why, insist=insist)
        self._guard.refuse_bad_moment(release, insist)
        what = f"canary {larger[0]:.0%}"
        return self.store.change(release, State.CANARY, who=who, why=why, what=what, share=larger[0], insist=insist)

    def pause(self, release_id: str, *, who: str, why: str) -> ReleaseRecord:
        """The share stays as it is until somebody resumes."""
        return self._change(release_id, (State.CANARY,), State.CANARY, who=who, why=why, what="paused", paused=True)

    def resume(self, release_id: str, *, who: str, why: str) -> ReleaseRecord:
        return self._change(release_id, (State.CANARY,), State.CANARY, who=who, why=why, what="resumed", paused=False)

    def promote(self, release_id: str, *, who: str, why: str, insist: str | None = None) -> ReleaseRecord:
        """Champion at once; whatever process dies on the way, there is one champion, and the decision stands.

        What comes back is still `promoting` where the registry could not be written: `reconcile` goes on trying.
        Raises `Refused` at a bad moment, but for who insists.
        """
        release = self._find(release_id)
        self._guard.refuse_what_does_not_fit(release)
        self._guard.refuse_bad_moment(release, insist)
        states = (State.CANARY,)
        promoting = self._change(release_id, states, State.PROMOTING, who=who, why=why, share=1.0, insist=insist)
        return self._finish_or_later(promoting)

    def roll_back(self, release_id: str, *, who: str, why: str, freeze: bool = False) -> ReleaseRecord:
        """No more traffic for it, from the next request on; a promoted one gives the alias back, too.

        With `freeze` no other release of its component begins until a person thaws it.
        """
        release = self._find(release_id)
        if release.state == State.PROMOTED:
            if self._registry.champion(release.component) != release.to_version:
                raise Conflict(f"{release.component} {release.to_version} is not the champion any more")
            if (newer := self.under_way().get(release.component)) is not None:
                self.roll_back(newer.id, who=who, why=f"{release.to_version} is taken back, too: {why}")
        states = (State.CANARY, State.PROMOTING, State.PROMOTED)
        frozen = f"release {release_id} was taken back: {why}" if freeze else None
        rolling_back = self._change(
            release_id, states, State.ROLLING_BACK, who=who, why=why, share=0.0, paused=False, freeze=frozen
        )
        log.warning("release.rolled_back", component=release.component, version=release.to_version, why=why, who=who)
        return self._finish_or_later(rolling_back)

    def freeze(self, component: str, why: str, *, who: str = SERVICE) -> None:
        """No release of this component begins until a person thaws it."""
        self.store.freeze(component, who=who, why=why)
        log.warning("release.frozen", component=component, who=who, why=why)

    def thaw(self, component: str, *, who: str, why: str) -> bool:
        """Lets releases of a component begin again; False if it was not frozen."""
        thawed = self.store.thaw(component, who=who, why=why)
        if thawed:
            log.warning("release.thawed", component=component, who=who, why=why)
        return thawed

    def reconcile(self) -> list[ReleaseRecord]:
        """Finishes what a process that died had decided; ends the rollout whose champion somebody else has moved.

        One component does not keep another from it: what could not be done is in `stuck` afterwards.
        """
        finished, stuck = [], {}
        for release in self.store.listed(states=UNDER_WAY):
            try:
                if release.component in self.policies and (end := self._followed_up(release)) is not None:
                    finished.append(end)
            except (OSError, RegistryError) as error:
                stuck[release.component] = f"release {release.id} is {release.state}: {error}"
        self.stuck = stuck
        return finished

    def under_way(self) -> dict[str, ReleaseRecord]:
        """The rollout of each component that has one."""
        return self.store.under_way()

    def _followed_up(self, release: ReleaseRecord) -> ReleaseRecord | None:
        """The release at its end; None for a rollout that goes on."""
        if release.state != State.CANARY:
            return self._finish(release)
        champion = self._registry.champion(release.component)
        if champion == release.from_version:
            self._announce(release)
            return None
        state = State.PROMOTING if champion == release.to_version else State.ROLLING_BACK
        why = f"somebody made {champion} champion meanwhile"
        try:
            moved = self.store.change(release, state, who=SERVICE, why=why, share=float(state == State.PROMOTING))
        except Conflict:  # somebody else is just doing something about it
            return None
        return self._finish(moved)

    def _finish_or_later(self, release: ReleaseRecord) -> ReleaseRecord:
        """The decision is written down, so it stands; `reconcile` does what can't be done now."""
        try:
            return self._finish(release)
        except (OSError, RegistryError) as error:
            log.warning("release.stuck", component=release.component, release_id=release.id, error=str(error))
            return release

    def _finish(self, release: ReleaseRecord) -> ReleaseRecord:
        forward = release.state == State.PROMOTING
        versions = release.from_version, release.to_version
        other, goal = versions if forward else reversed(versions)

        def still_decided() -> bool:
            now = self._find(release.id).state
            return now == release.state and self._registry.champion(release.component) == other

        if goal is not None:
            last = self.store.events(release.id)[-1]
            told = f"release {release.id}: {last.why}"
            self._registry.point(release.component, CHAMPION, goal, who=last.who, why=told, only_if=still_decided)
        self._end_announcement(release.component)
        champion = self._registry.champion(release.component)
        state, why = State.ROLLED_BACK, "the alias points where it should"
        if forward and champion == goal:
            state = State.PROMOTED
        elif forward:
            why = f"somebody made {champion} champion meanwhile"
        try:
            return self.store.change(release, state, who=SERVICE, why=why)
        except Conflict:  # another process has just finished the same
            return self._find(release.id)

    def _announce(self, release: ReleaseRecord) -> None:
        """Its version is the challenger: whoever follows the alias reads it ahead."""
        if self._registry.aliases(release.component).get(CHALLENGER) != release.to_version:
            self._registry.point(release.component, CHALLENGER, release.to_version, why=f"release {release.id}")

    def _end_announcement(self, component: str) -> None:
        """From now on the challenger is the champion itself, so that nothing else is kept in memory for it."""
        champion = self._registry.champion(component)
        if champion is not None and CHALLENGER in self._registry.aliases(component):
            self._registry.point(component, CHALLENGER, champion, why="no release is under way")

    def _change(
        self,
        release_id: str,
        allowed: tuple[State, ...],
        state: State,
        *,
        who: str,
        why: str,
        what: str | None = None,
        share: float | None = None,
        paused: bool | None = None,
        insist: str | None = None,
        freeze: str | None = None,
    ) -> ReleaseRecord:
        release = self._find(release_id)
        if release.state not in allowed:
            raise Conflict(f"release {release_id} is {release.state}, not {' or '.join(allowed)}")
        return self.store.change(
            release, state, who=who, why=why, what=what, share=share, paused=paused, insist=insist, freeze=freeze
        )

    def _find(self, release_id: str) -> ReleaseRecord:
        release = self.store.find(release_id)
        if release is None:
            raise UnknownVersion(f"there is no release {release_id!r}")
        return release
