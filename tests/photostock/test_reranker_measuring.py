"""What is found out on the tuning queries, and how training is planned where nobody decided it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photostock.photo import Photo
from photostock.reranker.fusion import Fusion, Judged, gain
from photostock.reranker.lists import QueryList
from photostock.reranker.measuring import FIRST_STAGE, GAP_MARGIN, confident_gap, measured, share_confident
from photostock.reranker.plan import Plan
from photostock.reranker.released import Released
from photostock.reranker.split import Split

FUSION = Fusion(10.0, 1.0)


def judged(gap: float, *, answer: int | None, reranker_prefers: int = 0, by: float = 10.0) -> Judged:
    """20 candidates, the first of which leads by `gap`."""
    cosines = (0.8, *(0.8 - gap - 0.001 * n for n in range(19)))
    logits = np.linspace(6.0, 4.0, 20)
    logits[reranker_prefers] += by
    return Judged(QueryList("q", ("text",) * 20, cosines, answer), logits)


SURE = [judged(0.2 + 0.001 * n, answer=0) for n in range(30)]
HELPED = [judged(0.01 + 0.001 * n, answer=1, reranker_prefers=1) for n in range(30)]


def test_the_reranker_is_skipped_where_it_never_changed_anything_for_the_better() -> None:
    gap = confident_gap([*SURE, *HELPED], FUSION)
    assert gap == pytest.approx(GAP_MARGIN * 0.201)
    assert share_confident([*SURE, *HELPED], 0.1) == 0.5


def test_it_is_never_skipped_where_a_sure_first_stage_was_wrong_on_either_half() -> None:
    wrong = judged(0.5, answer=1, reranker_prefers=1)
    assert confident_gap([wrong, *SURE, *HELPED], FUSION) is None
    assert confident_gap([SURE[0], wrong, *SURE[1:], *HELPED], FUSION) is None


def test_a_few_queries_are_no_proof() -> None:
    assert confident_gap([*SURE[:10], *HELPED], FUSION) is None
    assert share_confident(HELPED, None) == 0


def test_where_it_makes_some_better_and_as_many_worse_it_may_be_skipped() -> None:
    spoilt = [judged(0.3, answer=0, reranker_prefers=3) for _ in range(4)]
    helped = [judged(0.25, answer=1, reranker_prefers=1) for _ in range(2)]
    assert confident_gap([*spoilt, *helped, *SURE, *HELPED], FUSION) is not None


def test_what_counts_is_the_sum_so_that_one_large_gain_may_hide_many_small_losses() -> None:
    spoilt = [judged(0.3, answer=0, reranker_prefers=3) for _ in range(2)]
    losing = [judged(0.25, answer=9, reranker_prefers=9, by=0.15) for _ in range(40)]
    lost = [gain(one, FUSION) - gain(one, FIRST_STAGE) for one in (spoilt[0], losing[0])]
    assert lost[0] < 0 < lost[1]
    assert confident_gap([*spoilt, *losing, *SURE, *HELPED], FUSION) == pytest.approx(GAP_MARGIN * 0.201)


def test_what_is_measured_is_what_a_release_says() -> None:
    parameters = FUSION._asdict() | measured([*SURE, *HELPED], FUSION)
    released = Released.of(parameters)
    assert released is not None
    assert (released.lowest_logit, released.highest_logit) == (4.0, 16.0)
    assert released.confident_gap == pytest.approx(GAP_MARGIN * 0.201)
    assert 0 < released.logit_agreement <= 1


def captioned(count: int) -> Split:
    words = ["a", "brown", "dog", "runs", "along", "the", "sandy", "beach", "in", "the", "evening", "sun"]
    photos = [
        Photo(f"p{n}", " ".join(words), " ".join(words[::-1]), queries=tuple(" ".join(words[k:]) for k in (1, 2, 3)))
        for n in range(count)
    ]
    return Split.of(photos, seed=1)


def searched(count: int) -> Split:
    photos = [
        Photo(f"p{n}", "A brown dog runs along the beach", "In the evening", queries=("dog",)) for n in range(count)
    ]
    return Split.of(photos, seed=1)


def test_the_more_there_is_to_learn_the_longer_and_deeper_within_bounds() -> None:
    plans = [Plan.of(captioned(count)) for count in (50, 1_000, 2_000, 6_000)]
    assert [plan.layers for plan in plans] == [4, 6, 6, 6]
    assert [plan.budget_seconds for plan in plans] == sorted(plan.budget_seconds for plan in plans)
    assert (plans[0].budget_seconds, plans[-1].budget_seconds) == (120, 1_380)
    assert {plan.views for plan in plans} == {5}


def test_key_words_need_no_deep_network_and_what_was_decided_stays() -> None:
    assert Plan.of(searched(5_000)).layers == 4
    assert Plan.of(searched(3_000)).budget_seconds == 120
    decided = Plan.of(captioned(2_000), minutes=3, layers=2)
    assert (decided.budget_seconds, decided.layers) == (180, 2)
    assert Plan.of(captioned(2_000), minutes=3).layers == 4
    assert "3.0 minutes of CPU time" in str(replace(decided, budget_seconds=180.0))
