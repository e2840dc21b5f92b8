"""The rollouts of one service: which version a request meets, what came of it, and what follows from that.

Requests read memory only. A thread follows the state database, moves a rollout on when it has earned it, and takes it
back when its judge is sure; here that counts from the next request on, elsewhere within a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import structlog

from common.releases.canary import Answered, CanaryJudge, Verdict
from common.releases.desk import SERVICE, Refused, ReleaseDesk
from common.releases.metrics import ReleaseMetrics
from common.releases.share import place_of
from common.releases.store import Conflict, ReleaseRecord, State
from common.versions.slots import CHAMPION

log = structlog.get_logger(__name__)
WAITING = (State.PROPOSED, State.APPROVED)
Arm = Literal["champion", "challenger"]
IsLoaded = Callable[[str], bool]  # of a version; raises `NotLoadable`


class NotLoadable(Exception):
    """Whoever is to serve this version can't read it; the message says why."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """The version that a request asks its model for; `arm` is None where nothing is being rolled out.

    `instead_of` is the champion that a request of the challenger's would have met.
    """

    version: str
    arm: Arm | None = None
    instead_of: str | None = None


class Rollout:
    """One release that has a share of the traffic, as this process sees it.

    `loaded` says whether the challenger is in memory where it is to serve: until then nobody meets it.
    """

    def __init__(self, release: ReleaseRecord, judge: CanaryJudge, *, now_s: float) -> None:
        self.release = release
        self.step_began_s = now_s
        self._judge = judge
        self._lock = threading.Lock()  # requests add on the event loop what the following thread judges
        self.refuted = False
        self.loaded = False
        self.unloaded_since_s = now_s
        self.waits_for: str | None = None  # what keeps it from going on, other than what it has to show

    def meets(self, caller: str, item: str) -> bool:
        """Whether this caller's request about this item is the challenger's."""
        return self.loaded and not self.refuted and place_of(self.release.id, caller, item) < self.release.share

    def observe(self, look: Callable[[CanaryJudge], None]) -> None:
        with self._lock:
            look(self._judge)
            self.refuted = self.refuted or self._judge.verdict().decision == "roll_back"

    def verdict(self) -> Verdict:
        with self._lock:
            return self._judge.verdict()

    def follow(self, release: ReleaseRecord, *, now_s: float) -> None:
        """The same rollout as it stands in the database now."""
        with self._lock:
            if release.share != self.release.share:
                self._judge.next_step()
                self.step_began_s = now_s
            self.release = release

    def as_json(self) -> dict[str, Any]:
        with self._lock:
            return {
                "release_id": self.release.id,
                "version": self.release.to_version,
                "share": self.release.share,
                "paused": self.release.paused,
                "loaded": self.loaded,
                "waits_for": self.waits_for,
                "requests_in_this_step": self._judge.requests,
                "comparisons_in_this_step": self._judge.comparisons,
                "missing": self._judge.verdict().missing,
                "claims": self._judge.as_json(),
            }


class Rollouts:
    """`assign` and the observations are for the event loop, `refresh` is for a worker thread.

    Args:
        loaded: by component, who knows whether a version is in memory where it is to serve; without it, it is.
        look_up_names: makes the names of versions as fresh as the registry. What was promoted is asked for by its name
            only after that, so that nobody meets the old champion for another moment.
    """

    def __init__(
        self,
        desk: ReleaseDesk,
        *,
        loaded: Mapping[str, IsLoaded] | None = None,
        look_up_names: Callable[[], None] = lambda: None,
        metrics: ReleaseMetrics | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trouble: str | None = None  # why what others decided may not be known here
        self.waiting: Sequence[ReleaseRecord] = ()  # for a person, who approves, rejects or starts them
        self._desk = desk
        self._loaded = loaded or {}
        self._look_up_names = look_up_names
        self._metrics = metrics
        self._clock = clock
        self._rollouts: Mapping[str, Rollout] = {}
        self._refreshing = threading.Lock()
        if metrics is not None:
            for component in desk.policies:
                metrics.watch(component, partial(self.share, component))

    def share(self, component: str) -> float:
        """Of the traffic that meets a challenger now."""
        rollout = self._rollouts.get(component)
        return rollout.release.share if rollout is not None and rollout.loaded and not rollout.refuted else 0.0

    def under_way(self, component: str) -> str | None:
        """The id of the rollout of this component, if it has one."""
        rollout = self._rollouts.get(component)
        return None if rollout is None else rollout.release.id

    def assign(self, component: str, asked: str, *, caller: str, item: str) -> Assigned:
        """Only who asked for the champion can meet the challenger; who asked for a version gets that one."""
        rollout = self._rollouts.get(component)
        if asked != CHAMPION or rollout is None:
            return Assigned(asked)
        if rollout.meets(caller, item):
            return Assigned(rollout.release.to_version, "challenger", rollout.release.from_version)
        return Assigned(rollout.release.from_version or CHAMPION, "champion")

    def answered(self, component: str) -> None:
        """A request met the challenger."""
        self._observe(component, lambda judge: judge.challenger_answered())

    def both_answered(self, component: str, champion: Answered, challenger: Answered) -> None:
        """What both versions made of one request of the challenger's."""
        self._observe(component, lambda judge: judge.both_answered(champion, challenger))

    def compared(self, component: str, shifts: Mapping[str, float]) -> None:
        """What both versions answered one request of the challenger's, as `CanaryJudge.compared` takes it."""
        self._observe(component, lambda judge: judge.compared(shifts))

    def turned_out(self, component: str, champion_loss: float, challenger_loss: float, slice_name: str = "") -> None:
        """The truth about something that both versions had foretold."""
        self._observe(component, lambda judge: judge.turned_out(champion_loss, challenger_loss, slice_name))

    def refresh(self, *, acts: bool = True) -> None:
        """Follows the database, and acts on what was seen here. One thread at a time, others wait for it.

        Who serves nobody sees nothing, and must not act. What fails for one component keeps no other from being
        followed, or taken back.
        """
        with self._refreshing:
            troubles = []
            try:
                if acts:
                    self._desk.reconcile()
                under_way = self._desk.under_way()
                troubles += [f"of {component} are stuck: {why}" for component, why in self._desk.stuck.items()]
                self._look_up_names()
                self._follow(under_way)
                waiting = self._desk.store.listed(states=WAITING)
                self.waiting = [release for release in waiting if release.component in self._desk.policies]
            except Exception as error:  # noqa: BLE001  any of a driver's errors; the shares in force stay
                troubles.append(f"can't be followed: {type(error).__name__}")
            for component, rollout in list(self._rollouts.items()) if acts else ():
                try:
                    self._act(component, rollout)
                except Exception as error:  # noqa: BLE001  likewise; the next look does it again
                    troubles.append(f"of {component} are stuck: {type(error).__name__}: {error}")
            trouble = "; ".join(troubles) or None
            if trouble not in (None, self.trouble):
                log.warning("release.not_followed", error=trouble)
            self.trouble = trouble

    def as_json(self) -> dict[str, Any]:
        """By component."""
        return {component: rollout.as_json() for component, rollout in self._rollouts.items()}

    def _observe(self, component: str, look: Callable[[CanaryJudge], None]) -> None:
        rollout = self._rollouts.get(component)
        if rollout is not None:
            rollout.observe(look)

    def _follow(self, under_way: Mapping[str, ReleaseRecord]) -> None:
        now_s, followed = self._clock(), {}
        for component, release in under_way.items():
            if component not in self._desk.policies or self._desk.policies[component].at_once:
                continue
            rollout = self._rollouts.get(component)
            if rollout is None or rollout.release.id != release.id:
                if release.state != State.CANARY:
                    continue
                rollout = Rollout(release, CanaryJudge(self._desk.policies[component].canary), now_s=now_s)
            rollout.follow(release, now_s=now_s)
            followed[component] = rollout
        ended = [one for component, one in self._rollouts.items() if followed.get(component) is not one]
        self._rollouts = followed
        for rollout in ended:
            self._count_rollback(rollout)

    def _count_rollback(self, rollout: Rollout) -> None:
        release = self._desk.store.find(rollout.release.id)
        if self._metrics is not None and release is not None and release.state == State.ROLLED_BACK:
            self._metrics.rollbacks.labels(release.component).inc()

    def _act(self, component: str, rollout: Rollout) -> None:
        verdict, release = rollout.verdict(), rollout.release
        if release.state != State.CANARY:
            return
        try:
            if (trouble := self._look_whether_loaded(component, rollout)) is not None:
                self._take_back(release, f"it can't be loaded: {trouble}")
            elif verdict.decision == "roll_back":
                self._take_back(release, "; ".join(map(str, verdict.evidence)))
            elif verdict.decision == "advance" and not release.paused and self._step_lasted(component, rollout):
                self._desk.advance(release.id, who=SERVICE, why="no claim was refuted")
        except Refused as refused:  # until a better moment, or until a person advances it
            rollout.waits_for = str(refused)
        except Conflict as conflict:  # somebody else was faster; the next look sees what they did
            log.info("release.stuck", component=component, release_id=release.id, error=str(conflict))

    def _take_back(self, release: ReleaseRecord, why: str) -> None:
        self._desk.roll_back(release.id, who=SERVICE, why=why, freeze=True)

    def _look_whether_loaded(self, component: str, rollout: Rollout) -> str | None:
        """Why it never will be; None if it is, or is being read."""
        is_loaded = self._loaded.get(component)
        try:
            loaded = is_loaded is None or is_loaded(rollout.release.to_version)
        except NotLoadable as error:
            rollout.loaded = False
            return str(error)
        if loaded and not rollout.loaded:
            rollout.step_began_s = self._clock()
        if loaded:
            rollout.unloaded_since_s = self._clock()
        rollout.loaded = loaded
        rollout.waits_for = None if loaded else "it is not in memory yet where it is to serve"
        longest_s = self._desk.policies[component].load_timeout_s
        waited_too_long = self._clock() - rollout.unloaded_since_s > longest_s
        return f"it was not in memory after {longest_s:.0f} s" if waited_too_long else None

    def _step_lasted(self, component: str, rollout: Rollout) -> bool:
        return self._clock() - rollout.step_began_s >= self._desk.policies[component].canary.step_s
