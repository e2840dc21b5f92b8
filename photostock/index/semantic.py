"""An encoder and the index of its vectors: always taken together, for vectors of two encoders must never meet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from common.progress import Reporter, progress
from photostock.catalogue import Catalogue, Photo
from photostock.index.code_space import Vectors
from photostock.index.encoder import BLOCK, Encoder, photo_vectors
from photostock.index.graph_files import KEY_BYTES, NO_KEY, GraphFiles
from photostock.index.segment import NOBODY, Segment
from photostock.index.vectors import VectorIndex
from photostock.precedence import Precedence

BATCH = 1_024  # photos whose vectors are in memory at a time
SAMPLE = 64  # codes of a file that are compared with the database before the file is trusted
THREADS = 2
ENCODED_ALONE = 8  # photos; more are shared by the threads
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Semantic:
    """What a search by meaning reads: one reference, replaced in one step."""

    encoder: Encoder
    vectors: VectorIndex


class Filling:
    """Makes the index of one encoder beside the one that serves: from a file, the database, and the encoder."""

    def __init__(self, encoder: Encoder, catalogue: Catalogue, files: GraphFiles | None, *, graph_from: int) -> None:
        self.ready = Semantic(encoder, VectorIndex(dimensions=encoder.dimensions, graph_from=graph_from))
        self.filled: set[int] = set()  # rows
        self.left = 0  # photos that have to be encoded yet
        self._catalogue, self._files = catalogue, files

    def adopt(self, photos: Mapping[int, Photo]) -> None:
        """Takes over the graph of a file as far as it knows these photos by row, if the database bears it out."""
        encoder = self.ready.encoder
        kept = self._files.load(encoder.version, encoder.dimensions) if self._files else None
        if kept is None:
            return
        row_of = {key_of(photo): row for row, photo in photos.items()}
        rows = np.array([row_of.get(key, NOBODY) for key in kept.keys], dtype=np.int64)
        graph = Segment.of(kept.index, rows)
        if len(np.unique(rows[rows != NOBODY])) == graph.living > 0 and self._borne_out(graph, photos):
            self.ready.vectors.adopt(graph)
            self.filled.update(rows[rows != NOBODY].tolist())

    def fill(self, photos: Mapping[int, Photo], *, as_of: int | None) -> None:
        """Gives each of these photos its vector: that of the database, else a new one, which is kept there.

        Args:
            as_of: the revision of the catalogue at which the photos had these texts.
        """
        missing: list[int] = []
        for rows in batches(sorted(photos)):
            kept = dict(self._catalogue.vectors(self.ready.encoder.version, of=[photos[row].id for row in rows]))
            known = [row for row in rows if photos[row].id in kept]
            self._put(known, [np.frombuffer(kept[photos[row].id], dtype="<f4") for row in known])
            missing += [row for row in rows if photos[row].id not in kept]
        if not missing:
            return
        self.left = len(missing)
        with progress(f"encoding {len(missing):,} of {len(photos):,} photos", len(missing)) as report:
            for rows in batches(missing):
                self._encode(rows, photos, as_of, report)

    def _encode(self, rows: Sequence[int], photos: Mapping[int, Photo], as_of: int | None, report: Reporter) -> None:
        encoder = self.ready.encoder
        vectors: list[Vectors] = []
        with ThreadPoolExecutor(THREADS) as pool:
            chosen = [photos[row] for row in rows]
            for block in pool.map(partial(photo_vectors, encoder), batches(chosen, BLOCK)):
                vectors += list(block)
                self.left -= len(block)
                report.advance(len(block))
        kept = {photos[row].id: as_bytes(vector) for row, vector in zip(rows, vectors, strict=True)}
        self._catalogue.put_vectors(encoder.version, kept, as_of=as_of)
        self._put(rows, vectors)

    def _put(self, rows: Sequence[int], vectors: Sequence[Vectors]) -> None:
        if rows:
            self.ready.vectors.add(rows, np.stack(vectors).astype(np.float32))
            self.filled.update(rows)

    def _borne_out(self, graph: Segment, photos: Mapping[int, Photo]) -> bool:
        """Some codes all over the graph are those of the vectors in the database, but for the last step of rounding."""
        places = np.flatnonzero(graph.alive)
        places = places[np.linspace(0, len(places) - 1, min(SAMPLE, len(places)), dtype=np.int64)]
        ids = {photos[int(graph.rows[place])].id: int(place) for place in places}
        kept = dict(self._catalogue.vectors(self.ready.encoder.version, of=sorted(ids)))
        if not kept:
            return False
        codes = self.ready.vectors.codes_of(np.stack([np.frombuffer(kept[i], dtype="<f4") for i in kept]))
        found = graph.codes[[ids[photo_id] for photo_id in kept]]
        return bool((np.abs(found.astype(np.int16) - codes.astype(np.int16)) <= 1).all())


def encoded(
    semantic: Semantic | None, photos: Sequence[Photo], known: Mapping[str, Vectors], precedence: Precedence
) -> dict[str, Vectors]:
    """A vector for each of these photos by id: the known one, else a new one, for which searches are let go first."""
    if semantic is None:
        return {}
    missing = [photo for photo in photos if photo.id not in known]
    new = _encode(semantic.encoder, missing, precedence)
    made = {photo.id: vector for photo, vector in zip(missing, new, strict=True)}
    return {photo.id: made[photo.id] if photo.id in made else known[photo.id] for photo in photos}


def _encode(encoder: Encoder, photos: Sequence[Photo], precedence: Precedence) -> list[Vectors]:
    """Many on two threads, if there are cores; each by itself, as a vector must not depend on what is beside it."""

    def one_by_one(block: Sequence[Photo]) -> list[Vectors]:
        vectors = []
        for photo in block:
            precedence.give_way()
            vectors.append(photo_vectors(encoder, [photo])[0])
        return vectors

    threads = min(THREADS, precedence.others)
    if threads == 1 or len(photos) <= ENCODED_ALONE:
        return one_by_one(photos)
    with ThreadPoolExecutor(threads) as pool:
        return [vector for block in pool.map(one_by_one, batches(photos, ENCODED_ALONE)) for vector in block]


def keys_of(graph: Segment, photos: Sequence[Photo]) -> list[bytes]:
    """For each code of a graph a key of the photo whose text it stands for; `photos` are by row."""
    return [NO_KEY if row == NOBODY else key_of(photos[row]) for row in np.where(graph.alive, graph.rows, NOBODY)]


def key_of(photo: Photo) -> bytes:
    """Changes with the id, with the text and with the picture: with all that an encoder may look at."""
    picture = f"\0{photo.picture['digest']}" if photo.picture else ""
    return hashlib.blake2b(f"{photo.id}\0{photo.text}{picture}".encode(), digest_size=KEY_BYTES).digest()


def as_bytes(vector: Vectors) -> bytes:
    """As the database keeps it."""
    return vector.astype("<f4").tobytes()


def batches(values: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
