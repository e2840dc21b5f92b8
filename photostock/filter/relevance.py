"""How well a photo answers a query, from 0 to 1, out of numbers that are there anyway: its cosine and its words.

The order is that of `nearness + words_weight · words`. Nearness is the cosine, of a query that was moved to where its
photos are if there is a map for that (see `query_map`), less `hubness_weight` times what the photo has for all searches
(see `hubness`); `words` is BM25 as a share of the best candidate's. Three numbers more turn that sum into a
probability, without changing the order: 0.5 is a hit for one query and noise for another, which the distance to the
query's own best candidate tells. All of this is learnt (see `relevance_training`), for one version of the encoder, and
released as component "filter".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from common.versions.registry import ArtifactError, Manifest, Release
from photostock.filter.hubness import SEARCH_KINDS, Hubness
from photostock.filter.query_map import QueryMap
from photostock.index.encoder import Encoder, Vectors
from photostock.index.vectors import VectorIndex
from photostock.lexical import LexicalIndex
from photostock.ranking import Mask, Rows, best
from photostock.text_model import number

FUSED_DEPTH = 100  # candidates that are put in order by more than a cosine; the same ones on every page
# Of the best candidate's nearness, for other orders. In 1,500 photos of COCO 10 came so near to a query, the one that
# was meant in nine of ten. By plain cosines it was 14; at 0.8 7, but only 84 % had the right one, at 0.6 29 for 96 %.
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
    semantic: Calibration  # of nearness + words_weight · words
    lexical: Calibration  # of BM25 as a share of what any text could have
    query_map: QueryMap | None = None
    hubness: Hubness | None = None
    hubness_weight: float = 0.0

    @classmethod
    def load(cls, release: Release) -> Relevance:
        """`ArtifactError` if its numbers make no sense."""
        manifest = release.manifest
        if manifest.component != "filter" or "encoder" not in manifest.compatible_with:
            raise ArtifactError(f"{manifest.component} {manifest.version} is no filter made for an encoder")
        if "hubness_weight" in manifest.parameters and SEARCH_KINDS not in manifest.artifacts:
            raise ArtifactError(f"filter {manifest.version} weighs hubness and has no {SEARCH_KINDS}")
        hubness = Hubness.load(release)
        return cls(
            version=manifest.version,
            encoder_version=manifest.compatible_with["encoder"],
            words_weight=_weight(manifest, "words_weight"),
            semantic=Calibration.read(manifest.parameters, "semantic"),
            lexical=Calibration.read(manifest.parameters, "lexical"),
            query_map=QueryMap.load(release),
            hubness=hubness,
            hubness_weight=0.0 if hubness is None else _weight(manifest, "hubness_weight"),
        )

    def made_for(self, encoder: Encoder) -> bool:
        """What was learnt for one encoder means nothing to another."""
        parts = [part for part in (self.query_map, self.hubness) if part is not None]
        return self.encoder_version == encoder.version and all(p.dimensions == encoder.dimensions for p in parts)

    def moved(self, queries: Vectors) -> Vectors:
        """Unit-length vectors of queries, float32 [..., dimensions], as the index is asked for them."""
        return queries if self.query_map is None else self.query_map.of(queries)

    def nearness(self, cosines: Floats, photos: Vectors) -> Floats:
        """Of a moved query to photos with these unit-length vectors [photos, dimensions]: float64 [photos]."""
        return cosines if self.hubness is None else cosines - self.hubness_weight * self.hubness.of(photos)

    def nearness_in(self, index: VectorIndex, rows: Rows, cosines: Floats) -> Floats:
        """The same for photos in an index."""
        return cosines if self.hubness is None else cosines - self.hubness_weight * self.hubness.of_rows(index, rows)


def _weight(manifest: Manifest, name: str) -> float:
    weight = number(manifest.parameters, name)
    if not 0 <= weight <= 1:
        raise ArtifactError(f"filter {manifest.version}: {name} is {weight}, not within 0 to 1")
    return weight


class Candidates(NamedTuple):
    """Rows, best first, the scores by which they are so, and what the scores were made of."""

    rows: Rows
    scores: Floats
    nearness: Floats | None = None
    bm25: Floats | None = None
    retrieval: Floats | None = None  # nearness plus what the words are worth, before this became a probability
    total: int | None = None  # with those beyond the limit, where that is known

    def at_least(self, score: float | None) -> Candidates:
        """Those whose score is not below this one, without their total; all if it is None."""
        if score is None:
            return self
        return self.where(self.scores >= score)

    def where(self, chosen: Mask) -> Candidates:
        """Those at these places, without their total."""
        nearness, bm25, retrieval = (
            None if column is None else column[chosen] for column in (self.nearness, self.bm25, self.retrieval)
        )
        return Candidates(self.rows[chosen], self.scores[chosen], nearness, bm25, retrieval)


def by_meaning(
    vectors: VectorIndex,
    lexical: LexicalIndex,
    *,
    text: str,
    vector: Vectors,
    allowed: Mask,
    limit: int,
    relevance: Relevance | None,
) -> Candidates:
    """At least the `limit` best allowed rows. Without a `relevance` for this encoder: cosines, and their order."""
    asked = vector if relevance is None else relevance.moved(vector)
    rows, found = vectors.search(asked, allowed=allowed, limit=max(limit, FUSED_DEPTH))
    cosines = found.astype(np.float64)
    if relevance is None:
        return Candidates(rows, cosines, cosines, retrieval=cosines)
    nearness = relevance.nearness_in(vectors, rows, cosines)
    bm25 = lexical.weigh(text, rows).bm25
    fused = nearness + relevance.words_weight * share_of_best(bm25)
    order = np.arange(len(rows))
    order[:FUSED_DEPTH] = np.lexsort((rows[:FUSED_DEPTH], -fused[:FUSED_DEPTH]))
    retrieval = fused[order]
    falling = np.minimum.accumulate(retrieval)  # what comes after the fused ones is not better than they are
    return Candidates(rows[order], relevance.semantic.of(falling), nearness[order], bm25[order], retrieval)


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
    nearness = candidates.nearness
    if nearness is None or not len(nearness):
        return candidates
    best = float(nearness.max())
    return candidates.where((bm25 > 0) | (nearness >= min(best, NEAR_THE_BEST * best)))


def share_of_best(bm25: Floats) -> Floats:
    """BM25 from 0 to 1, whatever the size of the index; those after the fused candidates get no more than these."""
    most = bm25[:FUSED_DEPTH].max(initial=0.0)
    return np.clip(bm25 / most, 0, 1) if most > 0 else np.zeros(len(bm25))
