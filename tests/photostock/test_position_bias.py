"""A world whose truth is known: what people like, and how rarely they look further down."""

from __future__ import annotations

import numpy as np
import pytest

from photostock.feedback.learning import attractions
from photostock.feedback.propensity import PLACES, estimate, prior
from photostock.feedback.showings import Counts

SHOWN = 10  # places of a page
TRUE = 1 / np.arange(1, SHOWN + 1) ** 1.4  # steeper than the prior
QUERIES = 60


def world(*, moving: float, seed: int = 1) -> tuple[Counts, np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    """Showings of a ranking that puts a query's worst photo first; `moving` is how often one is swapped with another.

    Attractions are [queries, SHOWN] by the number of the photo, which is its usual place from 0.
    """
    dice = np.random.default_rng(seed)
    attraction = np.sort(dice.uniform(0.05, 0.6, size=(QUERIES, SHOWN)), axis=1)  # what stands last is liked best
    shown = np.zeros((QUERIES, SHOWN, SHOWN), dtype=np.int64)
    clicked = np.zeros_like(shown)
    for _ in range(600):
        orders = np.tile(np.arange(SHOWN), (QUERIES, 1))
        swapped = np.flatnonzero(dice.random(QUERIES) < moving)
        one, other = dice.integers(SHOWN, size=(2, len(swapped)))
        orders[swapped, one], orders[swapped, other] = orders[swapped, other], orders[swapped, one].copy()
        seen = (np.arange(QUERIES)[:, None], orders, np.arange(SHOWN)[None, :])
        shown[seen] += 1
        clicked[seen] += dice.random((QUERIES, SHOWN)) < np.take_along_axis(attraction, orders, axis=1) * TRUE
    query, photo, place = np.nonzero(shown)
    pairs = [(f"q{q}", f"p{p}") for q in range(QUERIES) for p in range(SHOWN)]
    found = Counts(
        pairs, query * SHOWN + photo, place + 1, shown[query, photo, place], clicked[query, photo, place], 0 * place
    )
    return found, attraction


def best_of(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """By query the photo with the highest value."""
    return np.asarray(values.reshape(QUERIES, SHOWN).argmax(1))


def naive(counts: Counts) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.bincount(counts.pair, counts.clicked) / np.bincount(counts.pair, counts.shown)


def test_plain_click_through_prefers_what_stood_first_and_the_corrected_one_what_is_liked() -> None:
    counts, truth = world(moving=0.3)
    corrected = attractions(counts, estimate(counts), largest_weight=30)
    right = truth.argmax(1)
    assert np.mean(best_of(naive(counts)) == 0) > 0.5, "the worst photo, for it stood first"
    assert np.mean(best_of(naive(counts)) == right) < 0.1
    chosen = truth[np.arange(QUERIES), best_of(corrected)]
    assert np.mean(chosen / truth.max(1)) > 0.85
    both = [np.corrcoef(truth.ravel(), values)[0, 1] for values in (naive(counts), corrected)]
    assert both[0] < 0 < 0.6 < both[1]


def test_propensities_are_recovered_from_photos_that_moved() -> None:
    counts, _ = world(moving=0.3)
    found = estimate(counts)
    assert found.moved > 100
    assert found.values[:5] == pytest.approx(TRUE[:5], rel=0.15)
    assert np.abs(found.values[:SHOWN] - TRUE).max() < np.abs(prior()[:SHOWN] - TRUE).max() / 3


def test_where_nothing_ever_moved_the_prior_holds() -> None:
    counts, _ = world(moving=0.0)
    found = estimate(counts)
    assert found.moved == 0
    assert (found.values == prior()).all()


def test_without_any_event_there_is_the_prior_and_no_attraction() -> None:
    none = np.zeros(0, dtype=np.int64)
    empty = Counts([], none, none, none, none, none)
    assert (estimate(empty).values == prior()).all()
    assert len(attractions(empty, estimate(empty), largest_weight=10)) == 0


def test_a_place_beyond_the_last_counts_as_the_last() -> None:
    assert estimate(world(moving=0.0)[0]).at(np.array([PLACES, 10 * PLACES])).tolist() == [1 / PLACES, 1 / PLACES]


def test_one_click_far_down_does_not_outweigh_many_looks() -> None:
    pairs = [("dog", "deep"), ("dog", "loved"), ("dog", "usual")]
    shown, clicked = np.array([1, 200, 2_000]), np.array([1, 120, 200])
    counts = Counts(pairs, np.arange(3), np.array([50, 1, 1]), shown, clicked, 0 * shown)
    deep, loved, _ = attractions(counts, estimate(counts), largest_weight=10)
    assert loved > deep
