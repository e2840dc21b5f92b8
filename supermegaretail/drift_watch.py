"""Watches the inputs of the models while they serve: which tiers must not speak now, and about which items.

Everything is computed in a background thread, from a bounded sample of the chain; requests read the last verdict.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import structlog
from prometheus_client import CollectorRegistry, Gauge

from common.chain.switches import Switchboard
from common.drift import Distance, Reference
from common.outcome import Reason
from common.versions.registry import Registry, RegistryError, UnknownVersion
from common.versions.slots import CHAMPION
from supermegaretail.drift import (
    DRIFT_FILE,
    GROUPS,
    Bounds,
    Flags,
    Group,
    Population,
    distances_of,
    drifted_features,
    load,
    population,
    some_items,
)
from supermegaretail.history import ModelInputs, SalesHistory

MOST_ITEMS = 5_000  # of a check: they tell as much about a distribution as all
REST = 20  # times as long as a check took: at most a twentieth of one core
DONE: dict[Group, str] = {
    "core": "the core model is refused for all items, and the moving average answers",
    "correction": "the correction is skipped, and the core model answers",
}
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What came of one comparison of the chain with the reference."""

    checked_at: datetime
    as_of: date
    rows: int
    strange_share: float  # of the rows, far outside of all that was seen
    distances: tuple[Distance, ...]  # none where there were too few rows

    @property
    def drifted(self) -> list[str]:
        """The features, where the group as a whole has drifted."""
        return drifted_features(self.distances)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Watched:
    """One group of inputs: the champion's reference, and how the chain stands to it."""

    group: Group
    version: str | None = None
    reference: Reference | None = None
    bounds: Bounds | None = None
    check: Check | None = None
    note: str | None = "not checked yet"  # why there is no verdict
    unreadable: bool = False  # whether that is because the reference is damaged

    @property
    def drifted(self) -> bool:
        return self.check is not None and bool(self.check.drifted)


class DriftWatch:
    """The verdicts of one API process.

    Args:
        history: the newest sales and plans; another object whenever something changed. None while too little is known
            to judge the chain by; single items are judged all the same.
        switches: a tier that an operator switched on is asked whatever its inputs are.
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        models: Registry,
        history: Callable[[], SalesHistory | None],
        switches: Switchboard,
        *,
        metrics: CollectorRegistry,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models = models
        self._history = history
        self._switches = switches
        self._clock = clock
        self._watched: dict[Group, Watched] = {group: Watched(group=group) for group in GROUPS}
        self._checked: SalesHistory | None = None
        self._rests_until_s = 0.0
        self._refreshing = threading.Lock()
        self._psi = Gauge(
            "drift_psi", "Population stability index of an input.", ("group", "feature"), registry=metrics
        )
        self._detected = Gauge("drift_detected", "1 while a group of inputs has drifted.", ("group",), registry=metrics)

    def refusal(self, tier: Group, *, as_of: date) -> Reason | None:
        """Why a tier must not be asked about any item, if so. The chain of today says nothing about days before."""
        watched = self._watched[tier]
        if watched.check is None or not watched.drifted or as_of < watched.check.as_of or self._forced_on(tier):
            return None
        return Reason.DRIFT

    def strange(self, tier: Group, inputs: ModelInputs) -> Flags:
        """Which items [n] a tier must not be asked about: their inputs are far outside of all that training saw."""
        bounds = self._watched[tier].bounds
        if bounds is None or self._forced_on(tier):
            return np.zeros(len(inputs.known), bool)
        return bounds.strange(inputs)

    @property
    def trouble(self) -> str | None:
        """For `/ready`: what has drifted, or that a reference can't be read; small chains have none, and are well."""
        words = (_words(watched) for watched in self._watched.values())
        return "; ".join(word for word in words if word is not None) or None

    def as_json(self) -> dict[str, Any]:
        """Everything that is known, for operators."""
        return {"groups": [_as_json(one, forced_on=self._forced_on(one.group)) for one in self._watched.values()]}

    def refresh(self) -> None:
        """Checks anew when the champion, the sales or the plans have changed; for worker threads."""
        with self._refreshing:
            if self._clock() < self._rests_until_s:
                return
            history, before = self._history(), self._watched
            watched = {group: self._with_champion(before[group]) for group in GROUPS}
            if history is None:
                self._watched = watched
                return
            if history is self._checked and _champions(watched) == _champions(before):
                return
            started_s = self._clock()
            try:
                self._watched = _checked(watched, history)
                self._checked = history  # one that failed is tried again
            finally:
                self._rests_until_s = self._clock() + REST * (self._clock() - started_s)
            for group in GROUPS:
                self._tell(before[group], self._watched[group])

    def _with_champion(self, watched: Watched) -> Watched:
        """The same while the champion is the same; else with its reference, or a note why there is none."""
        group = watched.group
        try:
            version = self._models.resolve(group, CHAMPION)
            if version == watched.version:
                return watched
            reference = load(self._models, group, version)
        except UnknownVersion:
            return Watched(group=group, note="there is no champion")
        except RegistryError as error:
            # What has drifted is not well because its reference can't be read just now.
            return watched if watched.reference is not None else Watched(group=group, note=str(error), unreadable=True)
        if reference is None:
            return Watched(group=group, version=version, note=f"version {version} has no {DRIFT_FILE}")
        return Watched(group=group, version=version, reference=reference, bounds=Bounds.of(group, reference))

    def _tell(self, before: Watched, now: Watched) -> None:
        self._detected.labels(now.group).set(now.drifted)
        for distance in now.check.distances if now.check else ():
            self._psi.labels(now.group, distance.feature).set(distance.psi)
        if now.check is not None and now.drifted and not before.drifted:
            log.warning("drift.started", group=now.group, version=now.version, features=now.check.drifted)
        elif before.drifted and not now.drifted:
            log.warning("drift.ended", group=now.group, version=now.version)

    def _forced_on(self, tier: Group) -> bool:
        return self._switches.position(tier) == "on"


