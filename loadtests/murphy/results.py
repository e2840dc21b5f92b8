"""What one fault came to, by endpoint, and which promises broke: pure functions over samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from loadtests.checks import MODEL_TIERS, Reading
from loadtests.figures import SILENCE, Figures, Sample, percentile, summarise
from loadtests.murphy.alerts import does_show
from loadtests.murphy.asks import BY_MODEL, RATES, REFUSED, WRITES, budget_ms
from loadtests.murphy.recovery import degraded_share, is_untouched, out_of_time
from loadtests.murphy.trial import Trial

LATE_SHARE = 0.005  # of the requests, rounded up to a whole one
REFUSED_CONNECTION = f"{SILENCE}: ClientConnectorError"
MOST_LOST_TOLD = 5  # in the sentences; all are counted

IsAway = Callable[[str, float, float], bool]  # service, seconds from and to on the loop's clock


@dataclass(frozen=True, slots=True)
class Row:
    """One endpoint during one fault. `away` requests met an API that was down on purpose, and are in no figure."""

    service: str
    kind: str
    figures: Figures
    p999_ms: float
    refused: int  # rightly, among the well-formed
    away: int


@dataclass(frozen=True, slots=True)
class Result:
    """One fault as it went; times in seconds, by service, None where it did not happen."""

    name: str
    level: str
    sentence: str
    seconds: float
    rows: tuple[Row, ...]
    detected_after: Mapping[str, float | None]
    back_after: Mapping[str, float | None]
    alerts: Mapping[str, tuple[str, ...]]
    lost: tuple[str, ...]
    broken: tuple[str, ...]
    may_be_late: bool = False

    @property
    def requests(self) -> int:
        return sum(row.figures.requests for row in self.rows)

    @property
    def well_formed(self) -> int:
        return sum(row.figures.well_formed for row in self.rows)

    @property
    def in_budget(self) -> int:
        return sum(row.figures.in_budget for row in self.rows)

    @property
    def excused(self) -> int:
        return sum(row.figures.excused for row in self.rows)


def not_played(trial: Trial, why: str) -> Result:
    """The result of a fault that could not be played, which proves nothing and therefore broke."""
    return Result(trial.name, trial.level, trial.sentence, 0.0, (), {}, {}, {}, (), (why,))


def rows_of(samples: Sequence[Sample], trial: Trial, is_away: IsAway) -> tuple[Row, ...]:
    """One row for each endpoint that was asked."""
    by_kind: dict[str, list[Sample]] = {kind: [] for kind in RATES}
    for sample in samples:
        by_kind[sample.kind].append(sample)
    return tuple(_row(kind, asked, trial, is_away) for kind, asked in by_kind.items() if asked)


def _row(kind: str, samples: Sequence[Sample], trial: Trial, is_away: IsAway) -> Row:
    service = RATES[kind][0]
    present = [sample for sample in samples if not _met_nobody(sample, trial, is_away)]
    read = [_as_allowed(sample, trial) for sample in present]
    budget = budget_ms(kind)
    ordered = sorted(sample.took_ms for sample in read)
    return Row(
        service,
        kind,
        summarise(read, budget_ms=budget, limit_ms=2 * budget),
        percentile(ordered, 99.9) if ordered else math.nan,
        refused=sum(before is not after for before, after in zip(present, read, strict=True)),
        away=len(samples) - len(present),
    )


def _met_nobody(sample: Sample, trial: Trial, is_away: IsAway) -> bool:
    """No answer, while the API was down on purpose; a bad answer has no excuse."""
    problem = sample.reading.problem or ""
    silent = problem == REFUSED_CONNECTION if trial.drains else problem.startswith(SILENCE)
    return silent and (sample.service in trial.down or is_away(sample.service, sample.sent_at, sample.arrived_at))


def _as_allowed(sample: Sample, trial: Trial) -> Sample:
    """A refusal that is right during this fault counts as well-formed."""
    problem = sample.reading.problem or ""
    allowed = trial.refuses | (trial.refuses_writes if sample.kind in WRITES else frozenset())
    right = problem.startswith(REFUSED) and int(problem.removeprefix(REFUSED)) in allowed
    return replace(sample, reading=Reading()) if right else sample


def detected_after(samples: Sequence[Sample], service: str, *, since: float) -> float | None:
    """Seconds until the first answer that was degraded, and not for lack of time alone; None when none was."""
    arrivals = [
        sample.arrived_at
        for sample in samples
        if sample.service == service and sample.reading.degraded and sample.sent_at >= since and not out_of_time(sample)
    ]
    return min(arrivals) - since if arrivals else None


def broken_promises(
    trial: Trial,
    rows: Sequence[Row],
    during: Sequence[Sample],
    *,
    back_after: Mapping[str, float | None],
    alerts: Mapping[str, Sequence[str]],
    lost: Sequence[str],
    logged: Mapping[str, Collection[str]] = {},
    usual: Mapping[str, float] = {},
) -> tuple[str, ...]:
    """A sentence for each; `during` are the samples while the fault was wholly on, `logged` events by service.

    `usual`: by service, the share of degraded answers while nothing was wrong.
    """
    broken = [f"{row.kind}: {sentence}" for row in rows for sentence in _broken_answers(row.figures)]
    services = dict.fromkeys(row.service for row in rows)
    for service in services:
        own = [row.figures for row in rows if row.service == service]
        broken += [] if trial.may_be_late else _late(service, own)
        own_samples = [one for one in during if one.service == service]
        broken += _broken_quality(trial, service, own_samples, usual.get(service, 0.0))
    for service, seconds in back_after.items():
        if seconds is None or seconds > trial.back_within_seconds:
            took = "was not back" if seconds is None else f"took {seconds:.1f} s to come back"
            broken.append(f"{service}: full quality {took}; promised are {trial.back_within_seconds:.0f} s")
    for service in trial.services:
        broken += _hidden(trial, service, alerts.get(service, ()), logged.get(service))
    more = len(lost) - MOST_LOST_TOLD
    told = [*lost[:MOST_LOST_TOLD], *([f"and {more} more"] if more > 0 else [])]
    return (*broken, *(f"lost: {sentence}" for sentence in told))


def _hidden(trial: Trial, service: str, moved: Sequence[str], logged: Collection[str] | None) -> list[str]:
    """What a fault has to show and did not; nothing is known of a log that is None."""
    told = []
    if trial.shows and not does_show(moved, trial.shows):
        told.append(f"{service}: none of the metrics that tell of it moved: {', '.join(trial.shows)}")
    elif trial.expects in ("degraded", "dead") and not moved:
        told.append(f"{service}: no metric of failure moved")
    silent = [] if logged is None else [event for event in trial.logs if event not in logged]
    return [*told, *(f"{service}: its log does not say {event}" for event in silent)]


def _broken_answers(figures: Figures) -> list[str]:
    if figures.well_formed == figures.requests:
        return []
    problems = "".join(f"; {count} x {problem}" for problem, count in figures.problems)
    return [f"{figures.requests - figures.well_formed} of {figures.requests} missing or malformed{problems}"]


def _late(service: str, own: Sequence[Figures]) -> list[str]:
    requests, late = sum(one.requests for one in own), sum(one.late for one in own)
    return [f"{service}: {late} of {requests} after their budget"] if late > math.ceil(requests * LATE_SHARE) else []


def _broken_quality(trial: Trial, service: str, during: Sequence[Sample], usual: float) -> list[str]:
    asked = [sample for sample in during if sample.kind in BY_MODEL and sample.well_formed]
    degraded = sum(sample.reading.degraded for sample in asked)
    if service not in trial.services or trial.expects == "full":
        told = f"{service}: {degraded_share(asked):.0%} degraded, and this fault is not its business"
        return [] if is_untouched(asked, usual=usual) else [told]
    if trial.expects == "any" or not asked:
        return []
    if not degraded:
        return [f"{service}: no answer said that it was degraded"]
    claims = sum(not MODEL_TIERS.isdisjoint(sample.reading.tiers) for sample in asked)
    return [f"{service}: {claims} answers claim to be from a dead model"] if trial.expects == "dead" and claims else []
