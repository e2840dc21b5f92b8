"""What each stage of a search adds, on queries whose photo is known.

Many other photos may fit a query as well, so absolute values look low: compare the stages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from common.progress import Reporter, progress
from common.versions.registry import Registry, UnknownVersion
from photostock.catalogue import Photo
from photostock.index.encoder import Encoder, OnnxEncoder, encode_all
from photostock.index.vectors import VectorIndex
from photostock.lexical import LexicalIndex
from photostock.ranking import RERANK_DEPTH, Rows
from photostock.reranker.model import Reranker
from photostock.reranker.training_ids import trained_on

DEEPEST = 50  # how far down a known photo is looked for
THREADS = 2


class KnownAnswer(NamedTuple):
    query: str
    row: int  # of the photo that was meant


@dataclass(frozen=True, slots=True)
class StageQuality:
    """How well one stage finds the photo that was meant; the shares are of queries."""

    stage: str
    recall_1: float
    recall_10: float
    recall_50: float
    mrr_10: float
    ndcg_10: float
    cpu_ms: float  # per query, of one core

    @classmethod
    def of(cls, stage: str, ranks: Sequence[int], cpu_ms: float) -> StageQuality:
        """From the rank of the photo that was meant, for each query: 0 is the best, `DEEPEST` is not found."""
        rank = np.asarray(ranks)
        near = rank < 10
        return cls(
            stage,
            recall_1=float(np.mean(rank < 1)),
            recall_10=float(np.mean(near)),
            recall_50=float(np.mean(rank < DEEPEST)),
            mrr_10=float(np.mean(near / (rank + 1))),
            ndcg_10=float(np.mean(near / np.log2(rank + 2))),
            cpu_ms=cpu_ms,
        )


@dataclass(frozen=True, slots=True)
class Evaluation:
    stages: tuple[StageQuality, ...]  # in the order in which a search passes them
    photos: int
    queries: int
    left_out: int  # photos whose queries have trained the reranker
    versions: dict[str, str]


def evaluate(
    photos: Iterable[Photo],
    registry: Registry,
    *,
    max_queries: int = 1500,
    seed: int = 1,
    kept_vectors: Mapping[str, bytes] | None = None,
) -> Evaluation:
    """Champion encoder and reranker, on a sample of the queries that the reranker was not trained with.

    Args:
        kept_vectors: of photos by id, from `Catalogue.vectors` for this encoder; what is missing is encoded.
    """
    catalogue = list(photos)
    encoder = OnnxEncoder.load(registry.load("encoder"))
    reranker, trained = _champion_reranker(registry)
    left_out = trained & {photo.id for photo in catalogue if photo.queries}
    answers = _sample(catalogue, left_out, max_queries=max_queries, seed=seed)
    if not answers:
        raise ValueError("there is no query left: none of the photos has one that did not train the reranker")
    stages = _Stages(catalogue, encoder, kept_vectors)
    measured = [
        _measure("lexical (BM25)", stages.lexical, answers),
        _measure("semantic", stages.semantic, answers),
    ]
    versions = {"encoder": encoder.version}
    if reranker is not None:
        found: Reranker = reranker
        measured.append(
            _measure(f"semantic + reranker on {RERANK_DEPTH}", lambda query: stages.reranked(query, found), answers)
        )
        versions["reranker"] = reranker.version
    return Evaluation(tuple(measured), len(catalogue), len(answers), len(left_out), versions)


def render(evaluation: Evaluation, console: Console | None = None) -> None:
    """Prints a table."""
    versions = ", ".join(f"{name} {version}" for name, version in evaluation.versions.items())
    table = Table(
        title=f"{evaluation.queries:,} queries on {evaluation.photos:,} photos",
        caption=f"{versions}; left out: {evaluation.left_out:,} photos that trained the reranker",
    )
    table.add_column("stage")
    for name in ("recall@1", "recall@10", "recall@50", "MRR@10", "nDCG@10", "CPU ms"):
        table.add_column(name, justify="right")
    for row in evaluation.stages:
        shares = (row.recall_1, row.recall_10, row.recall_50, row.mrr_10, row.ndcg_10)
        table.add_row(row.stage, *(f"{share:.3f}" for share in shares), f"{row.cpu_ms:.1f}")
    (console or Console()).print(table)


class _Stages:
    """A catalogue, searched by one stage at a time."""

    def __init__(self, catalogue: Sequence[Photo], encoder: Encoder, kept: Mapping[str, bytes] | None) -> None:
        self._texts = [photo.text for photo in catalogue]
        self._encoder = encoder
        self._vectors = VectorIndex(dimensions=encoder.dimensions)
        texts = {photo.id: photo.text for photo in catalogue}
        self._vectors.add(range(len(catalogue)), encode_all(encoder, texts, kept=kept, what="encoding the photos"))
        self._words = LexicalIndex()
        for row, text in enumerate(self._texts):
            self._words.add(row, text)
        self._everything = np.ones(len(catalogue), dtype=np.bool_)

    def lexical(self, query: str) -> Rows:
        return self._words.search(query, allowed=self._everything, limit=DEEPEST)[0]

    def semantic(self, query: str) -> Rows:
        return self._nearest(query)[0]

    def reranked(self, query: str, reranker: Reranker) -> Rows:
        rows, cosines = self._nearest(query)
        block = rows[:RERANK_DEPTH]
        fused = reranker.score(query, [self._texts[row] for row in block], cosines[:RERANK_DEPTH].tolist())
        return np.concatenate([block[np.argsort(-fused, kind="stable")], rows[RERANK_DEPTH:]])

    def _nearest(self, query: str) -> tuple[Rows, np.ndarray[tuple[int], np.dtype[np.float32]]]:
        vector = self._encoder.encode([query])[0]
        return self._vectors.search(vector, allowed=self._everything, limit=DEEPEST)


def _champion_reranker(registry: Registry) -> tuple[Reranker | None, frozenset[str]]:
    try:
        release = registry.load("reranker")
    except UnknownVersion:
        return None, frozenset()
    return Reranker.load(release), trained_on(release)


def _sample(catalogue: Sequence[Photo], left_out: frozenset[str], *, max_queries: int, seed: int) -> list[KnownAnswer]:
    answers = [
        KnownAnswer(query, row)
        for row, photo in enumerate(catalogue)
        if photo.id not in left_out
        for query in photo.queries
    ]
    chosen = np.random.default_rng(seed).permutation(len(answers))[:max_queries]
    return [answers[index] for index in sorted(chosen)]


def _measure(stage: str, search: Callable[[str], Rows], answers: Sequence[KnownAnswer]) -> StageQuality:
    def timed(answer: KnownAnswer) -> tuple[int, float]:
        started = time.thread_time()  # not the wall's: other threads and processes use the cores, too
        rows = search(answer.query)
        return _rank(rows, answer.row), (time.thread_time() - started) * 1000

    with progress(stage, len(answers)) as report, ThreadPoolExecutor(THREADS) as pool:
        ranks, cpu_ms = zip(*_counted(pool.map(timed, answers), report), strict=True)
    return StageQuality.of(stage, ranks, float(np.mean(cpu_ms)))


def _counted(results: Iterable[tuple[int, float]], report: Reporter) -> Iterable[tuple[int, float]]:
    for result in results:
        yield result
        report.advance()


def _rank(rows: Rows, wanted: int) -> int:
    places = np.flatnonzero(rows == wanted)
    return int(places[0]) if len(places) else DEEPEST
