"""The catalogue in memory, ready to be searched: photos, vectors, words and filter columns by the same row number.

Rows are only ever appended. A photo that changes gets a new row, and the filter goes from the old to the new one in one
step, when everything else knows the new one. What is in a row stays for `KEPT_FOR_S`: for searches that began before.
So readers need no lock.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from sqlalchemy.exc import SQLAlchemyError

from photostock.catalogue import Catalogue, Photo, keeping_picture
from photostock.filter.filter import Conditions, PhotoFilter
from photostock.index.encoder import Encoder
from photostock.index.graph_files import GraphFiles
from photostock.index.segment import Stop
from photostock.index.semantic import Filling, Semantic, as_bytes, batches, encoded, keys_of
from photostock.index.vectors import GRAPH_FROM, VectorIndex
from photostock.lexical import LexicalIndex
from photostock.overriding import BannedRows
from photostock.popular import PopularityOrder
from photostock.precedence import Precedence

Vector: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.bool_]
BATCH = 500  # photos that are added at a time
LAST_FEW = 32  # photos whose encoding adds may wait for, when a new encoder takes over
MOST_ROUNDS = 20  # of catching up with what is added while a new encoder encodes
KEPT_FOR_S = 60.0  # twice the most time that a request may have
FORGOTTEN = Photo(id="")  # in place of one that was deleted or replaced longer ago


class Prepared(NamedTuple):
    """Photos that can be stored quickly, for they are encoded."""

    photos: Sequence[Photo]
    semantic: Semantic | None  # whose vectors these are
    vectors: dict[str, Vector]


class Library:
    """Reads need no lock and may run on any thread; changes follow each other one at a time."""

    def __init__(
        self,
        catalogue: Catalogue,
        files: GraphFiles | None = None,
        *,
        graph_from: int = GRAPH_FROM,
        kept_for_s: float = KEPT_FOR_S,
    ) -> None:
        self.generation = 0  # grows with every change that a search can see
        self.semantic: Semantic | None = None  # None until `use_encoder`: then search has words only
        self.lexical = LexicalIndex()
        self.precedence = Precedence()
        self.trouble: str | None = "not read yet"  # why changes by other processes may be missing
        self.banned: Callable[[], Collection[str]] = tuple  # ids that editors want nobody to find; never changed
        self._bans = BannedRows()
        self._catalogue, self._files, self._graph_from = catalogue, files, graph_from
        self._filling: Filling | None = None
        self._filter = PhotoFilter()
        self._popular = PopularityOrder()
        self._photos: list[Photo] = []
        self._row_of: dict[str, int] = {}
        self._kept_for_s = kept_for_s
        self._past: deque[tuple[float, int]] = deque()  # rows of photos that are gone or changed, and since when
        self._revision = -1
        self._writer = threading.Lock()
        self._following = threading.Lock()  # taken before `_writer`: all rows are as of `_revision` or newer under both

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

    def gone(self, photo_ids: Sequence[str]) -> list[str]:
        """Those of these that `find` does not find; none while the catalogue can't be read."""
        return [one for one in photo_ids if self.find(one) is None] if self.trouble is None else []

    def row_of(self, photo_id: str) -> int | None:
        """The row of the photo that `find` finds."""
        return self._row_of.get(photo_id) if self.find(photo_id) is not None else None

    def allowed(self, conditions: Conditions, *, banned: Collection[str] | None = None) -> Mask:
        """By row: may this photo be shown? The one place where licence, safety, erasure and bans are decided.

        Args:
            banned: other ids than those that are banned now: to know what it would be like.
        """
        allowed = self._filter.allowed(conditions)
        if banned := self.banned() if banned is None else banned:
            rows = self._bans.rows(banned, self._row_of, generation=self.generation)
            allowed[rows[: int(np.searchsorted(rows, len(allowed)))]] = False
        return allowed

    def pictures(self) -> set[str]:
        """Digests of the pictures that photos have of their own."""
        rows = self._row_of.copy().values()
        return {picture["digest"] for row in rows if (picture := self._photos[row].picture)}

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
        self.store(self.prepare(photos))

    def prepare(self, photos: Sequence[Photo]) -> Prepared:
        """The part of `add` that takes long: encodes what is new, changes nothing, and holds up nobody."""
        latest = {photo.id: keeping_picture(photo, self._held(photo.id)) for photo in photos}
        semantic = self.semantic
        vectors = encoded(semantic, self._changed(latest.values()), {}, self.precedence)
        return Prepared(list(latest.values()), semantic, vectors)

    def store(self, prepared: Prepared) -> None:
        """The rest of `add`."""
        with self._writer:
            semantic, sent = self.semantic, prepared.photos
            known = prepared.vectors if semantic is prepared.semantic else {}
            vectors = encoded(semantic, self._changed(sent), known, self.precedence)
            version = semantic.encoder.version if semantic else ""
            kept = {photo_id: as_bytes(vector) for photo_id, vector in vectors.items()}
            stored = self._catalogue.add(sent, encoder_version=version, vectors=kept)
            for one, other in zip(sent, stored, strict=True):
                if one != other:  # it has got a picture through another process meanwhile
                    vectors.pop(one.id, None)
            changed = self._changed(stored)
            self._take(changed, encoded(semantic, changed, vectors, self.precedence))

    def stored(self, photo_id: str) -> Photo | None:
        """As the catalogue has it now, safe or not, whoever wrote it."""
        return self._catalogue.get(photo_id)

    def delete(self, photo_id: str) -> Photo | None:
        """Durable, and shown to nobody any more, when it returns; the photo as it was, None if there was none."""
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

    def recheck(self) -> None:
        """Drops every photo that the catalogue has no more, also one that left no trace there."""
        held = list(self._row_of)
        with self._writer:
            for photo_id in set(held) - self._catalogue.present(held):
                self._drop(photo_id)

    def _follow(self) -> None:
        with self._following:
            revision = self._catalogue.revision()
            if revision != self._revision:
                self._take_over(revision)
                self._revision = revision

    def _take_over(self, revision: int) -> None:
        changes = self._catalogue.changes_since(self._revision)
        with self._writer:
            for photo_id in set(changes.deleted) - self._catalogue.present(changes.deleted):
                self._drop(photo_id)
        for batch in batches(self._changed(changes.photos), BATCH):
            vectors = self._vectors_of(batch, self.semantic, as_of=revision)  # adds go on: it may take long
            with self._writer:
                present = self._catalogue.present([photo.id for photo in batch], as_of=revision)
                self._take(self._changed([photo for photo in batch if photo.id in present]), vectors)

    def use_encoder(self, encoder: Encoder) -> None:
        """Gives every photo a vector of this encoder, then lets searches use it; takes long after an import.

        Meanwhile the encoder before serves. What is added or deleted meanwhile is so in both.
        """
        if self.encoder is not None and self.encoder.version == encoder.version:
            return
        filling = Filling(encoder, self._catalogue, self._files, graph_from=self._graph_from)
        self._filling = filling
        try:
            with self._writer:
                everything = self._missing_from(set())
            filling.adopt(everything)
            for rounds_left in reversed(range(MOST_ROUNDS)):
                with self._following, self._writer:  # what is being followed is newer than the revision
                    as_of = self._revision
                    left = self._missing_from(filling.filled)
                    if len(left) <= LAST_FEW or not rounds_left:
                        filling.fill(left, as_of=as_of)
                        filling.ready.vectors.remove(sorted(filling.filled - set(self._row_of.values())))
                        self.semantic = filling.ready
                        return
                filling.fill(left, as_of=as_of)
        finally:
            self._filling = None

    def tidy(self, stop: Stop = lambda: False) -> None:
        """Makes the index of many photos fast, and keeps that in a file; may take minutes, until `stop()` is true."""
        with self._writer:
            self._forget()
        semantic = self.semantic
        if semantic is None or not semantic.vectors.tidy(stop):
            return
        if self._files is not None and (graph := semantic.vectors.graph) is not None:
            self._files.save(semantic.encoder.version, graph, keys_of(graph, self._photos))

    def _missing_from(self, rows: set[int]) -> dict[int, Photo]:
        return {row: self._photos[row] for row in self._row_of.values() if row not in rows}

    def _vectors_of(self, photos: Sequence[Photo], semantic: Semantic | None, *, as_of: int) -> dict[str, Vector]:
        """Of photos that another process added: mostly it has encoded them already."""
        if semantic is None:
            return {}
        version = semantic.encoder.version
        kept = dict(self._catalogue.vectors(version, of=[photo.id for photo in photos]))
        found = {photo_id: np.frombuffer(vector, dtype="<f4") for photo_id, vector in kept.items()}
        vectors = encoded(semantic, photos, found, self.precedence)
        if new := {i: as_bytes(vector) for i, vector in vectors.items() if i not in found}:
            self._catalogue.put_vectors(version, new, as_of=as_of)
        return vectors

    def _take(self, photos: Sequence[Photo], vectors: dict[str, Vector]) -> None:
        if not photos:
            return
        self._forget()
        rows = list(range(len(self._photos), len(self._photos) + len(photos)))
        self._photos.extend(photos)
        self.lexical.add_all({row: photo.text for row, photo in zip(rows, photos, strict=True)})
        for row, photo in zip(rows, photos, strict=True):
            self._popular.add(row, photo.popularity)
        if self.semantic is not None:
            self.semantic.vectors.add(rows, np.stack([vectors[photo.id] for photo in photos]))
        old = [self._row_of[photo.id] for photo in photos if photo.id in self._row_of]
        self._filter.replace(dict(zip(rows, photos, strict=True)), gone=old)
        self._row_of.update({photo.id: row for row, photo in zip(rows, photos, strict=True)})
        self._past.extend((time.monotonic(), row) for row in old)
        self.generation += 1

    def _drop(self, photo_id: str) -> None:
        row = self._row_of.pop(photo_id, None)
        if row is not None:
            self._filter.remove(row)
            self._take_out([row])
            self._past.append((time.monotonic(), row))
            self.generation += 1

    def _take_out(self, rows: Sequence[int]) -> None:
        for row in rows:
            self.lexical.remove(row)
        if self.semantic is not None:
            self.semantic.vectors.remove(rows)

    def _forget(self) -> None:
        """Rows of photos that are gone or changed for so long that no search can have begun before."""
        rows: list[int] = []
        while self._past and self._past[0][0] <= time.monotonic() - self._kept_for_s:
            rows.append(self._past.popleft()[1])
        if rows:
            self._take_out(rows)
            for row in rows:
                self._photos[row] = FORGOTTEN

    def _changed(self, photos: Collection[Photo]) -> list[Photo]:
        return [photo for photo in photos if self._held(photo.id) != photo]

    def _held(self, photo_id: str) -> Photo | None:
        row = self._row_of.get(photo_id)
        return None if row is None else self._photos[row]