def _champions(watched: dict[Group, Watched]) -> list[tuple[str | None, str | None]]:
    return [(one.version, one.note) for one in watched.values()]


def _checked(watched: dict[Group, Watched], history: SalesHistory) -> dict[Group, Watched]:
    if history.last_day is None or all(one.reference is None for one in watched.values()):
        return watched
    # The day up to which most series report: that the others are not in yet, when the first one is, is no drift.
    as_of = date.fromordinal(min(history.last_day.toordinal(), history.reported_until))
    chain = population(history, some_items(history, MOST_ITEMS), as_of=as_of)
    return {group: _compared(one, chain, as_of) for group, one in watched.items()}


def _compared(watched: Watched, chain: Population, as_of: date) -> Watched:
    if watched.reference is None or watched.bounds is None:
        return watched
    rows = chain.of(watched.group)
    check = Check(
        checked_at=datetime.now(UTC),
        as_of=as_of,
        rows=len(rows),
        strange_share=watched.bounds.strange_share(rows),
        distances=distances_of(watched.reference, watched.group, chain),
    )
    return replace(watched, check=check, note=None if check.distances else f"{len(rows)} rows are too few to tell")


def _words(watched: Watched) -> str | None:
    if watched.check is not None and watched.drifted:
        return f"{watched.group}: its inputs have drifted: {', '.join(watched.check.drifted[:5])}"
    return f"{watched.group}: not checked: {watched.note}" if watched.unreadable else None


def _as_json(watched: Watched, *, forced_on: bool) -> dict[str, Any]:
    verdict = "drifted" if watched.drifted else "as usual" if watched.note is None else "not checked"
    done = "nothing" if not watched.drifted else DONE[watched.group]
    document: dict[str, Any] = {
        "group": watched.group,
        "version": watched.version,
        "verdict": verdict,
        "done": "nothing: an operator switched it on" if watched.drifted and forced_on else done,
        "note": watched.note,
    }
    if (check := watched.check) is None:
        return document
    return document | {
        "checked_at": check.checked_at.isoformat(timespec="seconds"),
        "as_of": check.as_of.isoformat(),
        "rows": check.rows,
        "strange_share": round(check.strange_share, 4),
        "features": [_distance_as_json(one) for one in check.distances],
    }


def _distance_as_json(distance: Distance) -> dict[str, Any]:
    names = ("psi", "psi_limit", "wasserstein", "wasserstein_limit")
    numbers = {name: round(getattr(distance, name), 4) for name in names}
    return {"feature": distance.feature, **numbers, "drifted": distance.drifted}
