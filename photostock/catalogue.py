"""The catalogue of photos: the truth that index, filter and pages are built from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Engine, Row, Select, delete, func, select, update

from common.state.database import add_missing_columns, create_tables, upsert
from common.state.erasures import ErasureStore
from common.state.preparing import prepare
from photostock.photo import Orientation, Photo, problem_of
from photostock.tables import FIELDS, PHOTOS, REVISION, TABLES, TOMBSTONES, VECTORS

__all__ = ["Catalogue", "Changes", "InvalidPhoto", "Orientation", "Photo", "problem_of"]

PAGE_ROWS = 1000  # of a streaming read: no transaction stays open between two pages


class InvalidPhoto(ValueError):
    """A photo that may not enter the catalogue, and why."""


class ErasedPhoto(ValueError):
    """A photo that was erased together with the person whom it belonged to, and may not come back."""


class Changes(NamedTuple):
    """What another process changed; a photo that comes or goes meanwhile may be in both: `present` tells."""

    photos: list[Photo]
    deleted: list[str]


class Catalogue:
    """Photos and their vectors in the state database; what a method wrote is durable when it returns."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._erasures = ErasureStore(engine, "photostock")
        create_tables(engine, TABLES)
        add_missing_columns(engine, TABLES)
        prepare(engine, _begin_revisions)

    def add(
        self, photos: Sequence[Photo], *, encoder_version: str = "", vectors: Mapping[str, bytes] | None = None
    ) -> list[Photo]:
        """Adds or replaces all of these photos or none; a photo that is already there unchanged stays untouched.

        Returns them as they are stored: one that names no picture keeps the picture that it has. Raises `ErasedPhoto`.

        Args:
            vectors: of these photos by id, made by the encoder of this version; kept by the same transaction, except
                those of photos that are stored otherwise than they were sent.
        """
        rows = {photo.id: _row(photo) for photo in photos}
        stored = {photo.id: photo for photo in photos}
        otherwise: set[str] = set()
        if not rows:
            return []
        with self._writing() as connection:
            if erased := self._erasures.erased_things(connection, sorted(rows)):
                place = next(place for place, photo in enumerate(photos) if photo.id in erased)
                raise ErasedPhoto(f"photos.{place}: it was erased with the person whom it belonged to")
            for held in self._with_picture(connection, sorted(rows)):
                if (kept := keeping_picture(stored[held.id], held)) != stored[held.id]:
                    stored[held.id], rows[held.id] = kept, _row(kept)
                    otherwise.add(held.id)
            revision = _next_revision(connection)
            connection.execute(self._upsert_photos(), [row | {"revision": revision} for row in rows.values()])
            changed = select(PHOTOS.c.id).where(PHOTOS.c.revision == revision)
            connection.execute(delete(VECTORS).where(VECTORS.c.photo_id.in_(changed)))
            connection.execute(delete(TOMBSTONES).where(TOMBSTONES.c.id.in_(changed)))
            if vectors:
                fitting = {i: vectors[i] for i in sorted(vectors) if i in rows and i not in otherwise}
                self._upsert_vectors(connection, encoder_version, fitting)
        return list(stored.values())

    def change(self, ids: Sequence[str], changed: Callable[[Photo], Photo]) -> None:
        """Puts `changed` in the place of each of these photos that is there at this moment, up to a page of them."""
        with self._writing() as connection:
            rows = connection.execute(select(*FIELDS).where(PHOTOS.c.id.in_(ids))).all()
            if not rows:
                return
            revision = _next_revision(connection)
            new = [_row(changed(_photo(row))) | {"revision": revision} for row in rows]
            connection.execute(self._upsert_photos(), new)
            reworded = select(PHOTOS.c.id).where(PHOTOS.c.revision == revision)
            connection.execute(delete(VECTORS).where(VECTORS.c.photo_id.in_(reworded)))

    def without_erased(self, photos: Sequence[Photo]) -> list[Photo]:
        """Those that `add` takes."""
        with self._engine.connect() as connection:
            erased = self._erasures.erased_things(connection, [photo.id for photo in photos])
        return [photo for photo in photos if photo.id not in erased]

    def delete(self, photo_id: str) -> Photo | None:
        """Removes a photo with its vectors and keeps a tombstone; the photo as it was, None if there was none."""
        with self._writing() as connection:
            gone = connection.execute(delete(PHOTOS).where(PHOTOS.c.id == photo_id).returning(*FIELDS)).one_or_none()
            if gone is None:
                return None
            connection.execute(delete(VECTORS).where(VECTORS.c.photo_id == photo_id))
            tombstone = {"id": photo_id, "revision": _next_revision(connection)}
            connection.execute(upsert(self._engine, TOMBSTONES).values(tombstone))
            return _photo(gone)

    def get(self, photo_id: str) -> Photo | None:
        """The photo of this id, if there is one."""
        with self._engine.connect() as connection:
            row = connection.execute(select(*FIELDS).where(PHOTOS.c.id == photo_id)).one_or_none()
        return None if row is None else _photo(row)

    def photos(self) -> Iterator[Photo]:
        """All photos by id, read page by page: what changes meanwhile is seen or not, and is in `changes_since`."""
        for row in self._pages(select(*FIELDS), PHOTOS.c.id):
            yield _photo(row)

    def count(self) -> int:
        """How many photos there are."""
        with self._engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(PHOTOS)).scalar_one()

    def revision(self) -> int:
        """A number that grows with every change; cheap enough to be asked every second."""
        with self._engine.connect() as connection:
            return int(connection.execute(select(REVISION.c.value)).scalar_one())

    def changes_since(self, revision: int) -> Changes:
        """All that changed after `revision`; ask for `revision()` before this, so that the next poll misses nothing."""
        changed = select(*FIELDS).where(PHOTOS.c.revision > revision)
        gone = select(TOMBSTONES.c.id).where(TOMBSTONES.c.revision > revision).order_by(TOMBSTONES.c.id)
        photos = [_photo(row) for row in self._pages(changed, PHOTOS.c.id)]
        with self._engine.connect() as connection:
            return Changes(photos, list(connection.execute(gone).scalars()))

    def present(self, ids: Sequence[str], *, as_of: int | None = None) -> set[str]:
        """Those of these photos that are there, and have not changed after revision `as_of`."""
        with self._engine.connect() as connection:
            return {photo_id for page in _pages_of(ids) for photo_id in _present(connection, page, as_of)}

    def put_vectors(self, encoder_version: str, vectors: Mapping[str, bytes], *, as_of: int | None = None) -> None:
        """Keeps vectors beside their photos, except for photos that are gone or have changed after revision `as_of`."""
        with self._writing() as connection:
            for page in _pages_of(sorted(vectors)):
                present = _present(connection, page, as_of)
                self._upsert_vectors(connection, encoder_version, {photo_id: vectors[photo_id] for photo_id in present})

    def vectors(self, encoder_version: str, *, of: Sequence[str] | None = None) -> Iterator[tuple[str, bytes]]:
        """The kept vectors of one encoder version, float32 little endian, by photo id: all, or `of` these ids."""
        query = select(VECTORS.c.photo_id, VECTORS.c.vector).where(VECTORS.c.encoder_version == encoder_version)
        wanted = [query] if of is None else [query.where(VECTORS.c.photo_id.in_(page)) for page in _pages_of(of)]
        for part in wanted:
            for row in self._pages(part, VECTORS.c.photo_id):
                yield row[0], row[1]

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """One transaction whose first statement takes the write lock, so that writers follow each other in turn."""
        with self._engine.begin() as connection:
            connection.execute(update(REVISION).values(value=REVISION.c.value))
            yield connection

    def _with_picture(self, connection: Connection, ids: Sequence[str]) -> Iterator[Photo]:
        for page in _pages_of(ids):
            query = select(*FIELDS).where(PHOTOS.c.id.in_(page) & PHOTOS.c.picture.is_not(None))
            yield from map(_photo, connection.execute(query))

    def _upsert_vectors(self, connection: Connection, encoder_version: str, vectors: Mapping[str, bytes]) -> None:
        statement = upsert(self._engine, VECTORS)
        statement = statement.on_conflict_do_update(
            index_elements=["encoder_version", "photo_id"], set_={"vector": statement.excluded.vector}
        )
        rows = [{"encoder_version": encoder_version, "photo_id": i, "vector": vector} for i, vector in vectors.items()]
        if rows:
            connection.execute(statement, rows)

    def _upsert_photos(self) -> Any:
        statement = upsert(self._engine, PHOTOS)
        replaced = {column.name: column for column in statement.excluded if column.name != "id"}
        changed = PHOTOS.c.fingerprint != statement.excluded.fingerprint
        return statement.on_conflict_do_update(index_elements=["id"], set_=replaced, where=changed)

    def _pages(self, query: Select[*tuple[Any, ...]], key: Column[Any]) -> Iterator[Row[*tuple[Any, ...]]]:
        after = ""
        while True:
            with self._engine.connect() as connection:
                page = connection.execute(query.where(key > after).order_by(key).limit(PAGE_ROWS)).all()
            yield from page
            if len(page) < PAGE_ROWS:
                return
            after = page[-1][0]


