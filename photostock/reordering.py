"""What the reranker is asked about, and what its word does to the order of the first stage."""

from __future__ import annotations

import numpy as np

from common.chain.fallback import NotNeeded
from common.contract import CONTROL
from photostock.finding import Floats, Found, PhotoReason, Wanted
from photostock.library import Library
from photostock.ranking import RERANK_DEPTH
from photostock.reranker.released import gap_of
from photostock.reranker_contract import Document

# Of a photo's text, in UTF-8: more than the 128 tokens that the reranker reads. In JSON a quotation mark or line end
# takes two bytes: 64 searches with 20 photos each are at most 3.6 MB then, and 0.5 with ids and queries, of the 4 MiB
# that it takes.
SENT_BYTES = 1_400


def needless(one: Wanted, found: Found, confident_gap: float | None) -> NotNeeded | None:
    """Why the reranker is not asked about this search, if so."""
    if one.like is not None:
        return NotNeeded(PhotoReason.NO_QUERY)
    if one.fields.order_by != "relevance":
        return NotNeeded(PhotoReason.OTHER_ORDER)
    if (one.fields.page - 1) * one.fields.per_page >= RERANK_DEPTH:
        return NotNeeded(PhotoReason.BEYOND_DEPTH)
    if len(found.rows) < 2:
        return NotNeeded(PhotoReason.TOO_FEW)
    if confident_gap is not None and found.nearness is not None:
        return NotNeeded(PhotoReason.CONFIDENT) if gap_of(found.nearness[:RERANK_DEPTH]) >= confident_gap else None
    return None


def documents(library: Library, found: Found) -> list[Document]:
    """The best of what was found, as the reranker is shown it."""
    scores = found.scores if found.retrieval is None else found.retrieval
    best = zip(found.rows[:RERANK_DEPTH].tolist(), scores[:RERANK_DEPTH].tolist(), strict=True)
    photos = ((library.photo(row), score) for row, score in best)
    return [
        Document.model_construct(id=photo.id, text=_beginning(photo.text), retrieval_score=score)
        for photo, score in photos
    ]


def _beginning(text: str) -> str:
    """As much of it as is sent; without control characters, which nobody reads and JSON writes in six bytes."""
    text = CONTROL.sub("", text)
    return text if 4 * len(text) <= SENT_BYTES else text.encode()[:SENT_BYTES].decode(errors="ignore")


def reordered(found: Found, fused: Floats) -> Found:
    """The reranked block first. Its fused scores are put on the scale of the block's own, so that scores of all
    results keep falling and mean about the same with and without the reranker."""
    block, rest = found.rows[: len(fused)], found.rows[len(fused) :]
    first = found.scores[: len(fused)]
    spread = float(fused.max() - fused.min()) or 1.0
    scores = first.min() + (fused - fused.min()) / spread * (first.max() - first.min())
    order = np.argsort(-fused, kind="stable")  # equal scores leave the first stage's order
    return Found(
        np.concatenate([block[order], rest]),
        np.concatenate([scores[order], found.scores[len(fused) :]]),
        {**found.stages, "reranker": dict(zip(block.tolist(), fused.tolist(), strict=True))},
    )
