"""All gates in the order in which they are told."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from common.progress import progress
from common.releases.gate import Finding
from common.versions.registry import Registry
from supermegaretail.history import SalesHistory
from supermegaretail.releasing import accuracy, artifacts, behaviour
from supermegaretail.releasing.limits import LIMITS, GateLimits
from supermegaretail.releasing.trial import Contest, try_out

ON_THE_LAST_WEEKS = (accuracy.accuracy, accuracy.bias, accuracy.calibration, accuracy.shift, accuracy.published)


@dataclass(frozen=True, slots=True)
class Published:
    """Versions of cores, and where they lie; each one's correction is the one made for it."""

    registry: Registry
    candidate: str
    champions: Registry
    champion: str | None


def forecasts_judged(
    contest: Contest, history: SalesHistory, table: pl.DataFrame, limits: GateLimits = LIMITS
) -> list[Finding]:
    """What both versions say, judged; deterministic but for the latency."""
    assert history.last_day is not None
    as_of, candidate, champion = history.last_day, contest.candidate, contest.champion
    with progress("judging the candidate", 3) as report:
        report.say("on the last weeks")
        trial = try_out(contest, history, table)
        found = [gate(trial, limits) for gate in ON_THE_LAST_WEEKS]
        report.advance()
        report.say("by its behaviour")
        sample = behaviour.Sample.of(table, as_of)
        found.append(behaviour.invariance(candidate, sample, limits))
        found.append(behaviour.direction(candidate, champion, sample, limits))
        report.advance()
        report.say("by its answers")
        found.append(artifacts.plausible(candidate, history, as_of, limits))
        found.append(artifacts.latency(candidate, champion, history, as_of, limits))
        report.advance()
    return found


def files_judged(published: Published, limits: GateLimits = LIMITS) -> list[Finding]:
    """What was published, judged."""
    found = [artifacts.probes(published.registry, published.candidate)]
    if found[0].passed:
        own = artifacts.bytes_of(published.registry, published.candidate)
        champion = published.champion
        before = None if champion is None else artifacts.bytes_of(published.champions, champion)
        found.append(artifacts.size(own, before, limits))
    return found
