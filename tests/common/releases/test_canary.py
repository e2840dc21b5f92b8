"""Does a canary find what is bad, and let through what is not?"""

from __future__ import annotations

from random import Random

import pytest

from common.releases.canary import Answered, CanaryJudge, CanaryPolicy, Verdict
from common.releases.share import place_of

POLICY = CanaryPolicy()
FINE = Answered(failed=False, latency_ms=10.0)


def test_worse_outcomes_take_a_challenger_back_once_the_truth_is_known() -> None:
    judge, rng = CanaryJudge(POLICY), Random(3)
    while judge.verdict().decision != "roll_back":
        judge.turned_out(rng.uniform(0.2, 0.4), rng.uniform(0.3, 0.5), "meat")

    assert "worse outcomes in meat" in str(judge.verdict().evidence[0])


def test_what_ails_both_versions_is_not_held_against_the_challenger() -> None:
    judge, rng = CanaryJudge(POLICY), Random(3)
    for _ in range(2_000):
        judge.challenger_answered()
        judge.both_answered(*(Answered(rng.random() < 0.3, rng.uniform(50, 200)) for _ in range(2)))

    assert judge.verdict().decision == "advance"


def test_an_item_that_always_fails_says_nothing_however_often_the_challenger_meets_it() -> None:
    judge = CanaryJudge(POLICY)
    for _ in range(2_000):
        judge.both_answered(Answered(failed=True, latency_ms=500.0), Answered(failed=True, latency_ms=505.0))

    assert judge.verdict().decision == "wait"


@pytest.mark.parametrize(
    ("worse", "claim"),
    [
        (Answered(failed=True, latency_ms=10.0), "failures"),
        (Answered(failed=False, latency_ms=60.0), "slow answers"),
    ],
)
def test_who_fails_or_dawdles_where_the_champion_does_not_is_taken_back(worse: Answered, claim: str) -> None:
    judge = CanaryJudge(POLICY)
    for _ in range(20):
        judge.both_answered(FINE, worse)

    assert [one.claim for one in judge.verdict().evidence] == [claim]


def test_no_number_of_slices_makes_a_judge_grow_without_bound() -> None:
    judge = CanaryJudge(POLICY)
    for number in range(1_000):
        judge.compared({"": 0.0, f"category-{number}": 0.0})

    assert len(judge.as_json()) <= 2 * 65


def test_requests_without_comparisons_move_nobody_on_and_the_judge_says_what_is_missing() -> None:
    judge = CanaryJudge(CanaryPolicy(requests_per_step=3, comparisons_per_step=2))
    for _ in range(300):
        judge.challenger_answered()
    assert judge.verdict() == Verdict("wait", missing="2 more comparisons with the champion")

    for _ in range(2):
        judge.both_answered(FINE, FINE)

    assert judge.verdict() == Verdict("advance")


def test_requests_and_comparisons_are_counted_anew_at_each_step() -> None:
    judge = CanaryJudge(CanaryPolicy(requests_per_step=1, comparisons_per_step=1))
    judge.challenger_answered()
    judge.both_answered(FINE, FINE)

    judge.next_step()

    assert judge.verdict().missing == "1 more requests and 1 more comparisons with the champion"


def test_the_same_caller_and_item_always_meet_the_same_version_and_shares_are_kept() -> None:
    places = [place_of("release", f"caller-{n % 7}", f"item-{n}") for n in range(20_000)]

    assert places == [place_of("release", f"caller-{n % 7}", f"item-{n}") for n in range(20_000)]
    for share in (0.01, 0.05, 0.25):
        assert abs(sum(place < share for place in places) / len(places) - share) < 0.01
    assert place_of("a", "bc", "d") != place_of("ab", "c", "d")


@pytest.mark.parametrize("steps", [(), (0.5,), (0.5, 0.2, 1.0), (0.0, 1.0), (0.5, 0.5, 1.0)])
def test_steps_that_do_not_rise_to_the_whole_are_refused(steps: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="rise"):
        CanaryPolicy(steps=steps)
