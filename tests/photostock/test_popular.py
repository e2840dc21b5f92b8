"""The last tier."""

from __future__ import annotations

import math

import numpy as np
import pytest

from photostock.popular import PopularityOrder


def order(*popularity: float) -> PopularityOrder:
    popular = PopularityOrder()
    for row, value in enumerate(popularity):
        popular.add(row, value)
    return popular


def test_the_most_popular_come_first_and_equal_ones_by_row() -> None:
    assert order(1, 5, 3, 5, 0, 5).best(np.ones(6, dtype=np.bool_), limit=3).tolist() == [1, 3, 5]
    assert order(1, 5, 3).best(np.ones(3, dtype=np.bool_), limit=10).tolist() == [1, 2, 0]


def test_only_allowed_rows_are_shown() -> None:
    popular = order(1, 5, 3)
    assert popular.best(np.array([True, False, True]), limit=2).tolist() == [2, 0]
    assert popular.best(np.array([True]), limit=2).tolist() == [0]
    assert popular.best(np.ones(3, dtype=np.bool_), limit=0).tolist() == []


def test_it_works_before_there_are_photos() -> None:
    assert PopularityOrder().best(np.ones(3, dtype=np.bool_), limit=5).tolist() == []


def test_it_agrees_with_a_full_sort_as_it_grows() -> None:
    values = np.random.default_rng(1).integers(0, 50, size=3000).astype(float)
    best = order(*values).best(np.ones(3000, dtype=np.bool_), limit=100)
    assert best.tolist() == np.argsort(-values, kind="stable")[:100].tolist()


def test_what_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        order(math.nan)
    with pytest.raises(ValueError, match="taken"):
        order(1).add(0, 2)
