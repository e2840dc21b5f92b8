"""Quantiles hold what they promise, never cross, and a damaged table of them is noticed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from supermegaretail.demand import in_pieces
from supermegaretail.features import CORE_DESIGN
from supermegaretail.spread import LEAST_ROWS, Spread, learn
from supermegaretail.training import right_in_total

LEVELS = (0.015, 0.25, 0.5, 0.75, 0.95, 0.99)
ROWS = 40_000


def design_of(demand: np.ndarray, *, horizon: np.ndarray | int = 1, variation: np.ndarray | float = 1.0) -> np.ndarray:
    design = np.zeros((len(demand), len(CORE_DESIGN)))
    design[:, CORE_DESIGN.index("variation_28")] = variation
    design[:, CORE_DESIGN.index("zero_share_56")] = np.exp(-demand)
    design[:, CORE_DESIGN.index("horizon")] = horizon
    return design


def shop(seed: int, *, steady: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Means from a fifth of a unit to 50 a day, and what was sold: counts that vary more than chance alone."""
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.uniform(np.log(0.2), np.log(50), ROWS))
    return mean, rng.poisson(mean * rng.gamma(steady, 1 / steady, ROWS)).astype(float)


def off_by(sold: np.ndarray, quantile: np.ndarray, level: float) -> float:
    """How far the level lies outside of what is sold below the quantile, and at or below it; as a share."""
    below, at_most = float(np.mean(sold < quantile)), float(np.mean(sold <= quantile))
    return max(below - level, level - at_most, 0.0)


@pytest.fixture(scope="module")
def spread() -> Spread:
    mean, sold = shop(1)
    learnt = learn(mean, design_of(mean), sold, sold >= 0, seed=1)
    assert learnt is not None
    return learnt


def test_each_quantile_covers_its_share_of_days_that_were_not_learnt_from(spread: Spread) -> None:
    mean, sold = shop(2)
    quantiles = in_pieces(spread.quantiles(mean, design_of(mean), LEVELS), mean > 0)
    for of in (slice(None), mean < 1, (mean >= 1) & (mean < 10), mean >= 10):
        assert max(off_by(sold[of], quantiles[of, place], level) for place, level in enumerate(LEVELS)) < 0.03


@pytest.mark.parametrize("off", [0.8, 1.25])
def test_a_level_that_was_off_in_those_weeks_is_not_carried_on(off: float) -> None:
    mean, sold = shop(1)
    np.testing.assert_allclose(right_in_total(off * mean, sold), right_in_total(mean, sold))
    assert right_in_total(off * mean, sold).sum() == pytest.approx(sold.sum())


def test_errors_far_above_all_others_do_not_throw_the_spread_off() -> None:
    mean, sold = shop(5)
    design = design_of(mean, variation=np.random.default_rng(5).lognormal(0, 2, ROWS))
    freak = np.where(np.arange(ROWS) % 5_000 == 0, 1e6 * (1 + sold), sold)
    learnt = learn(mean, design, freak, sold >= 0, seed=1)
    assert learnt is not None
    assert np.isfinite(learnt.quantiles(mean, design, LEVELS)).all()


@pytest.mark.parametrize("per_day", [0.7, 1.0, 2.0, 6.0])
def test_what_sells_by_the_piece_has_whole_quantiles_that_hold_for_products_alike(per_day: float) -> None:
    mean = np.full(ROWS, per_day)
    sold = np.random.default_rng(3).poisson(mean).astype(float)
    learnt = learn(mean, design_of(mean), sold, sold >= 0, seed=1)
    assert learnt is not None
    quantiles = in_pieces(learnt.quantiles(mean[:1], design_of(mean[:1]), LEVELS), mean[:1] > 0)[0]
    assert (quantiles == np.round(quantiles)).all()
    assert max(off_by(sold, quantile, level) for quantile, level in zip(quantiles, LEVELS, strict=True)) < 0.01


def test_what_sells_by_weight_has_quantiles_between_whole_numbers() -> None:
    mean, sold = shop(4)
    weighed = sold * np.random.default_rng(4).uniform(0.9, 1.1, ROWS)
    learnt = learn(mean, design_of(mean), weighed, weighed < 0, seed=1)
    assert learnt is not None
    quantiles = learnt.quantiles(mean, design_of(mean), LEVELS)
    assert (quantiles != np.round(quantiles)).mean() > 0.5
    assert max(off_by(weighed, quantiles[:, place], level) for place, level in enumerate(LEVELS)) < 0.02


def test_few_that_are_weighed_among_many_pieces_keep_quantiles_of_their_own() -> None:
    mean, sold = shop(5, steady=8)
    weighed = np.arange(ROWS) % 200 == 0
    mean[weighed], sold[weighed] = 0.4, np.random.default_rng(5).gamma(16, 0.4 / 16, weighed.sum())
    design = design_of(mean)
    design[weighed] = design_of(mean[weighed], variation=0.25)
    design[weighed, CORE_DESIGN.index("zero_share_56")] = 0
    learnt = learn(mean, design, sold, ~weighed, seed=1)
    assert learnt is not None
    quantiles = in_pieces(learnt.quantiles(mean, design, LEVELS), ~weighed)
    assert (quantiles[~weighed] == np.round(quantiles[~weighed])).all()
    _, quarter, middle, three_quarters, high, _ = quantiles[weighed].mean(0)
    assert quarter < middle < three_quarters < high
    assert 0.2 < middle < 0.6


def test_what_hardly_sells_has_a_median_of_zero_and_still_a_high_quantile(spread: Spread) -> None:
    low, median, high = spread.quantiles(np.array([0.2]), design_of(np.array([0.2])), (0.25, 0.5, 0.99))[0]
    assert low == median == 0
    assert high > 1


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0, 1e6),
    st.floats(0, 50),
    st.integers(1, 28),
    st.lists(st.floats(0.001, 0.999), min_size=2, max_size=20, unique=True),
)
def test_quantiles_never_cross_are_never_negative_and_always_numbers(
    spread: Spread, demand: float, variation: float, horizon: int, levels: list[float]
) -> None:
    units = np.array([demand])
    design = design_of(units, horizon=horizon, variation=variation)
    quantiles = spread.quantiles(units, design, sorted(levels))[0]
    assert np.isfinite(quantiles).all()
    assert (quantiles >= 0).all()
    assert (np.diff(quantiles) >= -1e-9 * max(demand, 1)).all()


def test_the_same_errors_and_seed_give_the_same_spread_and_it_survives_being_kept(spread: Spread) -> None:
    mean, sold = shop(1)
    assert learn(mean, design_of(mean), sold, sold >= 0, seed=1) == spread
    assert Spread.model_validate_json(spread.as_json()) == spread


def test_from_too_few_errors_nothing_is_claimed() -> None:
    mean, sold = (values[: LEAST_ROWS - 1] for values in shop(1))
    assert learn(mean, design_of(mean), sold, sold >= 0, seed=1) is None


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("zero", (1.0,)),
        ("scale", (float("nan"),) * 8),
        ("shapes", (1.0,)),
        ("levels", (0.9, 0.1)),
        ("table", ((1.0, 0.0),)),
    ],
)
def test_a_damaged_spread_is_refused(spread: Spread, part: str, value: tuple[object, ...]) -> None:
    with pytest.raises(ValidationError):
        Spread(**{**spread.model_dump(), part: value})
