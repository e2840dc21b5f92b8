"""Forecasts lean from the mean towards the median: smaller errors for each product, and hardly less in total."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from supermegaretail.core.model import CoreModel
from supermegaretail.features import CORE_DESIGN, Floats
from supermegaretail.leaning import LEAST_ROWS, MOST_LOST, MOST_OF_ONE, Lean, learn

ROWS = 20_000
VARIATION = CORE_DESIGN.index("variation_28")


def design_of(variation: Floats) -> Floats:
    design = np.zeros((len(variation), len(CORE_DESIGN)))
    design[:, VARIATION] = variation
    return design


def shop(seed: int, *, off: float = 1.0) -> tuple[Floats, Floats, Floats]:
    """Forecasts, rows of CORE_DESIGN, sales: gamma-distributed around `off` × the forecast, as unsteady as told."""
    rng = np.random.default_rng(seed)
    variation, mean = rng.uniform(0.2, 1.5, ROWS), rng.uniform(2, 20, ROWS)
    steady = 1 / variation**2
    return mean, design_of(variation), rng.gamma(steady, off * mean / steady)


def leant(seed: int, *, off: float = 1.0) -> Lean:
    lean = learn(*shop(seed, off=off))
    assert lean is not None
    return lean


def test_each_product_is_forecast_more_exactly_and_the_total_loses_a_few_percent_at_most() -> None:
    lean = leant(1)
    mean, design, sold = shop(2)
    forecast = mean * lean.factors(design)
    assert np.abs(forecast - sold).sum() < 0.995 * np.abs(mean - sold).sum()
    assert (1 - 1.2 * MOST_LOST) * mean.sum() < forecast.sum() < mean.sum()


def test_the_unsteadier_a_product_the_further_its_forecast_leans() -> None:
    steady, between, unsteady = leant(1).factors(design_of(np.array([0.2, 0.7, 1.5])))
    assert 1 >= steady > between > unsteady > 0


@pytest.mark.parametrize("off", [0.8, 1.25])
def test_a_level_that_was_off_in_those_weeks_is_not_carried_on(off: float) -> None:
    np.testing.assert_allclose(leant(1, off=off).factor, leant(1).factor, atol=1e-6)


def test_where_sales_are_not_lopsided_forecasts_stay_the_mean() -> None:
    mean, design, _ = shop(1)
    even = mean * np.random.default_rng(3).choice([0.5, 1.0, 1.5], ROWS)
    lean = learn(mean, design, even)
    assert lean is not None
    assert min(lean.factor) > 0.99


def test_products_that_hardly_ever_sell_keep_a_forecast_although_their_median_is_nothing() -> None:
    mean, design, _ = shop(1)
    rare = np.where(np.random.default_rng(3).random(ROWS) < 0.2, 5 * mean, 0.0)
    lean = learn(mean, design, rare)
    assert lean is not None
    np.testing.assert_allclose(lean.factor, 1 - MOST_LOST, atol=2e-3)


@pytest.mark.parametrize("slow_share", [0.1, 0.3, 0.6])
def test_slow_products_among_fast_ones_lose_a_tenth_at_most(slow_share: float) -> None:
    rng = np.random.default_rng(6)
    slow = rng.random(ROWS) < slow_share
    mean = np.where(slow, 0.2, 20.0)
    lean = learn(mean, design_of(np.where(slow, 2.0, 0.2)), rng.poisson(mean).astype(float))
    assert lean is not None
    assert min(lean.factor) == pytest.approx(1 - MOST_OF_ONE)
    assert max(lean.factor) > 0.95


def test_too_few_sales_tell_nothing_and_neither_do_weeks_without_any() -> None:
    mean, design, sold = shop(1)
    few = slice(LEAST_ROWS - 1)
    assert learn(mean[few], design[few], sold[few]) is None
    assert learn(mean, design, np.zeros(ROWS)) is None


def test_products_that_are_all_alike_lean_alike() -> None:
    mean, _, sold = shop(1)
    lean = learn(mean, design_of(np.ones(ROWS)), sold)
    assert lean is not None
    assert len(lean.factor) == 1
    assert set(lean.factors(design_of(np.array([0.1, 1.0, 9.0])))) == set(lean.factor)


@settings(max_examples=50, deadline=None)
@given(
    speeds=st.lists(st.floats(0.01, 1e3), min_size=1, max_size=5),
    unsteady=st.floats(0.1, 3),
    idle=st.floats(0, 0.9),
    seed=st.integers(0, 99),
)
def test_whatever_was_sold_no_product_gains_or_loses_more_than_a_tenth(
    speeds: list[float], unsteady: float, idle: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    mean = rng.choice(speeds, 4_000)
    sold = rng.gamma(1 / unsteady**2, mean * unsteady**2) * (rng.random(4_000) >= idle)
    lean = learn(mean, design_of(rng.lognormal(0, unsteady, 4_000)), sold)
    if lean is not None:
        factors = lean.factors(design_of(rng.uniform(0, 50, 100)))
        assert factors.min() >= 1 - MOST_OF_ONE - 1e-12
        assert factors.max() <= 1


def test_what_was_learnt_comes_back_from_its_file() -> None:
    lean = leant(1)
    assert Lean.model_validate_json(lean.as_json()) == lean


@pytest.mark.parametrize(
    ("unsteady", "factor"),
    [((), ()), ((0.0,), (1.0, 0.9)), ((0.0, 0.0), (1.0, 0.9)), ((0.0,), (0.0,)), ((0.0,), (1.1,)), ((0.0,), (-0.5,))],
)
def test_a_damaged_lean_is_refused(unsteady: tuple[float, ...], factor: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError):
        Lean(unsteady=unsteady, factor=factor)


def test_contributions_tell_of_the_lean_as_of_irregular_sales() -> None:
    class Nothing:
        def factor(self, features: Floats) -> Floats:
            return np.ones(len(features))

        def contributions(self, features: Floats) -> Floats:
            return np.zeros((len(features), features.shape[1] + 1))

    _, design, _ = shop(1)
    design[:, [CORE_DESIGN.index("level"), CORE_DESIGN.index("weekday")]] = 2.0
    model = CoreModel(Nothing(), start=1.5, lean=leant(1))  # type: ignore[arg-type]  # trees that do nothing
    told = model.contributions(design)
    np.testing.assert_allclose(np.exp(told.sum(1)) * 2.0 * 2.0, model.demand(design))
    assert (told[:, VARIATION] < 0).any()
