"""Figures, broken promises and the verdict: pure functions, tried on samples made by hand."""

from __future__ import annotations

import dataclasses
import math

import pytest

from loadtests.checks import Reading
from loadtests.figures import Figures, Sample, full_quality_after, percentile, summarise
from loadtests.promises import Expected, PhaseResult, Thresholds, broken_promises, verdict
from loadtests.screen import in_short, in_words

THRESHOLDS = Thresholds()
GOOD = Reading(("correction",))
FALLBACK = Reading(("moving_average",), degraded=True, reasons=("timeout",))
BAD = Reading(problem="status 500")


def sample(reading: Reading = GOOD, *, took_ms: float = 10, stalled_ms: float = 0, sent_at: float = 0) -> Sample:
    return Sample("retail", "normal", sent_at, took_ms, stalled_ms, reading)


def figures(*samples: Sample) -> Figures:
    return summarise(samples, budget_ms=300, limit_ms=400)


def broken(expected: Expected, row: Figures, *, seconds: float | None = 1.0) -> list[str]:
    return broken_promises([PhaseResult("phase", expected, {"retail": row}, seconds)], THRESHOLDS)


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 5), (95, 10), (99, 10), (100, 10)])
def test_percentiles_are_values_that_were_measured(percent: float, value: float) -> None:
    assert percentile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], percent) == value


def test_figures_count_answers_by_meaning_and_entries_by_tier() -> None:
    bulk = Reading(("correction", "constant", "constant"), degraded=True, reasons=("unknown_item",))
    row = figures(sample(), sample(FALLBACK, took_ms=301), sample(bulk), sample(BAD, took_ms=401))
    assert (row.requests, row.well_formed, row.in_budget, row.late, row.beyond_limit) == (4, 3, 2, 1, 1)
    assert (row.degraded, row.from_models) == (2, 2)
    assert dict(row.tiers) == {"correction": 2 / 5, "moving_average": 1 / 5, "constant": 2 / 5}
    assert list(dict(row.tiers)) == ["correction", "moving_average", "constant"]  # best first
    assert (row.p50_ms, row.slowest_ms) == (10, 401)
    assert row.problems == (("status 500", 1),)


def test_figures_of_nothing_are_no_error() -> None:
    assert figures().requests == 0
    assert math.isnan(figures().p99_ms)
    assert "0 requests" in in_words(figures())


def test_a_pause_of_the_measuring_process_is_not_blamed_on_the_service() -> None:
    assert figures(sample(took_ms=350, stalled_ms=60)).in_budget == 1
    assert figures(sample(took_ms=350, stalled_ms=40)).in_budget == 0
    paused = figures(sample(took_ms=350, stalled_ms=60))
    assert (paused.slowest_ms, paused.excused, paused.longest_stall_ms) == (350, 1, 60)


def test_what_was_degraded_while_the_machine_stood_still_is_no_fault_of_the_models() -> None:
    paused = [sample(FALLBACK, stalled_ms=50)] * 30
    assert broken("full", figures(*paused, *[sample()] * 10)) == []
    assert broken("full", figures(*[sample(FALLBACK)] * 30, *[sample()] * 10)) == [
        "phase, retail: 75% degraded while nothing was wrong"
    ]


def test_full_quality_is_back_with_the_first_of_enough_good_answers_in_a_row() -> None:
    bad_until_two = [sample(GOOD if second >= 2 else FALLBACK, sent_at=second) for second in range(6)]
    assert full_quality_after(bad_until_two, since=0.5, streak=4) == 1.5
    assert full_quality_after(reversed(bad_until_two), since=0.5, streak=4) == 1.5
    assert full_quality_after(bad_until_two, since=0.5, streak=5) is None


def test_a_relapse_starts_the_count_anew_and_earlier_answers_do_not_count() -> None:
    readings = [GOOD, GOOD, GOOD, BAD, GOOD, GOOD, GOOD]
    samples = [sample(reading, sent_at=second) for second, reading in enumerate(readings)]
    assert full_quality_after(samples, since=1, streak=3) == 3


