"""The distances and what is made of them: properties that hold for any numbers, and a few that people can follow."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.drift import Floats, Reference, population_stability_index, sampling_limit, wasserstein

numbers = st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")), st.sampled_from([0.0, 1.0]))
columns = st.lists(numbers, min_size=1, max_size=60)
powers_of_two = st.integers(-8, 8).map(lambda exponent: 2.0**exponent)  # exact, so that equal numbers stay equal


@given(columns, columns)
def test_the_index_is_never_negative_and_finite(reference: list[float], current: list[float]) -> None:
    assert 0 <= population_stability_index(reference, current) < 100


@given(columns)
def test_nothing_is_at_no_distance_from_itself(column: list[float]) -> None:
    assert population_stability_index(column, column) == 0
    assert wasserstein(column, column) == 0


@given(columns, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(column: list[float], dice: object) -> None:
    shuffled = sorted(column, key=lambda _: dice.random())  # type: ignore[attr-defined]
    assert population_stability_index(column, shuffled) == 0
    assert wasserstein(column, shuffled) == 0


@given(columns, columns, powers_of_two)
def test_the_unit_of_both_does_not_matter(reference: list[float], current: list[float], unit: float) -> None:
    first, second = np.round(reference, 3), np.round(current, 3)
    assert population_stability_index(first * unit, second * unit) == pytest.approx(
        population_stability_index(first, second)
    )
    if np.unique(first[np.isfinite(first)]).size > 1:  # else there is no spread to measure by
        assert wasserstein(first * unit, second * unit) == pytest.approx(wasserstein(first, second))


@given(columns, columns)
def test_the_work_to_move_values_is_never_negative(reference: list[float], current: list[float]) -> None:
    assert wasserstein(reference, current) >= 0


@given(st.floats(0, 100))
def test_a_shift_of_everything_is_as_long_as_it_is_in_spreads(shift: float) -> None:
    values = np.arange(101.0)  # a spread of 90
    assert wasserstein(values, values + shift) == pytest.approx(shift / 90, abs=1e-9)


@pytest.mark.parametrize("rare", [[1.0], [1.0, 10.0, 100.0, 1000.0]], ids=["flags", "long tail"])
def test_the_unit_does_not_leap_where_nearly_all_values_are_equal(rare: list[float]) -> None:
    """Of 1,000 values 940 to 960 are 0: the 95 % quantile of some of these columns is 0, of others not."""
    distances = []
    for zeros in range(940, 961):
        values = np.append(np.zeros(zeros), np.resize(rare, 1_000 - zeros))
        distances.append(wasserstein(values, values + 1))
    steps = np.array(distances[1:]) / distances[:-1]
    assert 0.4 < steps.min() <= steps.max() < 2.5


def test_the_index_of_two_bins_is_that_of_the_textbook() -> None:
    reference, current = [0.0] * 80 + [1.0] * 20, [0.0] * 50 + [1.0] * 50
    expected = (0.8 - 0.5) * np.log(0.8 / 0.5) + (0.2 - 0.5) * np.log(0.2 / 0.5)
    assert population_stability_index(reference, current) == pytest.approx(expected)


def test_values_that_become_unknown_are_drift_to_both() -> None:
    known, half = np.arange(100.0), np.where(np.arange(100) % 2, np.nan, np.arange(100.0))
    assert population_stability_index(known, half) > 1
    assert wasserstein(known, half) == pytest.approx(0.5, abs=0.02)
    assert wasserstein(known, np.full(10, np.nan)) == 1
    assert wasserstein(np.full(10, np.nan), np.full(10, np.nan)) == 0


def test_values_below_and_above_all_that_was_seen_have_bins_of_their_own() -> None:
    assert population_stability_index([5.0] * 50, [4.0] * 50) > 5
    assert population_stability_index([5.0] * 50, [6.0] * 50) > 5


def test_without_any_value_there_is_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        population_stability_index([], [1.0])


def test_samples_of_one_distribution_stay_below_the_sampling_limit() -> None:
    rng = np.random.default_rng(1)
    found = [population_stability_index(rng.normal(size=2_000), rng.normal(size=300)) for _ in range(200)]
    assert max(found) < sampling_limit(13, 2_000, 300) < 0.3


def days(count: int, *, rows: int = 200, season: float = 0.0) -> list[Floats]:
    """Days of two features, the first with a season: newest first."""
    rng = np.random.default_rng(7)
    swing = [season * np.sin(2 * np.pi * day / 20) for day in range(count)]
    return [np.column_stack([rng.normal(10 + up, 1, rows), rng.poisson(2, rows)]).astype(float) for up in swing]


def test_what_a_season_did_before_is_no_drift_but_another_unit_is() -> None:
    reference = Reference.of(days(60, season=2), ["units", "pieces"])
    peak = np.column_stack([np.random.default_rng(3).normal(12, 1, 200), np.random.default_rng(4).poisson(2, 200)])
    assert [one.drifted for one in reference.distances(peak)] == [False, False]
    assert [one.drifted for one in reference.distances(peak * [12, 1])] == [True, False]
    steady = Reference.of(days(60), ["units", "pieces"])
    assert [one.drifted for one in steady.distances(peak)] == [True, False]


def test_few_rows_are_no_drift_by_their_fewness() -> None:
    reference = Reference.of(days(60), ["units", "pieces"])
    rng = np.random.default_rng(5)
    few = [np.column_stack([rng.normal(10, 1, 30), rng.poisson(2, 30)]) for _ in range(100)]
    assert not any(one.drifted for rows in few for one in reference.distances(rows))


def test_a_reference_survives_being_stored() -> None:
    reference = Reference.of(days(10), ["units", "pieces"])
    again = Reference.from_json(json.loads(json.dumps(reference.as_json())))
    rows = days(1)[0] * 1.3
    assert again.distances(rows) == reference.distances(rows)
    assert [bound.tolist() for bound in again.bounds()] == [bound.tolist() for bound in reference.bounds()]


def test_a_feature_that_was_never_known_is_stored_and_bounds_nothing() -> None:
    unknown = np.full((50, 1), np.nan)
    reference = Reference.from_json(json.loads(json.dumps(Reference.of([unknown, unknown], ["new"]).as_json())))
    low, high = reference.bounds()
    assert (low[0], high[0]) == (-np.inf, np.inf)
    assert not reference.distances(unknown)[0].drifted
    assert reference.distances(np.ones((50, 1)))[0].drifted


def test_what_was_seen_besides_widens_the_bounds_and_nothing_else() -> None:
    reference = Reference.of(days(10), ["units", "pieces"])
    wider = reference.seen(np.array([[500.0, np.nan]]))
    assert wider.bounds()[1][0] > 500 > reference.bounds()[1][0]
    assert wider.bounds()[1][1] == reference.bounds()[1][1]


@pytest.mark.parametrize("document", [None, [], {"rows": 1}, {"rows": 1, "features": [{"name": "x"}]}, {"rows": "x"}])
def test_a_damaged_reference_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="no reference for drift"):
        Reference.from_json(document)


def test_a_reference_with_the_wrong_number_of_bins_is_refused() -> None:
    document = Reference.of(days(3), ["units", "pieces"]).as_json()
    document["features"][0]["shares"].pop()
    with pytest.raises(ValueError, match="bins"):
        Reference.from_json(document)


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 5))
def test_a_reference_is_made_of_however_few_days_and_rows(rows: int, count: int) -> None:
    reference = Reference.of(days(count, rows=rows), ["units", "pieces"])
    assert reference.rows == rows * count


def test_a_reference_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="rows of 1 features"):
        Reference.of([], ["units"])
