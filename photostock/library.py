"""The catalogue in memory, ready to be searched: photos, vectors, words and filter columns by the same row number.

Rows are only ever appended. A photo that changes gets a new row; its old row, like that of a deleted photo, is no
longer alive in the filter. So readers need no lock: a row becomes alive last, when everything else knows it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from sqlalchemy.exc import SQLAlchemyError

from photostock.catalogue import Catalogue, Photo
from photostock.filter.filter import Conditions, PhotoFilter
from photostock.index.encoder import Encoder, encode_all
from photostock.index.vectors import VectorIndex
from photostock.lexical import LexicalIndex
from photostock.popular import PopularityOrder

Vector: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.bool_]
T = TypeVar("T")
BATCH = 500  # photos that are added or encoded at a time


class Library:
    """Reads need no lock and may run on any thread; changes follow each other one at a time."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.encoder: Encoder | None = None  # None until `use_encoder`: then search has words only
        self.vectors = VectorIndex(dimensions=1)
        self.lexical = LexicalIndex()
        self.trouble: str | None = "not read yet"  # why changes by other processes may be missing
        self._catalogue = catalogue
        self._filter = PhotoFilter()
        self._popular = PopularityOrder()
        self._photos: list[Photo] = []
        self._row_of: dict[str, int] = {}
        self._revision = -1
        self._writer = threading.Lock()

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

    def most_popular(self, allowed: Mask, *, limit: int) -> npt.NDArray[np.int64]:
        return self._popular.best(allowed, limit=limit)

    def popularity(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return np.array([self._photos[row].popularity for row in rows.tolist()], dtype=np.float64)

    def add(self, photos: Sequence[Photo]) -> None:
        """Durable, and found by the next search, when it returns."""
        with self._writer:
            self._catalogue.add(photos)
            self._take([photo for photo in photos if self._held(photo.id) != photo])

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
                self._take(batch)
            for photo_id in changes.deleted:
                self._drop(photo_id)
            self._revision = revision

    def use_encoder(self, encoder: Encoder) -> None:
        """Gives every photo a vector of this encoder, then lets searches use it; takes long after an import."""
        if self.encoder is not None and self.encoder.version == encoder.version:
            return
        vectors = VectorIndex(dimensions=encoder.dimensions)
        rows = sorted(self._row_of.values())
        self._fill(vectors, encoder, rows, kept=dict(self._catalogue.vectors(encoder.version)))
        with self._writer:
            added_since = sorted(set(self._row_of.values()) - set(rows))
            self._fill(vectors, encoder, added_since, kept={})
            self.vectors, self.encoder = vectors, encoder

    def _fill(self, vectors: VectorIndex, encoder: Encoder, rows: list[int], *, kept: dict[str, bytes]) -> None:
        if not rows:
            return
        photos = [self._photos[row] for row in rows]
        new = [place for place, photo in enumerate(photos) if photo.id not in kept]
        texts = {photo.id: photo.text for photo in photos}
        encoded = encode_all(encoder, texts, kept=kept, what=f"encoding {len(new):,} of {len(photos):,} photos")
        self._keep(encoder, [photos[place] for place in new], encoded[new])
        vectors.add(rows, encoded)

    def _take(self, photos: Sequence[Photo]) -> None:
        if not photos:
            return
        rows = list(range(len(self._photos), len(self._photos) + len(photos)))
        self._photos.extend(photos)
        for row, photo in zip(rows, photos, strict=True):
            self.lexical.add(row, photo.text)
            self._popular.add(row, photo.popularity)
        if self.encoder is not None:
            self.vectors.add(rows, self._encode(self.encoder, photos))
        for row, photo in zip(rows, photos, strict=True):
            self._drop(photo.id)  # first, so that no search finds a photo twice
            self._filter.add(row, photo)
            self._row_of[photo.id] = row

    def _encode(self, encoder: Encoder, photos: Sequence[Photo]) -> Vector:
        vectors: Vector = encoder.encode([photo.text for photo in photos])
        self._keep(encoder, photos, vectors)
        return vectors

    def _keep(self, encoder: Encoder, photos: Sequence[Photo], vectors: Vector) -> None:
        kept = {photo.id: vector.astype("<f4").tobytes() for photo, vector in zip(photos, vectors, strict=True)}
        self._catalogue.put_vectors(encoder.version, kept)

    def _drop(self, photo_id: str) -> None:
        row = self._row_of.pop(photo_id, None)
        if row is not None:
            self._filter.remove(row)
            self.lexical.remove(row)
            self.vectors.remove([row])

    def _held(self, photo_id: str) -> Photo | None:
        row = self._row_of.get(photo_id)
        return None if row is None else self._photos[row]


def _batches(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]