def test_kept_promises_are_silent() -> None:
    good, fallen_back = figures(*[sample()] * 30), figures(*[sample(FALLBACK)] * 30)
    assert broken("full", good) == []
    assert broken("dead", fallen_back) == []
    assert broken("degraded", fallen_back) == []
    assert broken("recovery", good) == []


@pytest.mark.parametrize(
    ("expected", "samples", "sentence"),
    [
        ("full", [sample()] * 30 + [sample(BAD)], "1 answers missing or malformed; 1 x status 500"),
        ("recovery", [sample()] * 30 + [sample(BAD)], "1 answers missing or malformed; 1 x status 500"),
        ("full", [sample()] * 30 + [sample(took_ms=301)] * 2, "2 of 32 answers after 300 ms"),
        ("full", [sample()] * 30 + [sample(took_ms=401)], "1 answers not within 400 ms"),
        ("full", [sample()] * 30 + [sample(FALLBACK)] * 60, "67% degraded while nothing was wrong"),
        ("full", [sample()] * 9, "only 9 requests"),
        ("degraded", [sample()] * 30, "no answer said that it was degraded"),
        ("dead", [sample(FALLBACK)] * 30 + [sample()], "1 answers claim to be from a model"),
    ],
)
def test_every_broken_promise_is_a_sentence(expected: Expected, samples: list[Sample], sentence: str) -> None:
    [told] = broken(expected, figures(*samples))
    assert told.startswith("phase, retail: ")
    assert sentence in told


def test_the_tolerated_share_of_late_answers_is_rounded_up_to_a_whole_one() -> None:
    assert broken("full", figures(*[sample()] * 30, sample(took_ms=301))) == []
    assert broken("full", figures(*[sample()] * 398, *[sample(took_ms=301)] * 2)) == []
    assert broken("full", figures(*[sample()] * 397, *[sample(took_ms=301)] * 3)) != []


def test_quality_that_did_not_come_back_is_a_broken_promise() -> None:
    assert broken("recovery", figures(sample()), seconds=None) == ["phase: full quality was not back within 15 s"]


def test_the_verdict_is_a_plain_sentence() -> None:
    row = figures(*[sample()] * 63, *[sample(FALLBACK)] * 37)
    many = PhaseResult(
        "a", "full", {"retail": dataclasses.replace(row, requests=1200, in_budget=1200, well_formed=1200)}
    )
    few = PhaseResult("b", "dead", {"retail": row})
    assert verdict([few]) == "100 of 100 answered in budget; 37 % degraded, all said so"
    assert verdict([many, few]).startswith("1,300 of 1,300 answered in budget; 6 % degraded")
    assert verdict([]) == "0 of 0 answered in budget; 0 % degraded, all said so"


def test_the_verdict_does_not_call_a_lie_honest() -> None:
    row = figures(*[sample()] * 9, sample(BAD))
    told = verdict([PhaseResult("a", "full", {"retail": row})])
    assert told == "9 of 10 answered in budget; 0 % degraded, 1 answers missing or malformed"


def test_shares_are_never_rounded_to_a_none_or_an_all_that_is_not_true() -> None:
    row = figures(*[sample()] * 999, sample(FALLBACK))
    assert "<1% degraded" in in_words(row)
    assert "correction >99%, moving_average <1%" in in_words(row)
    assert in_short([row, row]) == "2,000 of 2,000 answered in budget, <1% degraded"


def test_answers_that_a_slow_machine_had_no_time_for_are_degraded_and_no_broken_promise() -> None:
    slow = Reading(("semantic",), degraded=True, reasons=("reranker:no_time",))
    row = figures(*(sample(slow) for _ in range(100)))
    assert row.degraded == 100
    assert broken("full", row) == []
    wrong = Reading(("semantic",), degraded=True, reasons=("reranker:no_time", "reranker:timeout"))
    assert broken("full", figures(*(sample(wrong) for _ in range(100)))) != []
    assert broken("full", figures(*(sample(FALLBACK) for _ in range(100)))) == [
        "phase, retail: 100% degraded while nothing was wrong"
    ]
