"""How much the reranker's logit counts beside the encoder's cosine."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from photostock.gains import gain_10
from photostock.reranker.lists import QueryList

Logits: TypeAlias = npt.NDArray[np.float64]

COSINE_WEIGHTS = (10.0, 15.0, 20.0, 30.0, 40.0)
LOGIT_WEIGHTS = tuple(np.arange(0, 2.01, 0.125).tolist())


class Fusion(NamedTuple):
    cosine_weight: float
    logit_weight: float

    def of(self, cosines: npt.ArrayLike, logits: npt.ArrayLike) -> Logits:
        """The score to sort by."""
        return self.cosine_weight * np.asarray(cosines) + self.logit_weight * np.asarray(logits)


class Judged(NamedTuple):
    """A query's candidates after the cross-encoder has seen them."""

    candidates: QueryList
    logits: Logits


def tuned(judged: Sequence[Judged]) -> Fusion:
    """The weights under which the right answers are likeliest.

    The likelihood moves with every score, where nDCG on a few hundred queries moves by chance.
    """
    answered = [one for one in judged if one.candidates.answer is not None]
    choices = [Fusion(a, b) for a, b in product(COSINE_WEIGHTS, LOGIT_WEIGHTS)]
    return max(choices, key=lambda fusion: sum(_log_likelihood(one, fusion) for one in answered))


def ndcg_10(judged: Sequence[Judged], fusion: Fusion) -> float:
    """Mean over all queries, with those whose answer is not among the candidates counted as zero."""
    return float(np.mean([gain(one, fusion) for one in judged]))


def _log_likelihood(one: Judged, fusion: Fusion) -> float:
    scores = fusion.of(one.candidates.cosines, one.logits)
    scores -= scores.max()
    return float(scores[one.candidates.answer] - np.log(np.exp(scores).sum()))


def gain(one: Judged, fusion: Fusion) -> float:
    """nDCG@10 of one query, which has one right answer."""
    if one.candidates.answer is None:
        return 0.0
    order = np.argsort(-fusion.of(one.candidates.cosines, one.logits), kind="stable")
    return float(gain_10(np.flatnonzero(order == one.candidates.answer)[0]))
