"""A test that may be looked at after every observation."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.releases.betting import BettingTest

ALPHA = 0.05


def _fortune_of(rng: random.Random, mean: float, *, at_most: float, observations: int) -> BettingTest:
    test = BettingTest()
    for _ in range(observations):
        test.observe(float(rng.random() < mean), at_most=at_most)
    return test


@pytest.mark.parametrize("mean", [0.005, 0.1, 0.5, 0.9])
def test_a_true_claim_is_refuted_no_more_often_than_promised_however_often_one_looks(mean: float) -> None:
    rng = random.Random(7)
    refuted = sum(_fortune_of(rng, mean, at_most=mean, observations=400).sure(ALPHA) for _ in range(500))

    assert refuted <= 500 * ALPHA  # in expectation; Ville's bound is far from tight, so chance does not reach it


def test_a_false_claim_is_refuted_and_sooner_the_falser_it_is() -> None:
    rng = random.Random(7)

    def needed(mean: float) -> int:
        test = BettingTest()
        while not test.sure(ALPHA):
            test.observe(float(rng.random() < mean), at_most=0.02)
        return test.count

    assert needed(0.5) < needed(0.2) < 200


def test_once_refuted_a_claim_stays_refuted() -> None:
    test = BettingTest()
    for _ in range(50):
        test.observe(1.0, at_most=0.5)
    for _ in range(500):
        test.observe(0.0, at_most=0.5)

    assert test.sure(ALPHA)


@given(st.lists(st.floats(0, 1), max_size=60), st.floats(0.001, 0.999))
def test_no_series_of_observations_ruins_the_better(observations: list[float], at_most: float) -> None:
    test = BettingTest()
    for x in observations:
        test.observe(x, at_most=at_most)

    assert test.log_fortune > float("-inf")
    assert test.highest >= 0


@pytest.mark.parametrize(("x", "at_most"), [(-0.1, 0.5), (1.1, 0.5), (float("nan"), 0.5), (0.5, 0.0), (0.5, 1.0)])
def test_what_does_not_lie_between_0_and_1_is_refused(x: float, at_most: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        BettingTest().observe(x, at_most=at_most)
