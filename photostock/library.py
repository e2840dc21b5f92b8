"""The catalogue in memory, ready to be searched: photos, vectors, words and filter columns by the same row number.

Rows are only ever appended. A photo that changes gets a new row; its old row, like that of a deleted photo, is no
longer alive in the filter. So readers need no lock: a row becomes alive last, when everything else knows it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from sqlalchemy.exc import SQLAlchemyError

from photostock.catalogue import Catalogue, Photo
from photostock.filter.filter import Conditions, PhotoFilter
from photostock.index.encoder import Encoder, photo_vectors
from photostock.index.graph_files import GraphFiles
from photostock.index.segment import Stop
from photostock.index.semantic import THREADS, Filling, Semantic, as_bytes, keys_of
from photostock.index.vectors import GRAPH_FROM, VectorIndex
from photostock.lexical import LexicalIndex
from photostock.popular import PopularityOrder

Vector: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.bool_]
T = TypeVar("T")
BATCH = 500  # photos that are added at a time
ENCODED_ALONE = 8  # photos; more are shared by two threads
LAST_FEW = 32  # photos whose encoding adds may wait for, when a new encoder takes over
MOST_ROUNDS = 20  # of catching up with what is added while a new encoder encodes


class Library:
    """Reads need no lock and may run on any thread; changes follow each other one at a time."""

    def __init__(self, catalogue: Catalogue, files: GraphFiles | None = None, *, graph_from: int = GRAPH_FROM) -> None:
        self.semantic: Semantic | None = None  # None until `use_encoder`: then search has words only
        self.lexical = LexicalIndex()
        self.trouble: str | None = "not read yet"  # why changes by other processes may be missing
        self._catalogue, self._files, self._graph_from = catalogue, files, graph_from
        self._filling: Filling | None = None
        self._filter = PhotoFilter()
        self._popular = PopularityOrder()
        self._photos: list[Photo] = []
        self._row_of: dict[str, int] = {}
        self._revision = -1
        self._writer = threading.Lock()

    @property
    def encoder(self) -> Encoder | None:
        """The encoder in use; who also needs its vectors takes `semantic`."""
        return self.semantic.encoder if self.semantic else None

    @property
    def vectors(self) -> VectorIndex:
        """The vectors of the encoder in use; an empty index while there is none."""
        return self.semantic.vectors if self.semantic else VectorIndex(dimensions=1)

    @property
    def preparing(self) -> str | None:
        """How far a new encoder is, while there is one."""
        filling = self._filling
        if filling is None:
            return None
        return f"encoder {filling.ready.encoder.version} is taking over, {filling.left:,} photos are left"

    def __len__(self) -> int:
        return len(self._row_of)

    def photo(self, row: int) -> Photo:
        return self._photos[row]

    def find(self, photo_id: str) -> Photo | None:
        """The photo of this id, unless it is erased or unsafe."""
        row = self._row_of.get(photo_id)
        return self._photos[row] if row is not None and self._photos[row].safe else None

    def allowed(self, conditions: Conditions) -> Mask:
        """By row: may this photo be shown? The one place where licence, safety and erasure are decided."""
        return self._filter.allowed(conditions)

    def pictures(self) -> set[str]:
        """Digests of the pictures that photos have of their own."""
        rows = self._row_of.copy().values()
        return {photo.picture["digest"] for row in rows if (photo := self._photos[row]).picture}

    @property
    def licences(self) -> tuple[str, ...]:
        """Every licence that a photo has or had."""
        return self._filter.licences

    def photographers(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """A code per photographer for each of these rows, 0 where nobody is known."""
        return self._filter.photographers(rows)

    def most_popular(self, allowed: Mask, *, limit: int) -> npt.NDArray[np.int64]:
        return self._popular.best(allowed, limit=limit)

    def popularity(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return np.array([self._photos[row].popularity for row in rows.tolist()], dtype=np.float64)

    def add(self, photos: Sequence[Photo]) -> None:
        """Durable, and found by the next search, when it returns."""
        photos = list({photo.id: photo for photo in photos}.values())
        semantic = self.semantic
        vectors = _encoded(semantic, [photo for photo in photos if self._held(photo.id) != photo], {})
        with self._writer:
            changed = [photo for photo in photos if self._held(photo.id) != photo]
            vectors = _encoded(self.semantic, changed, vectors if self.semantic is semantic else {})
            version = self.semantic.encoder.version if self.semantic else ""
            kept = {photo_id: as_bytes(vector) for photo_id, vector in vectors.items()}
            self._catalogue.add(photos, encoder_version=version, vectors=kept)
            self._take(changed, vectors)

    def delete(self, photo_id: str) -> bool:
        """Durable, and shown to nobody any more, when it returns; False if there was none."""
        with self._writer:
            deleted = self._catalogue.delete(photo_id)
            self._drop(photo_id)
            return deleted

    def refresh(self) -> None:
        """Takes over what other processes changed in the catalogue; the first time, all of it."""
        try:
            self._follow()
        except SQLAlchemyError as error:
            self.trouble = f"can't be read: {type(error).__name__}"
        else:
            self.trouble = None

    def _follow(self) -> None:
        revision = self._catalogue.revision()
        if revision == self._revision:
            return
        with self._writer:
            changes = self._catalogue.changes_since(self._revision)
            fresh = [photo for photo in changes.photos if self._held(photo.id) != photo]
            for batch in _batches(fresh):
                self._take(batch, self._vectors_of(batch, as_of=revision))
            for photo_id in changes.deleted:
                self._drop(photo_id)
            self._revision = revision

    def use_encoder(self, encoder: Encoder) -> None:
        """Gives every photo a vector of this encoder, then lets searches use it; takes long after an import.

        Meanwhile the encoder before serves. What is added or deleted meanwhile is so in both.
        """
        if self.encoder is not None and self.encoder.version == encoder.version:
            return
        filling = Filling(encoder, self._catalogue, self._files, graph_from=self._graph_from)
        self._filling = filling
        try:
            filling.adopt(self._rows_beyond(filling.filled))
            for _ in range(MOST_ROUNDS):
                left = self._rows_beyond(filling.filled)
                if len(left) <= LAST_FEW:
                    break
                filling.fill(left, as_of=self._revision)
            with self._writer:
                filling.fill(self._missing_from(filling.filled), as_of=self._revision)
                filling.ready.vectors.remove(sorted(filling.filled - set(self._row_of.values())))
                self.semantic = filling.ready
        finally:
            self._filling = None

    def tidy(self, stop: Stop = lambda: False) -> None:
        """Makes the index of many photos fast, and keeps that in a file; may take minutes, until `stop()` is true."""
        semantic = self.semantic
        if semantic is None or not semantic.vectors.tidy(stop):
            return
        if self._files is not None and (graph := semantic.vectors.graph) is not None:
            self._files.save(semantic.encoder.version, graph, keys_of(graph, self._photos))

    def _rows_beyond(self, rows: set[int]) -> dict[int, Photo]:
        with self._writer:
            return self._missing_from(rows)

    def _missing_from(self, rows: set[int]) -> dict[int, Photo]:
        return {row: self._photos[row] for row in self._row_of.values() if row not in rows}

    def _vectors_of(self, photos: Sequence[Photo], *, as_of: int) -> dict[str, Vector]:
        """Of photos that another process added: mostly it has encoded them already."""
        if self.semantic is None:
            return {}
        version = self.semantic.encoder.version
        kept = dict(self._catalogue.vectors(version, of=[photo.id for photo in photos]))
        found = {photo_id: np.frombuffer(vector, dtype="<f4") for photo_id, vector in kept.items()}
        vectors = _encoded(self.semantic, photos, found)
        if new := {i: as_bytes(vector) for i, vector in vectors.items() if i not in found}:
            self._catalogue.put_vectors(version, new, as_of=as_of)
        return vectors

    def _take(self, photos: Sequence[Photo], vectors: dict[str, Vector]) -> None:
        if not photos:
            return
        rows = list(range(len(self._photos), len(self._photos) + len(photos)))
        self._photos.extend(photos)
        self.lexical.add_all({row: photo.text for row, photo in zip(rows, photos, strict=True)})
        for row, photo in zip(rows, photos, strict=True):
            self._popular.add(row, photo.popularity)
        if self.semantic is not None:
            self.semantic.vectors.add(rows, np.stack([vectors[photo.id] for photo in photos]))
        for row, photo in zip(rows, photos, strict=True):
            self._drop(photo.id)  # first, so that no search finds a photo twice
            self._filter.add(row, photo)
            self._row_of[photo.id] = row

    def _drop(self, photo_id: str) -> None:
        row = self._row_of.pop(photo_id, None)
        if row is not None:
            self._filter.remove(row)
            self.lexical.remove(row)
            if self.semantic is not None:
                self.semantic.vectors.remove([row])

    def _held(self, photo_id: str) -> Photo | None:
        row = self._row_of.get(photo_id)
        return None if row is None else self._photos[row]


def _encoded(semantic: Semantic | None, photos: Sequence[Photo], known: dict[str, Vector]) -> dict[str, Vector]:
    """A vector for each of these photos by id: the known one, else a new one."""
    if semantic is None:
        return {}
    missing = [photo for photo in photos if photo.id not in known]
    new = _encode(semantic.encoder, missing)
    made = {photo.id: vector for photo, vector in zip(missing, new, strict=True)}
    return {photo.id: made[photo.id] if photo.id in made else known[photo.id] for photo in photos}


def _encode(encoder: Encoder, photos: Sequence[Photo]) -> list[Vector]:
    """Many on two threads; each by itself, so that a vector does not depend on what is encoded beside it."""
    if len(photos) <= ENCODED_ALONE:
        return list(photo_vectors(encoder, photos)) if photos else []
    with ThreadPoolExecutor(THREADS) as pool:
        blocks = pool.map(partial(photo_vectors, encoder), _batches(photos, ENCODED_ALONE))
        return [vector for block in blocks for vector in block]


def _batches(values: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
