"""What stands in the way of a release: the guard rail in front of whoever is in a hurry, person or service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from common.releases.dependents import objections
from common.releases.policy import ReleasePolicy
from common.releases.store import UNDER_WAY, ReleaseRecord, ReleaseStore
from common.versions.registry import Registry, UnknownVersion

log = structlog.get_logger(__name__)


class Refused(Exception):
    """A release may not go on, and why; where `may_insist`, a reason overrules it."""

    def __init__(self, why: str, *, may_insist: bool = False) -> None:
        super().__init__(why)
        self.may_insist = may_insist


class GuardRail:
    """Says no, with the reason; changes nothing."""

    def __init__(
        self,
        store: ReleaseStore,
        registry: Registry,
        policies: Mapping[str, ReleasePolicy],
        *,
        incident: Callable[[], str | None],
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._registry = registry
        self._policies = policies
        self._incident = incident
        self._now = now

    def policy_of(self, component: str) -> ReleasePolicy:
        if component not in self._policies:
            raise UnknownVersion(f"{component!r} is not released here; there are {', '.join(self._policies)}")
        return self._policies[component]

    def bad_moment(self, release: ReleaseRecord) -> str | None:
        """Why this is no good moment to begin, or to go on; None if it is one. A person may insist."""
        problems = [self.policy_of(release.component).good_hours.objection(self._now()), self._incident()]
        if release.state not in UNDER_WAY:
            others = self._store.under_way().values()
            problems += [f"{other.component} {other.to_version} is being rolled out" for other in others]
        return "; ".join(problem for problem in problems if problem) or None

    def refuse_bad_moment(self, release: ReleaseRecord, insist: str | None) -> None:
        told = self.bad_moment(release)
        if told and not insist:
            raise Refused(told, may_insist=True)
        if told:
            log.warning("release.insisted", component=release.component, against=told, reason=insist)

    def refuse_what_may_not_begin(self, release: ReleaseRecord) -> None:
        """Here nobody can insist: it is frozen, another one is under way, or it was compared with another champion."""
        if (frozen := self._store.frozen(release.component)) is not None:
            raise Refused(f"releases of {release.component} are frozen: {frozen}")
        other = self._store.under_way().get(release.component)
        if other is not None and other.id != release.id:
            raise Refused(f"{other.component} {other.to_version} is being rolled out")
        if (champion := self._registry.champion(release.component)) != release.from_version:
            told = f"it was compared with {release.from_version}, and the champion is {champion} by now"
            raise Refused(f"{told}: reject it, and propose it again")

    def refuse_what_does_not_fit(self, release: ReleaseRecord) -> None:
        if problems := objections(self._registry, release.component, release.to_version):
            raise Refused("; ".join(problems))
