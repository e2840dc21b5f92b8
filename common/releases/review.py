"""The report that a person decides by: how two versions differ, where, and by which rules that is good enough.

pass          the candidate is no worse than tolerated, on the whole and in every slice, and not by chance
fail          it is worse than tolerated, and not by chance
inconclusive  anything else: a person decides
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from common.releases.compare import Difference, Pairs, compare
from common.releases.gate import Verdict
from common.report.numbers import percent, points

Better = Literal["lower", "higher", "near zero"]

LEAST_GROUPS = 10  # of a slice; fewer say nothing, and it is left out
MOST_SLICES = 40
MOST_NAMED = 4  # slices in a sentence
MOST_CASES = 6  # of the worst, and of the best
DOUBT = 0.025  # the chance, over all slices together, that a harmless candidate fails for one of them
SHARE_DECIMALS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """By how much a loss may grow, as a share of the weight.

    Args:
        whole: over all samples.
        part: in one slice.
        sample: what is less than this has not changed.
        least_weight: a sample that weighs less is measured as if it weighed so much.
    """

    whole: float
    part: float
    sample: float
    least_weight: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What is compared, as its people call it."""

    samples: str  # forecasts, searches
    loss: str  # what the mean loss is, as "error"
    loss_told: str  # how that is measured
    sample_told: str  # when a sample counts as changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """Two versions asked the same; `cases` are for the page of their service, the first is the most telling.

    Args:
        facts: what a reader should know about the samples.
        doubts: why a good result would prove less than it seems to; with one the outcome is not a pass.
        measures: other figures by name, told and not judged.
    """

    kind: Literal["forecasts", "searches"]
    champion: str
    candidate: str
    words: Words
    tolerance: Tolerance
    whole: Pairs
    slices: Mapping[str, Pairs]
    measures: Mapping[str, tuple[Pairs, Better]]
    worst: Sequence[Mapping[str, Any]]
    best: Sequence[Mapping[str, Any]]
    facts: Sequence[str] = ()
    doubts: Sequence[str] = ()


def report_of(reviewed: Reviewed) -> dict[str, Any]:
    """JSON that is stored with the proposal."""
    whole = compare(reviewed.whole)
    slices = _slices(reviewed)
    improved, regressed = _changed(reviewed.whole, reviewed.tolerance)
    failed, doubted = judge(whole, {name: one for name, one, _, _ in slices}, reviewed.tolerance)
    doubted = [*doubted, *reviewed.doubts]
    if regressed > improved:
        doubted.append(f"more {reviewed.words.samples} got worse than better")
    outcome: Verdict = "fail" if failed else "inconclusive" if doubted else "pass"
    report = {
        "kind": reviewed.kind,
        "outcome": outcome,
        "sentence": _sentence(reviewed, whole, improved=improved, regressed=regressed),
        "reasons": [*failed, *doubted] or ["no worse than tolerated, on the whole and in every slice"],
        "rules": _rules(reviewed),
        "facts": list(reviewed.facts),
        "champion": reviewed.champion,
        "candidate": reviewed.candidate,
        "words": asdict(reviewed.words),
        "improved": improved,
        "regressed": regressed,
        "unchanged": whole.samples - improved - regressed,
        "measures": [
            {"name": reviewed.words.loss, "better": "lower", **asdict(whole)},
            *({"name": n, "better": better, **asdict(compare(p))} for n, (p, better) in reviewed.measures.items()),
        ],
        "slices": [{"name": name, "improved": up, "regressed": down, **asdict(one)} for name, one, up, down in slices],
        "worst": list(reviewed.worst)[:MOST_CASES],
        "best": list(reviewed.best)[:MOST_CASES],
    }
    finite: dict[str, Any] = _finite(report)
    return finite


def judge(whole: Difference, slices: Mapping[str, Difference], tolerance: Tolerance) -> tuple[list[str], list[str]]:
    """Why the candidate fails, and why it is doubted; empty lists if it does not, or is not."""
    failed, doubted = [], []
    if whole.low > tolerance.whole:
        failed.append(f"worse on the whole: {_told(whole)}")
    elif not whole.high <= tolerance.whole:
        doubted.append(f"may be worse on the whole: {_told(whole)}")
    sure = NormalDist().inv_cdf(1 - DOUBT / max(len(slices), 1))
    perhaps = []
    for name, one in slices.items():
        if one.difference - sure * one.error > tolerance.part:
            failed.append(f"worse in “{name}”: {_told(one)}")
        elif one.difference > tolerance.part:
            perhaps.append(f"“{name}”")
    if perhaps:
        more = f" and {len(perhaps) - MOST_NAMED} more" if len(perhaps) > MOST_NAMED else ""
        doubted.append(f"may be worse than tolerated in {', '.join(perhaps[:MOST_NAMED])}{more}")
    return failed, doubted


def most_changed(pairs: Pairs, score: np.ndarray[Any, np.dtype[np.float64]]) -> list[int]:
    """Places of the samples with the highest score above 0, at most `MOST_CASES`, no group twice."""
    taken: dict[int, int] = {}
    for place in np.argsort(-score, kind="stable").tolist():
        if len(taken) == MOST_CASES or score[place] <= 0:
            break
        taken.setdefault(int(pairs.group[place]), place)
    return list(taken.values())


def change_told(change: float, tolerance: Tolerance) -> str:
    """In a word, for the table of all samples."""
    return "regressed" if change > tolerance.sample else "improved" if change < -tolerance.sample else "unchanged"


def _slices(reviewed: Reviewed) -> list[tuple[str, Difference, int, int]]:
    """With improved and regressed samples; what got worse first."""
    found = [
        (name, one, *_changed(pairs, reviewed.tolerance))
        for name, pairs in list(reviewed.slices.items())[:MOST_SLICES]
        if (one := compare(pairs)).groups >= LEAST_GROUPS and math.isfinite(one.difference)
    ]
    return sorted(found, key=lambda entry: -entry[1].difference)


def _changed(pairs: Pairs, tolerance: Tolerance) -> tuple[int, int]:
    change = pairs.change(least_weight=tolerance.least_weight)
    return int((change < -tolerance.sample).sum()), int((change > tolerance.sample).sum())


def _sentence(reviewed: Reviewed, whole: Difference, *, improved: int, regressed: int) -> str:
    words = reviewed.words
    than = "better than" if whole.high < 0 else "worse than" if whole.low > 0 else "about as good as"
    return (
        f"{reviewed.candidate} is {than} {reviewed.champion}: its {words.loss} is {percent(whole.candidate)} "
        f"instead of {percent(whole.champion)}. Of {whole.samples:,} {words.samples} {improved:,} got better, "
        f"{regressed:,} got worse, and {whole.samples - improved - regressed:,} stayed about the same."
    )


def _rules(reviewed: Reviewed) -> list[str]:
    tolerance, words = reviewed.tolerance, reviewed.words
    return [
        f"{words.loss}: {words.loss_told}; lower is better. A sample has changed {words.sample_told}.",
        f"Tolerated: {points(tolerance.whole)} points on the whole, {points(tolerance.part)} in a slice of at "
        f"least {LEAST_GROUPS} independent samples.",
        "It fails where it is worse than that and chance can't explain it (95 % bootstrap interval on the whole, "
        "one chance in 40 over all slices together). It passes where neither is in doubt. Else a person decides.",
    ]


def _told(one: Difference) -> str:
    return f"{points(one.difference)} points, between {points(one.low)} and {points(one.high)}"


def _finite(value: Any) -> Any:
    """With null where a figure is no number."""
    if isinstance(value, float):
        return round(value, SHARE_DECIMALS) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
