"""Learns where searches' photos are: a softmax over all photos, for each search with a known answer. And what kinds of
searches there are, once they are moved.

Imports torch: only training may import this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import faiss
import numpy as np
import torch
from torch.nn.functional import cross_entropy, normalize

from common.progress import progress
from photostock.filter.hubness import SHARPNESS, Hubness
from photostock.filter.query_map import QueryMap
from photostock.index.encoder import Encoder, Vectors, encode_all
from photostock.photo import Photo
from photostock.ranking import Rows
from photostock.reranker.views import TURNS, interchangeable, views

EPOCHS = 30
QUERIES_PER_STEP = 256
MOST_QUERIES = 20_000  # of a view
LEARNING_RATE = 3e-4
KINDS = 128  # of searches
QUERIES_PER_KIND = 10  # at least
KMEANS_ROUNDS = 15


class Lesson(NamedTuple):
    """The photos in one view, and searches of which the photo is known."""

    photos: Vectors  # [photos, dimensions]
    queries: Vectors  # [queries, dimensions]
    answers: Rows  # [queries]: rows of `photos`


def learnt(
    photos: Sequence[Photo], encoder: Encoder, *, kept: Mapping[str, bytes] | None, seed: int
) -> tuple[QueryMap, Hubness]:
    """From the searches of these photos.

    Args:
        kept: vectors of photos by id, for this encoder.
    """
    lessons = lessons_of(photos, encoder, kept=kept)
    query_map = learnt_map(lessons, seed=seed)
    return query_map, learnt_hubness(lessons, query_map, seed=seed)


def learnt_map(lessons: Sequence[Lesson], *, seed: int) -> QueryMap:
    """The map under which the right photos are likeliest; each epoch is another lesson. Starts at not moving at all."""
    dimensions = lessons[0].photos.shape[1]
    matrix = torch.zeros(dimensions, dimensions, requires_grad=True)
    optimizer = torch.optim.Adam([matrix], lr=LEARNING_RATE)
    rng = np.random.default_rng(seed)
    with progress("learning where queries belong", EPOCHS) as report:
        for epoch in range(EPOCHS):
            photos, queries, answers = map(torch.from_numpy, lessons[epoch % len(lessons)])
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - epoch / EPOCHS)
            for some in _portions(len(queries), rng):
                moved = normalize(queries[some] + queries[some] @ matrix.T, dim=1)
                loss = cross_entropy(SHARPNESS * moved @ photos.T, answers[some])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            report.advance()
    return QueryMap(matrix.detach().numpy())


def learnt_hubness(lessons: Sequence[Lesson], query_map: QueryMap, *, seed: int) -> Hubness:
    """Centres of the moved queries, by k-means on the sphere, and how near to them a photo usually is."""
    queries = query_map.of(np.concatenate([lesson.queries for lesson in lessons]))
    kinds = min(KINDS, max(1, len(lessons[0].queries) // QUERIES_PER_KIND))
    kmeans = faiss.Kmeans(
        queries.shape[1], kinds, niter=KMEANS_ROUNDS, seed=seed, spherical=True, min_points_per_centroid=1
    )
    kmeans.train(queries)
    centres = np.asarray(kmeans.centroids, dtype=np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    return Hubness(centres, usual=float(Hubness(centres).of(lessons[0].photos).mean()))


def lessons_of(photos: Sequence[Photo], encoder: Encoder, *, kept: Mapping[str, bytes] | None) -> list[Lesson]:
    """The photos as they are and, where their texts are of one kind, with those in other places (see `views`)."""
    seen = [views(photos, turn) for turn in range(TURNS if interchangeable(photos) else 1)]
    texts = {text: text for view in seen for photo in view for text in (photo.text, *photo.queries)}
    known = {photo.text: kept[photo.id] for photo in photos if photo.id in kept} if kept else None
    vectors = encode_all(encoder, texts, kept=known, what="encoding what the filter learns from")
    row_of = {text: row for row, text in enumerate(texts)}
    return [_lesson(view, vectors, row_of) for view in seen]


def _lesson(photos: Sequence[Photo], vectors: Vectors, row_of: Mapping[str, int]) -> Lesson:
    asked = [(row_of[query], place) for place, photo in enumerate(photos) for query in photo.queries]
    queries, answers = np.array(asked, dtype=np.int64).T
    return Lesson(vectors[[row_of[photo.text] for photo in photos]], vectors[queries], answers)


def _portions(count: int, rng: np.random.Generator) -> Iterator[torch.Tensor]:
    chosen = torch.from_numpy(rng.permutation(count)[:MOST_QUERIES])
    yield from chosen.split(QUERIES_PER_STEP)
