"""The report that a person decides by, on made-up versions of which the truth is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import create_engine

from common.releases.bootstrap import Floats
from common.releases.compare import Pairs, compare
from common.releases.review import MOST_CASES, Reviewed, Tolerance, Words, most_changed, report_of
from common.releases.store import MOST_REPORT_BYTES, ReleaseStore

TOLERANCE = Tolerance(whole=0.01, part=0.03, sample=0.05)
WORDS = Words(samples="answers", loss="error", loss_told="made up", sample_told="if it changed")
N = 400


def losses(mean: float = 0.3) -> Floats:
    return np.random.default_rng(1).uniform(mean - 0.2, mean + 0.2, N)


def pairs(champion: Floats, candidate: Floats) -> Pairs:
    return Pairs(champion, candidate, np.ones(len(champion)), np.arange(len(champion)))


def review(candidate: Floats, *, doubts: Sequence[str] = (), slices: dict[str, slice] | None = None) -> dict[str, Any]:
    whole = pairs(losses(), candidate)

    def part(chosen: slice) -> Pairs:
        flags = np.zeros(N, bool)
        flags[chosen] = True
        return whole.where(flags)

    return report_of(
        Reviewed(
            kind="searches",
            champion="1.0.0",
            candidate="1.1.0",
            words=WORDS,
            tolerance=TOLERANCE,
            whole=whole,
            slices={name: part(chosen) for name, chosen in (slices or {}).items()},
            measures={},
            worst=[],
            best=[],
            doubts=doubts,
        )
    )


def test_the_same_answers_pass_and_nothing_has_changed() -> None:
    report = review(losses())

    assert (report["outcome"], report["improved"], report["regressed"]) == ("pass", 0, 0)
    assert "about as good as" in report["sentence"]


def test_a_candidate_that_is_better_everywhere_passes() -> None:
    report = review(losses() - 0.06)

    assert (report["outcome"], report["improved"]) == ("pass", N)
    assert "1.1.0 is better than 1.0.0" in report["sentence"]
    assert report["measures"][0]["difference"] == pytest.approx(-0.06, abs=1e-6)


def test_a_candidate_that_is_worse_everywhere_fails() -> None:
    report = review(losses() + 0.06)

    assert (report["outcome"], report["regressed"]) == ("fail", N)
    assert "worse on the whole" in report["reasons"][0]


def test_one_slice_that_got_much_worse_fails_although_the_whole_got_better() -> None:
    candidate = losses() - 0.1
    candidate[:40] += 0.3

    report = review(candidate, slices={"meat": slice(0, 40), "dairy": slice(40, 400)})

    assert report["outcome"] == "fail"
    assert report["reasons"] == ["worse in “meat”: +20.0 points, between +20.0 and +20.0"]
    assert [one["name"] for one in report["slices"]] == ["meat", "dairy"]  # the worst first
    assert (report["slices"][0]["regressed"], report["slices"][1]["improved"]) == (40, 360)


def test_what_can_be_chance_leaves_the_decision_to_a_person() -> None:
    candidate = losses() + np.random.default_rng(2).normal(0, 0.4, N)

    assert review(candidate)["outcome"] == "inconclusive"


def test_more_regressions_than_improvements_leave_the_decision_to_a_person() -> None:
    candidate = losses()
    candidate[:60] += 0.06
    candidate[60:80] -= 0.25

    report = review(candidate)

    assert (report["outcome"], report["regressed"], report["improved"]) == ("inconclusive", 60, 20)
    assert report["reasons"][-1] == "more answers got worse than better"


def test_with_a_doubt_about_the_samples_nothing_passes() -> None:
    assert review(losses() - 0.06, doubts=["it has seen them"])["outcome"] == "inconclusive"


def test_a_slice_of_a_few_samples_is_left_out() -> None:
    assert review(losses(), slices={"few": slice(0, 9), "enough": slice(0, 10)})["slices"][0]["name"] == "enough"


def test_the_interval_holds_the_true_difference_about_as_often_as_it_says() -> None:
    dice = np.random.default_rng(5)
    hits = 0
    for _ in range(60):
        found = compare(pairs(dice.uniform(0, 1, 150), dice.uniform(0.1, 1.1, 150)))
        hits += found.low <= 0.1 <= found.high

    assert hits >= 51


def test_samples_that_belong_together_make_the_interval_wider() -> None:
    noise = np.repeat(np.random.default_rng(3).normal(0, 0.2, 40), 10)
    apart = pairs(losses(), losses() + noise)
    together = replace(apart, group=np.repeat(np.arange(40), 10))

    alone, grouped = compare(apart), compare(together)

    assert (alone.groups, grouped.groups) == (400, 40)
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


def test_figures_are_weighted_and_nothing_without_weight_makes_a_number() -> None:
    weighted = Pairs(np.array([10.0, 0.0]), np.array([20.0, 0.0]), np.array([30.0, 10.0]), np.array([1, 2]))
    found = compare(weighted)
    assert (found.champion, found.candidate) == (0.25, 0.5)

    empty = compare(replace(weighted, weight=np.zeros(2)))
    assert np.isnan([empty.champion, empty.difference, empty.low]).all()
    assert compare(weighted.where(np.array([False, False]))).samples == 0


def test_the_worst_are_those_that_changed_most_and_no_group_comes_twice() -> None:
    grouped = replace(pairs(losses(), losses()), group=np.arange(N) // 2)
    score = np.zeros(N)
    score[[7, 6, 100, 300]] = [5, 4, 9, 3]

    assert most_changed(grouped, score) == [100, 7, 300]
    assert len(most_changed(grouped, np.ones(N))) == MOST_CASES


def test_a_report_is_json_with_finite_numbers_only() -> None:
    report = review(np.full(N, 0.3), slices={"nothing": slice(0, 0)})

    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_a_report_that_is_too_large_is_refused_and_lists_do_without(tmp_path: Path) -> None:
    store = ReleaseStore(create_engine(f"sqlite:///{tmp_path / 'state.sqlite3'}"))
    fields: dict[str, Any] = {"from_version": "1.0.0", "to_version": "1.1.0", "who": "ann", "why": "look"}

    with pytest.raises(ValueError, match="bytes"):
        store.add("ranker", report={"rows": "x" * MOST_REPORT_BYTES}, **fields)
    kept = store.add("ranker", report=review(losses()), **fields)

    assert [one.report for one in store.listed()] == [{}]
    found = store.find(kept.id)
    assert found is not None
    assert found.report["outcome"] == "pass"
