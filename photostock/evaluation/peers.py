"""Other people's search on the same questions: BM25 by bm25s, MiniLM in full precision, and both by rank.

They know nothing of licences or safety, so they are asked about the photos that may be shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from common.progress import progress
from photostock.evaluation.asking import BEST, Asked
from photostock.evaluation.measures import DEEPEST
from photostock.evaluation.questions import Question
from photostock.photo import Photo
from photostock.ranking import Rows

BM25, FLOAT32, FUSED = "BM25 (bm25s, stemmed)", "MiniLM float32, exact", "both by rank (RRF)"
RRF = 60.0  # the usual constant
FUSED_DEPTH = 100

Search = Callable[[str], Rows]


def ask_peers(
    photos: Sequence[Photo], questions: Sequence[Question], *, dense: bool = True
) -> tuple[dict[str, Asked], list[str]]:
    """What each peer that is installed answers, and notes on the others; `dense` alone needs torch and minutes."""
    shown = [photo for photo in photos if photo.safe]
    texts, ids = [photo.text for photo in shown], [photo.id for photo in shown]
    makers = {BM25: ("bm25s", _bm25), FLOAT32: ("sentence_transformers", _dense)}
    there = {name: dense or name != FLOAT32 for name, (package, _) in makers.items() if find_spec(package)}
    searches = {name: make(texts) for name, (_, make) in makers.items() if there.get(name)}
    if len(searches) == len(makers):
        searches[FUSED] = _fused([*searches.values()], len(shown))
    made = {name: _asked(name, search, ids, questions) for name, search in searches.items()}
    missing = [name for name in makers if name not in made]
    notes = [f"not asked: {', '.join(missing)} (pip install '.[search-peers,train]')"]
    return made, notes if missing else []


def _bm25(texts: list[str]) -> Search:
    import bm25s
    import Stemmer

    def tokens(some: list[str]) -> Any:
        return bm25s.tokenize(some, stopwords="en", stemmer=Stemmer.Stemmer("english"), show_progress=False)

    index = bm25s.BM25()
    with progress(f"{BM25}: indexing"):
        index.index(tokens(texts), show_progress=False)

    def search(query: str) -> Rows:
        found, scores = index.retrieve(tokens([query]), k=min(FUSED_DEPTH, len(texts)), show_progress=False)
        return np.asarray(found[0][scores[0] > 0], dtype=np.int64)

    return search


def _dense(texts: list[str]) -> Search:
    from photostock.index.export import load_original

    model = load_original(None)
    with progress(f"{FLOAT32}: encoding {len(texts):,} photos"):
        vectors = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)

    def search(query: str) -> Rows:
        cosines = vectors @ model.encode([query], normalize_embeddings=True, show_progress_bar=False)[0]
        return np.asarray(np.argsort(-cosines, kind="stable")[:FUSED_DEPTH], dtype=np.int64)

    return search


def _fused(searches: Sequence[Search], count: int) -> Search:
    def search(query: str) -> Rows:
        scores = np.zeros(count)
        for one in searches:
            rows = one(query)
            scores[rows] += 1 / (RRF + 1 + np.arange(len(rows)))
        found = np.flatnonzero(scores)
        return np.asarray(found[np.argsort(-scores[found], kind="stable")], dtype=np.int64)

    return search


def _asked(name: str, search: Search, ids: Sequence[str], questions: Sequence[Question]) -> Asked:
    rows = {photo_id: row for row, photo_id in enumerate(ids)}
    ranks = np.full(len(questions), DEEPEST, dtype=np.int64)
    best: list[tuple[str, ...]] = []
    with progress(name, len(questions)) as report:
        started_s = time.process_time()
        for place, question in enumerate(questions):
            found = search(question.query)[:DEEPEST]
            places = np.flatnonzero(found == rows[question.photo.id])
            ranks[place] = places[0] if len(places) else DEEPEST
            best.append(tuple(ids[row] for row in found[:BEST].tolist()))
            report.advance()
        cpu_ms = (time.process_time() - started_s) * 1000 / max(1, len(questions))
    return Asked(ranks, tuple(best), cpu_ms, {}, 0)
