"""Votes of labelling functions, against simulations in which the truth is known."""

from __future__ import annotations

import time

import numpy as np
import pytest

from common.labelling.dawid_skene import fit
from common.labelling.votes import SILENT, Votes, accuracies, standings, weighted_vote


def simulated(
    qualities: list[float], *, points: int = 3_000, classes: int = 3, coverage: float = 0.7, seed: int = 1
) -> tuple[Votes, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Functions that err independently, into each wrong class alike; and the truth."""
    dice = np.random.default_rng(seed)
    truth = dice.integers(0, classes, points)
    said = np.full((points, len(qualities)), SILENT)
    for place, quality in enumerate(qualities):
        right, wrong = dice.random(points) < quality, 1 + dice.integers(0, classes - 1, points)
        told = np.where(right, truth, (truth + wrong) % classes)
        said[:, place] = np.where(dice.random(points) < coverage, told, SILENT)
    return Votes([f"f{place}" for place in range(len(qualities))], said, classes), truth


def unknown(votes: Votes) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.full(len(votes.said), SILENT)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_accuracies_are_recovered_without_a_single_truth(seed: int) -> None:
    qualities = [0.95, 0.8, 0.7, 0.5, 0.45]
    votes, _ = simulated(qualities, seed=seed)
    model = fit(votes, np.full(5, 0.7))
    assert model.settled
    assert np.abs(model.accuracy() - qualities).max() < 0.05


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_beats_the_majority_where_functions_differ_in_quality(seed: int) -> None:
    votes, truth = simulated([0.95, 0.5, 0.45, 0.45, 0.45], coverage=1.0, seed=seed)
    majority = (weighted_vote(votes, np.full(5, 0.7)).argmax(1) == truth).mean()
    modelled = (fit(votes, np.full(5, 0.7)).labels.argmax(1) == truth).mean()
    assert modelled > majority + 0.05


def test_known_truths_stay_and_teach_who_is_right() -> None:
    votes, truth = simulated([0.9, 0.4], coverage=1.0)
    some = np.where(np.arange(len(truth)) < 500, truth, SILENT)
    model = fit(votes, accuracies(standings(votes, some)), truth=some)
    assert (model.labels[:500].argmax(1) == truth[:500]).all()
    assert (model.labels.argmax(1) == truth)[500:].mean() > 0.85
    assert np.abs(model.accuracy() - [0.9, 0.4]).max() < 0.07


def test_labels_are_probabilities_and_the_same_each_time() -> None:
    votes, _ = simulated([0.8, 0.6, 0.7], points=200)
    one, other = fit(votes, np.full(3, 0.7)), fit(votes, np.full(3, 0.7))
    assert np.allclose(one.labels.sum(1), 1)
    assert np.array_equal(one.labels, other.labels)


def test_coverage_overlaps_conflicts_and_accuracy_are_counted() -> None:
    said = np.array([[0, 0], [0, 1], [1, SILENT], [SILENT, SILENT]])
    first, second = standings(Votes(["a", "b"], said, 2), np.array([0, 1, SILENT, 0]))
    assert (first.coverage, first.overlaps, first.conflicts) == (0.75, 0.5, 0.25)
    assert (first.compared, first.accuracy, second.accuracy) == (2, 0.5, 1.0)
    assert accuracies([first, second])[1] > accuracies([first, second])[0]


def test_without_points_there_is_nothing_and_no_trouble() -> None:
    votes = Votes(["a"], np.empty((0, 1), np.int64), 3)
    assert standings(votes, np.empty(0, np.int64))[0].accuracy is None
    assert fit(votes, np.full(1, 0.7)).labels.shape == (0, 3)


@pytest.mark.parametrize("points", [10, 100, 5_000])
def test_a_lone_voice_that_was_never_compared_is_believed_as_before_however_much_it_says(points: int) -> None:
    model = fit(Votes(["a"], np.zeros((points, 1), np.int64), 5), np.full(1, 0.7))
    assert np.allclose(model.labels[:, 0], 0.7)
    assert model.accuracy() == pytest.approx([0.7])


def test_what_others_say_of_common_points_counts_where_a_function_is_alone() -> None:
    votes, _ = simulated([0.95, 0.8, 0.8], coverage=1.0)
    said = np.concatenate([votes.said, [[0, SILENT, SILENT]]])
    model = fit(Votes(votes.names, said, 3), np.full(3, 0.7))
    assert model.labels[-1, 0] == pytest.approx(0.95, abs=0.03)


def test_many_points_and_functions_take_a_time_that_grows_with_their_product_and_no_faster() -> None:
    said = np.full((20_000, 100), SILENT)
    for place in range(100):
        said[place * 200 : place * 200 + 400, place] = place % 5
    votes, silent = Votes([str(place) for place in range(100)], said, 5), np.full(20_000, SILENT)
    began = time.process_time()
    found = standings(votes, silent)
    assert fit(votes, accuracies(found)).labels.shape == (20_000, 5)
    assert time.process_time() - began < 5
