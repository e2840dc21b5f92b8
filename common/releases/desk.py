"""Everything that can be done to a release, and what stands in the way of it.

    proposed → approved → canary 1, 5, 25, 100 % → promoted        and back from anywhere, at once
             └ rejected        └ rolled back  ←────┘

The registry's alias is the truth about who is champion: it moves in one step, or not at all. A decision is written down
before the alias moves and ticked off after. A process that dies in between leaves `promoting` or `rolling_back` behind,
and whoever comes next, `reconcile`, finishes what was decided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from common.releases.dependents import objections
from common.releases.policy import ReleasePolicy
from common.releases.store import OPEN, UNDER_WAY, Conflict, ReleaseRecord, ReleaseStore, State
from common.versions.registry import Registry, UnknownVersion
from common.versions.slots import CHAMPION

log = structlog.get_logger(__name__)
CHALLENGER = "challenger"
SERVICE = "the service itself"  # who did it, if nobody did


class Refused(Exception):
    """A release may not go on, and why; where `may_insist`, a reason overrules it."""

    def __init__(self, why: str, *, may_insist: bool = False) -> None:
        super().__init__(why)
        self.may_insist = may_insist


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
        self._incident = incident
        self._now = now

    def propose(self, component: str, version: str, *, who: str, why: str, report: Mapping[str, Any]) -> ReleaseRecord:
        """A release to be looked at. `UnknownVersion`, or `Refused` if it is the champion or proposed already."""
        self._policy(component)
        number = self._registry.resolve(component, version)
        champion = self._champion(component)
        if number == champion:
            raise Refused(f"{component} {number} is the champion already")
        if any(other.to_version == number for other in self.store.listed(component, states=OPEN)):
            raise Refused(f"{component} {number} is proposed already")
        return self.store.add(component, from_version=champion, to_version=number, report=report, who=who, why=why)

    def approve(self, release_id: str, *, who: str, why: str) -> ReleaseRecord:
        return self._change(release_id, (State.PROPOSED,), State.APPROVED, who=who, why=why)

    def reject(self, release_id: str, *, who: str, why: str) -> ReleaseRecord:
        return self._change(release_id, (State.PROPOSED, State.APPROVED), State.REJECTED, who=who, why=why)

    def start(self, release_id: str, *, who: str, why: str, insist: str | None = None) -> ReleaseRecord:
        """The first share of the traffic. `Refused` without approval, at a bad moment (unless there is a reason to
        `insist`), or while what depends on the component would not fit."""
        release = self._find(release_id)
        policy = self._policy(release.component)
        if release.state == State.PROPOSED and policy.needs_approval:
            raise Refused(f"a person has to approve {release.component} {release.to_version} first")
        self._refuse_what_does_not_fit(release)
        self._refuse_bad_moment(release, insist)
        told = why if insist is None else f"{why} (in spite of the guard rail: {insist})"
        share = policy.canary.steps[0]
        states = (State.PROPOSED, State.APPROVED)
        what = f"canary {share:.0%}"
        started = self._change(release_id, states, State.CANARY, who=who, why=told, what=what, share=share)
        if policy.at_once:
            return self.promote(release_id, who=who, why="it can't serve beside another version")
        self._announce(started)
        return started

    def advance(self, release_id: str, *, who: str, why: str) -> ReleaseRecord:
        """The next share, or the whole: then it is the champion."""
        release = self._find(release_id)
        if release.state != State.CANARY:
            raise Conflict(f"release {release_id} is {release.state}, so there is no next step")
        larger = [share for share in self._policy(release.component).canary.steps if share > release.share]
        if not larger:
            return self.promote(release_id, who=who, why=why)
        what = f"canary {larger[0]:.0%}"
        return self.store.change(release, State.CANARY, who=who, why=why, what=what, share=larger[0])

    def pause(self, release_id: str, *, who: str, why: str) -> ReleaseRecord:
        """The share stays as it is until somebody resumes."""
        return self._change(release_id, (State.CANARY,), State.CANARY, who=who, why=why, what="paused", paused=True)

    def resume(self, release_id: str, *, who: str, why: str) -> ReleaseRecord:
        return self._change(release_id, (State.CANARY,), State.CANARY, who=who, why=why, what="resumed")

    def promote(self, release_id: str, *, who: str, why: str) -> ReleaseRecord:
        """Champion at once; whatever process dies on the way, there is one champion, and the decision stands."""
        release = self._find(release_id)
        self._refuse_what_does_not_fit(release)
        promoting = self._change(release_id, (State.CANARY,), State.PROMOTING, who=who, why=why, share=1.0)
        return self._finish(promoting)

    def roll_back(self, release_id: str, *, who: str, why: str) -> ReleaseRecord:
        """No more traffic for it, from the next request on; a promoted one gives the alias back, too."""
        release = self._find(release_id)
        if release.state == State.PROMOTED and self._champion(release.component) != release.to_version:
            raise Conflict(f"{release.component} {release.to_version} is not the champion any more")
        states = (State.CANARY, State.PROMOTED)
        rolling_back = self._change(release_id, states, State.ROLLING_BACK, who=who, why=why, share=0.0)
        log.warning("release.rolled_back", component=release.component, version=release.to_version, why=why, who=who)
        return self._finish(rolling_back)

    def freeze(self, component: str, why: str) -> None:
        """No release of this component begins until a person thaws it."""
        self.store.freeze(component, why)
        log.warning("release.frozen", component=component, why=why)

    def thaw(self, component: str, *, who: str, why: str) -> bool:
        """Lets releases of a component begin again; False if it was not frozen."""
        thawed = self.store.thaw(component)
        if thawed:
            log.warning("release.thawed", component=component, who=who, why=why)
        return thawed

    def reconcile(self) -> list[ReleaseRecord]:
        """Finishes what a process that died had decided."""
        for release in self.store.listed(states=(State.CANARY,)):
            if release.component in self.policies:
                self._announce(release)
        halfway = self.store.listed(states=(State.PROMOTING, State.ROLLING_BACK))
        return [self._finish(release) for release in halfway if release.component in self.policies]

    def bad_moment(self, release: ReleaseRecord) -> str | None:
        """Why this is no good moment to begin, None if it is one; a person may insist."""
        others = [other for other in self.under_way().values() if other.id != release.id]
        problems = [
            self._policy(release.component).good_hours.objection(self._now()),
            self._incident(),
            *(f"{other.component} {other.to_version} is being rolled out" for other in others),
        ]
        return "; ".join(problem for problem in problems if problem) or None

    def under_way(self) -> dict[str, ReleaseRecord]:
        """The rollout of each component that has one."""
        return {release.component: release for release in self.store.listed(states=UNDER_WAY)}

    def _finish(self, release: ReleaseRecord) -> ReleaseRecord:
        forward = release.state == State.PROMOTING
        goal = release.to_version if forward else release.from_version
        champion = self._champion(release.component)
        if goal not in (None, champion) and (forward or champion == release.to_version):
            self._registry.point(release.component, CHAMPION, goal)
        self._end_announcement(release.component)
        state = State.PROMOTED if forward else State.ROLLED_BACK
        try:
            return self.store.change(release, state, who=SERVICE, why="the alias points where it should")
        except Conflict:  # another process has just finished the same
            return self._find(release.id)

    def _announce(self, release: ReleaseRecord) -> None:
        """Its version is the challenger: whoever follows the alias reads it ahead."""
        if self._registry.aliases(release.component).get(CHALLENGER) != release.to_version:
            self._registry.point(release.component, CHALLENGER, release.to_version, why=f"release {release.id}")

    def _end_announcement(self, component: str) -> None:
        """From now on the challenger is the champion itself, so that nothing else is kept in memory for it."""
        champion = self._champion(component)
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
        paused: bool = False,
    ) -> ReleaseRecord:
        release = self._find(release_id)
        if release.state not in allowed:
            raise Conflict(f"release {release_id} is {release.state}, not {' or '.join(allowed)}")
        return self.store.change(release, state, who=who, why=why, what=what, share=share, paused=paused)

    def _refuse_what_does_not_fit(self, release: ReleaseRecord) -> None:
        if problems := objections(self._registry, release.component, release.to_version):
            raise Refused("; ".join(problems))

    def _refuse_bad_moment(self, release: ReleaseRecord, insist: str | None) -> None:
        if (frozen := self.store.frozen(release.component)) is not None:
            raise Refused(f"releases of {release.component} are frozen: {frozen}")
        told = self.bad_moment(release)
        if told and not insist:
            raise Refused(told, may_insist=True)
        if told:
            log.warning("release.insisted", component=release.component, against=told, reason=insist)

    def _policy(self, component: str) -> ReleasePolicy:
        if component not in self.policies:
            raise UnknownVersion(f"{component!r} is not released here; there are {', '.join(self.policies)}")
        return self.policies[component]

    def _champion(self, component: str) -> str | None:
        try:
            return self._registry.resolve(component, CHAMPION)
        except UnknownVersion:
            return None

    def _find(self, release_id: str) -> ReleaseRecord:
        release = self.store.find(release_id)
        if release is None:
            raise UnknownVersion(f"there is no release {release_id!r}")
        return release
