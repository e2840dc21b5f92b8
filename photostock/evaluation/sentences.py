"""The findings in sentences, most important first, for the terminal and the page alike."""

from __future__ import annotations

from common.report.numbers import number, percent
from photostock.evaluation.measures import Interval
from photostock.evaluation.report import DENSE, TYPO, WHOLE, Line, Report
from photostock.evaluation.variants import HINTS


def what_was_done(report: Report) -> str:
    """Data and versions in one sentence."""
    versions = ", ".join(f"{name} {version}" for name, version in sorted(report.versions.items()))
    left_out = (
        f"; queries of {report.left_out:,} photos trained the reranker and are not asked" if report.left_out else ""
    )
    return f"{report.clean.questions:,} queries on {report.photos:,} photos (seed {report.seed}{left_out}); {versions}"


def sentences(report: Report) -> list[str]:
    """What the figures say."""
    return [*_whole(report), *_removed(report), *_peers(report), *_typos(report), *_failures(report)]


def interval(one: Interval) -> str:
    """A value and its 95 % interval."""
    return f"{number(one.value)} ({number(one.low)} – {number(one.high)})"


def is_clear(one: Interval) -> bool:
    """Whether a ratio's interval leaves out 1: more than chance, as far as these queries tell."""
    return not one.low <= 1 <= one.high


def stages(report: Report) -> list[tuple[Line, Line | None]]:
    """The chain from below, each step with the one that it builds on; lexical search is beside the chain."""
    steps = [line for line in report.clean.lines if line.kind == "stage"]
    chain = [None, None, *steps[1:-1]]
    return list(zip(steps, chain, strict=True))


def _whole(report: Report) -> list[str]:
    whole, dense = report.clean.line(WHOLE), report.clean.line(DENSE)
    if whole is None or dense is None:
        return []
    return [
        f"The whole finds the photo that was meant among the first ten for {percent(whole.quality.recall_10)} of the "
        f"queries, and as the very first for {percent(whole.quality.recall_1)}.",
        f"Against dense alone its nDCG@10 is {interval(whole.to_dense)} times as high, for "
        f"{number(whole.cpu_ms, 1)} instead of {number(dense.cpu_ms, 1)} ms of processor time per query.",
    ]


def _removed(report: Report) -> list[str]:
    removed = [line for line in report.clean.lines if line.kind == "removed"]
    paying = [line for line in removed if line.to_whole.high < 1]
    idle = [line for line in removed if line.to_whole.high >= 1]
    told = []
    if paying:
        costs = ", ".join(f"{_part(line)} {percent(line.to_whole.value - 1, sign=True)}" for line in paying)
        told.append(f"Taken away alone, these make answers clearly worse: {costs}.")
    if idle:
        costs = ", ".join(f"{_part(line)} {percent(line.to_whole.value - 1, sign=True)}" for line in idle)
        told.append(f"For these the queries show no clear loss: {costs}.")
    return told


def _peers(report: Report) -> list[str]:
    peers = [line for line in report.clean.lines if line.kind == "peer"]
    whole = report.clean.line(WHOLE)
    if not peers or whole is None:
        return []
    best = max(peers, key=lambda line: line.quality.ndcg_10.value)
    return [
        f"Best of the others: {best.name}, nDCG@10 {number(best.quality.ndcg_10.value)}; ours has "
        f"{number(whole.quality.ndcg_10.value)}."
    ]


def _typos(report: Report) -> list[str]:
    kept, without = report.typo_kept.get(WHOLE), report.typo_kept.get(f"without {HINTS}")
    if kept is None or without is None:
        return []
    asked = next(one for one in report.situations if one.name == TYPO).questions
    return [
        f"With one typo in each of {asked:,} queries the whole keeps {percent(kept.value)} of its nDCG@10, "
        f"and {percent(without.value)} without {HINTS}."
    ]


def _failures(report: Report) -> list[str]:
    failed = sum(line.failed for situation in report.situations for line in situation.lines)
    if failed:
        return [f"{failed:,} searches had no answer at all: a stage that is away must never do that."]
    return ["Whatever was taken away, every search was answered."]


def _part(line: Line) -> str:
    return line.name.removeprefix("without ")