def keeping_picture(new: Photo, held: Photo | None) -> Photo:
    """A photo that replaces another keeps its picture, and what the picture says of itself, if it names none."""
    if held is None or held.picture is None or new.picture is not None:
        return new
    return replace(new, width=held.width, height=held.height, color=held.color, picture=held.picture)


def _present(connection: Connection, page: Sequence[str], as_of: int | None) -> Sequence[str]:
    wanted = PHOTOS.c.id.in_(page)
    current = wanted if as_of is None else wanted & (PHOTOS.c.revision <= as_of)
    return connection.execute(select(PHOTOS.c.id).where(current)).scalars().all()


def _pages_of(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), PAGE_ROWS):
        yield ids[start : start + PAGE_ROWS]


def _begin_revisions(connection: Connection) -> None:
    if connection.execute(select(REVISION.c.id)).first() is None:  # a write would wait for other writers
        connection.execute(upsert(connection.engine, REVISION).values(id=1, value=0).on_conflict_do_nothing())


def _next_revision(connection: Connection) -> int:
    grown = update(REVISION).values(value=REVISION.c.value + 1).returning(REVISION.c.value)
    return int(connection.execute(grown).scalar_one())


def _row(photo: Photo) -> dict[str, Any]:
    problem = problem_of(photo)
    if problem is not None:
        raise InvalidPhoto(f"photo {photo.id[:128]!r}: {problem}")
    row = {column.name: getattr(photo, column.name) for column in FIELDS}
    row |= {"tags": list(photo.tags), "queries": list(photo.queries)}
    row["fingerprint"] = hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()
    return row


def _photo(row: Row[*tuple[Any, ...]]) -> Photo:
    values = dict(row._mapping)
    return Photo(**values | {"tags": tuple(values["tags"]), "queries": tuple(values["queries"])})
