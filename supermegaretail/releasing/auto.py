"""Automatic release: retrain, publish a candidate, judge it, and start its rollout, or freeze the component.

Three endings are good: the rollout began, the first version serves, or there is nothing to do. Others want a person.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import polars as pl
import structlog

from common.releases.desk import Refused, ReleaseDesk
from common.releases.gate import Finding, Verdict, reasons, verdict_of
from common.releases.store import OPEN, UNDER_WAY, ReleaseRecord
from common.versions.registry import Manifest, Registry
from supermegaretail.history import SalesHistory
from supermegaretail.labelled_examples import Labels
from supermegaretail.models import read
from supermegaretail.quality.findings import Report
from supermegaretail.releasing import sales
from supermegaretail.releasing.gates import Published, files_judged, forecasts_judged
from supermegaretail.releasing.limits import LIMITS, GateLimits
from supermegaretail.releasing.pair import Pair
from supermegaretail.releasing.trial import Contest, trial_days
from supermegaretail.training import (
    examples_for,
    filled_columns,
    fit,
    promote_pair,
    publish,
    rehearse,
)

COMPONENT = "core"  # its correction goes with it
WHO = "automatic release"
KIND = "automatic"  # of report, in what is stored
Ending = Literal["started", "first", "nothing to do", "tried", "undecided", "postponed", "frozen"]
GOOD: tuple[Ending, ...] = ("started", "first", "nothing to do")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended and why; `release` is None where none was proposed."""

    ending: Ending
    told: str
    findings: tuple[Finding, ...] = ()
    release: ReleaseRecord | None = None

    @property
    def good(self) -> bool:
        """Whether nobody has to look; a run that only tried is as good as what it found."""
        return self.ending in GOOD or (self.ending == "tried" and verdict_of(self.findings) == "pass")

    def as_json(self) -> dict[str, Any]:
        release_id = None if self.release is None else self.release.id
        return {"ending": self.ending, "told": self.told, "release": release_id, **report_of(self.findings)}


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomaticRelease:
    """One run of the scheduled job; one at a time.

    Args:
        dry_run: judges only: nothing is published, proposed or frozen.
        rows: examples to learn from, None for as many as `train` takes.
        labels: what people decided, made anew for the candidate and for its rehearsal, each as of its last day.
    """

    desk: ReleaseDesk
    registry: Registry
    seed: int = 1
    threads: int = 2
    rows: int | None = None
    labels: Labels | None = None
    dry_run: bool = False
    limits: GateLimits = LIMITS

    def run(self, table: pl.DataFrame, quality: Report) -> Ended:
        """Never raises for what is wrong with sales or models: then the component is frozen."""
        frozen = self.desk.store.frozen(COMPONENT)
        if frozen is not None and not self.dry_run:
            return Ended("frozen", f"releases of {COMPONENT} are frozen, and nothing was trained: {frozen}")
        standing = None if self.dry_run else self._standing(quality)
        if standing is not None:
            return standing
        findings: list[Finding] = []
        try:
            return self._run(table, quality, findings)
        except Exception as error:
            log.exception("auto_release.failed")
            return self._freeze(f"the run failed: {type(error).__name__}: {error}", findings)

    def _standing(self, quality: Report) -> Ended | None:
        """What becomes of an earlier release that is not over yet; one that only waited for a good moment begins."""
        for listed in self.desk.store.listed(COMPONENT, states=OPEN):
            release = self.desk.store.find(listed.id) or listed  # with its report
            told = f"release {release.id} of {release.to_version} is {release.state}"
            if release.state in UNDER_WAY:
                return Ended("nothing to do", told)
            if release.report.get("kind") == KIND and release.from_version != self.registry.champion(COMPONENT):
                self.desk.reject(release.id, who=WHO, why="it was judged beside another champion")
                continue
            if release.report.get("kind") != KIND or release.report.get("outcome") != "pass":
                return Ended("undecided", f"{told}: a person has to decide", release=release)
            found = sales.quality(quality)
            return self._start(release, ()) if found.passed else self._freeze(reasons([found]), [found], release)
        return None

    def _run(self, table: pl.DataFrame, quality: Report, findings: list[Finding]) -> Ended:
        champion = self._champion()
        known = None if champion is None else champion.training
        before = None if known is None or "last_day" not in known else date.fromisoformat(known["last_day"])
        history = SalesHistory.build(table)
        last_day = history.last_day
        findings += [sales.quality(quality), sales.schema(filled_columns(table), known)]
        if last_day is not None:
            findings.append(sales.news(last_day, before, self.limits))
        if verdict_of(findings) == "fail":
            return self._freeze(reasons(findings), findings)
        if last_day is None or findings[-1].passed is None:
            return Ended("nothing to do", reasons(findings) or "there are no sales", tuple(findings))
        as_of, horizon_days = trial_days(last_day, before)
        rows = self.rows or examples_for(history)
        trained = fit(history, rows=rows, seed=self.seed, threads=self.threads, labels=self.labels)
        rehearsed = rehearse(history, until=as_of, rows=rows, seed=self.seed, threads=self.threads, labels=self.labels)
        candidate = Pair(trained.core, trained.correction)
        contest = Contest(
            None if champion is None else self._pair(champion.version),
            candidate,
            Pair(rehearsed.core, rehearsed.correction).finished_as(candidate),
            as_of,
            horizon_days,
        )
        with tempfile.TemporaryDirectory() as aside:
            registry = Registry(Path(aside)) if self.dry_run else self.registry
            core, correction = publish(trained, history, table, registry, rows=rows, seed=self.seed)
            number = None if champion is None else champion.version
            if not self.dry_run and core.version == number:
                return Ended("nothing to do", f"{COMPONENT} {number} is what these sales make again", tuple(findings))
            findings += forecasts_judged(contest, history, table, self.limits)
            findings += files_judged(Published(registry, core.version, self.registry, number), self.limits)
        return self.decide(core, correction, findings)

    def decide(self, core: Manifest, correction: Manifest, findings: Sequence[Finding]) -> Ended:
        """What follows from the findings on a published pair."""
        verdict, found = verdict_of(findings), tuple(findings)
        if self.dry_run:
            return Ended("tried", reasons(findings) or "every gate is open", found)
        if verdict == "pass" and self._champion() is None:
            promote_pair(self.registry, core.version, correction.version, why="the first, every gate open")
            log.info("auto_release.first", component=COMPONENT, version=core.version)
            return Ended("first", f"{COMPONENT} {core.version} is the first champion", found)
        release = self.desk.propose(
            COMPONENT, core.version, who=WHO, why="retrained on new sales", report=report_of(findings)
        )
        if verdict == "fail":
            self.desk.reject(release.id, who=WHO, why=reasons(findings))
            return self._freeze(reasons(findings), findings, release)
        if verdict == "inconclusive":
            log.warning("auto_release.undecided", release_id=release.id, why=reasons(findings))
            told = f"release {release.id} is proposed, and a person has to decide: {reasons(findings)}"
            return Ended("undecided", told, found, release)
        return self._start(release, found)

    def _start(self, release: ReleaseRecord, findings: tuple[Finding, ...]) -> Ended:
        """The canary in the API does the rest."""
        try:
            started = self.desk.start(release.id, who=WHO, why="every gate open")
        except Refused as refused:
            return Ended("postponed", f"release {release.id} is proposed and waits: {refused}", findings, release)
        told = f"release {release.id}: {COMPONENT} {release.to_version} has {started.share:.0%} of the traffic"
        return Ended("started", told, findings, started)

    def _freeze(self, why: str, findings: Sequence[Finding], release: ReleaseRecord | None = None) -> Ended:
        if not self.dry_run:
            self.desk.freeze(COMPONENT, f"{WHO}: {why}", who=WHO)
        told = why if self.dry_run else f"releases of {COMPONENT} are frozen now: {why}"
        return Ended("tried" if self.dry_run else "frozen", told, _complete(findings, why), release)

    def _champion(self) -> Manifest | None:
        number = self.registry.champion(COMPONENT)
        return None if number is None else self.registry.manifest(COMPONENT, number)

    def _pair(self, core_version: str) -> Pair:
        models = read(self.registry, core_version)
        return Pair(models.core, models.correction)


def report_of(findings: Sequence[Finding]) -> dict[str, Any]:
    """What is stored with the release."""
    verdict: Verdict = verdict_of(findings)
    told = [f"{finding.gate}: {finding.told}" for finding in findings if finding.passed is not True]
    return {
        "kind": KIND,
        "outcome": verdict,
        "sentence": f"{sum(finding.passed is True for finding in findings)} of {len(findings)} gates are open",
        "reasons": told,
        "gates": [finding.as_json() for finding in findings],
    }


def _complete(findings: Sequence[Finding], why: str) -> tuple[Finding, ...]:
    """With a failure among them, also where the run broke off."""
    failed = verdict_of(findings) == "fail"
    return tuple(findings) if failed else (*findings, Finding("the run itself", False, why))
