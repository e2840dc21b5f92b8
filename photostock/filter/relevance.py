"""How well a photo answers a query, from 0 to 1, out of numbers that are there anyway: its cosine and its words.

One weight decides the order: `cosine + words_weight · words`, where `words` is BM25 as a share of the best candidate's.
Three more turn that sum into a probability, without changing the order: a cosine of 0.5 is a hit for one query and
noise for another, which the distance to the query's own best candidate tells. All four are learnt (see
`relevance_training`), valid for one version of the encoder, and published as component "filter".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from common.versions.registry import ArtifactError, Release
from photostock.index.vectors import VectorIndex
from photostock.lexical import LexicalIndex
from photostock.ranking import Mask, Rows, best
from photostock.text_model import number

FUSED_DEPTH = 100  # candidates that are put in order by more than their cosine; the same ones on every page
# Of the best candidate's cosine, for other orders. In 1,500 photos of COCO 14 came so near to a query, the one that was
# meant in nine of ten; at 0.8 there were 7, but only 84 % had the right one among them, at 0.6 29 for 96 %.
NEAR_THE_BEST = 0.7

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """From scores to the probability that this is the photo which was meant; a higher score never gets a lower one.

    Args:
        slope: what a score counts by itself, 0 or more.
        gap_slope: what its distance to the query's best score costs, 0 or more.
    """

    slope: float
    gap_slope: float
    bias: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.slope, self.gap_slope, self.bias]).all() and min(self.slope, self.gap_slope) >= 0):
            raise ArtifactError(f"{self} is not finite and rising")

    def of(self, scores: Floats) -> Floats:
        """From 0 to 1, for all candidates of one query."""
        if not len(scores):
            return scores
        logits = self.slope * scores - self.gap_slope * (scores.max() - scores) + self.bias
        likely: Floats = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        return likely

    @classmethod
    def read(cls, parameters: dict[str, Any], name: str) -> Calibration:
        """The calibration of this name among the parameters of a manifest."""
        given = parameters.get(name)
        if not isinstance(given, dict):
            raise ArtifactError(f"parameter {name!r} of the manifest should hold a calibration, not {given!r}")
        return cls(number(given, "slope"), number(given, "gap_slope"), number(given, "bias"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Relevance:
    """A release of the filter's weights."""

    version: str
    encoder_version: str
    words_weight: float
    semantic: Calibration  # of cosine + words_weight · words
    lexical: Calibration  # of BM25 as a share of what any text could have

    @classmethod
    def load(cls, release: Release) -> Relevance:
        """`ArtifactError` if its numbers make no sense."""
        manifest = release.manifest
        if manifest.component != "filter" or "encoder" not in manifest.compatible_with:
            raise ArtifactError(f"{manifest.component} {manifest.version} is no filter made for an encoder")
        words_weight = number(manifest.parameters, "words_weight")
        if not 0 <= words_weight <= 1:
            raise ArtifactError(f"filter {manifest.version}: words_weight is {words_weight}, not within 0 to 1")
        return cls(
            version=manifest.version,
            encoder_version=manifest.compatible_with["encoder"],
            words_weight=words_weight,
            semantic=Calibration.read(manifest.parameters, "semantic"),
            lexical=Calibration.read(manifest.parameters, "lexical"),
        )


class Candidates(NamedTuple):
    """Rows, best first, the scores by which they are so, and what the scores were made of."""

    rows: Rows
    scores: Floats
    cosines: Floats | None = None
    bm25: Floats | None = None
    retrieval: Floats | None = None  # cosines plus what the words are worth, before this became a probability
    total: int | None = None  # with those beyond the limit, where that is known

    def at_least(self, score: float | None) -> Candidates:
        """Those whose score is not below this one, without their total; all if it is None."""
        if score is None:
            return self
        return self.where(self.scores >= score)

    def where(self, chosen: Mask) -> Candidates:
        """Those at these places, without their total."""
        cosines, bm25, retrieval = (
            None if column is None else column[chosen] for column in (self.cosines, self.bm25, self.retrieval)
        )
        return Candidates(self.rows[chosen], self.scores[chosen], cosines, bm25, retrieval)


def by_meaning(
    vectors: VectorIndex,
    lexical: LexicalIndex,
    *,
    text: str,
    vector: npt.NDArray[np.float32],
    allowed: Mask,
    limit: int,
    relevance: Relevance | None,
) -> Candidates:
    """At least the `limit` best allowed rows. Without a `relevance` for this encoder: cosines, and their order."""
    rows, found = vectors.search(vector, allowed=allowed, limit=max(limit, FUSED_DEPTH))
    cosines = found.astype(np.float64)
    if relevance is None:
        return Candidates(rows, cosines, cosines, retrieval=cosines)
    bm25 = lexical.weigh(text, rows).bm25
    fused = cosines + relevance.words_weight * share_of_best(bm25)
    order = np.arange(len(rows))
    order[:FUSED_DEPTH] = np.lexsort((rows[:FUSED_DEPTH], -fused[:FUSED_DEPTH]))
    retrieval = fused[order]
    falling = np.minimum.accumulate(retrieval)  # what comes after the fused ones is not better than they are
    return Candidates(rows[order], relevance.semantic.of(falling), cosines[order], bm25[order], retrieval)


def by_words(lexical: LexicalIndex, *, text: str, allowed: Mask, limit: int, relevance: Relevance | None) -> Candidates:
    """Up to `limit` allowed rows that have a word of the text, scored by what share of its words' worth they have."""
    matching, scored = lexical.matching(text, allowed=allowed)
    rows, bm25 = best(matching, scored, limit=limit)
    attainable = lexical.weigh(text, rows[:0]).attainable
    shares = np.clip(bm25.astype(np.float64) / max(attainable, 1e-9), 0, 1)
    scores = shares if relevance is None else relevance.lexical.of(shares)
    return Candidates(rows, scores, bm25=bm25.astype(np.float64), total=len(matching))


def about_the_query(candidates: Candidates, bm25: Floats) -> Candidates:
    """Those of them, found by meaning, that have a word of the query or come near the best: for another order."""
    cosines = candidates.cosines
    if cosines is None or not len(cosines):
        return candidates
    best = float(cosines.max())
    return candidates.where((bm25 > 0) | (cosines >= min(best, NEAR_THE_BEST * best)))


def share_of_best(bm25: Floats) -> Floats:
    """BM25 from 0 to 1, whatever the size of the index; those after the fused candidates get no more than these."""
    most = bm25[:FUSED_DEPTH].max(initial=0.0)
    return np.clip(bm25 / most, 0, 1) if most > 0 else np.zeros(len(bm25))
