"""What is measured of a new reranker on the tuning queries, for those who will have to believe its answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from photostock.ranking import RERANK_DEPTH
from photostock.reranker.fusion import Fusion, Judged, gain
from photostock.reranker.released import agreement, gap_of

FIRST_STAGE = Fusion(1.0, 0.0)
GAP_MARGIN = 1.2  # on the gap that sufficed
LEAST_CONFIDENT = 12  # queries of each half, else a gap is not a finding


def measured(judged: Sequence[Judged], fusion: Fusion) -> dict[str, float]:
    """The parameters of `Released` beside the weights, from lists as they are served."""
    whole = [one for one in judged if len(one.logits) == RERANK_DEPTH] or list(judged)
    logits = np.concatenate([one.logits for one in whole])
    of_logits = [agreement(one.candidates.cosines, one.logits) for one in whole]
    of_fused = [agreement(one.candidates.cosines, fusion.of(one.candidates.cosines, one.logits)) for one in whole]
    gap = confident_gap(judged, fusion)
    return {
        "lowest_logit": float(logits.min()),
        "highest_logit": float(logits.max()),
        "logit_agreement": float(np.mean(of_logits)),
        "least_agreement": float(np.min(of_fused)),
    } | ({} if gap is None else {"confident_gap": gap})


def confident_gap(judged: Sequence[Judged], fusion: Fusion) -> float | None:
    """From which gap on between the first two cosines the reranker may be skipped, with a margin; None for never.

    It is the smallest from which on skipping loses nothing on balance, on neither half of the queries: by the sum of
    nDCG@10, in which one query that gains may make up for many that lose. Nor may any larger gap, by the same sum.
    """
    gaps = np.array([gap_of(np.asarray(one.candidates.cosines)) for one in judged])
    lost = np.array([gain(one, fusion) - gain(one, FIRST_STAGE) for one in judged])
    halves = [_even_from(gaps[half::2], lost[half::2]) for half in (0, 1)]
    found = [gap for gap in halves if gap is not None]
    return GAP_MARGIN * max(found) if len(found) == len(halves) else None


def share_confident(judged: Sequence[Judged], gap: float | None) -> float:
    """The share of queries for which the reranker would not be asked."""
    if gap is None:
        return 0.0
    return float(np.mean([gap_of(np.asarray(one.candidates.cosines)) >= gap for one in judged]))


def _even_from(gaps: npt.NDArray[np.float64], lost: npt.NDArray[np.float64]) -> float | None:
    order = np.argsort(-gaps, kind="stable")
    losing = np.flatnonzero(np.cumsum(lost[order]) > 0)
    even = int(losing[0]) if len(losing) else len(order)
    if even < LEAST_CONFIDENT:
        return None
    return max(float(gaps[order[even - 1]]), 0.0)
