"""What PhotoStock has of a person: events by `user_id`, photos by photographer, and all that was made of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial, reduce
from hashlib import sha256
from itertools import starmap
from typing import Any

from sqlalchemy import Connection, Engine, Select, and_, delete, inspect, select, update

from common.erasing.keeper import Belongings
from common.erasing.person import Person
from common.erasing.replays import forgotten
from common.erasing.second_copy import SecondCopy
from common.erasing.texts import naming
from common.erasing.work import Erasing
from common.replay.store import STORE_FILE
from common.state.database import open_state
from common.state.erasures import ErasureStore
from common.state.overrides import overrides
from common.versions.registry import Registry, RegistryError
from photostock.catalogue import Catalogue, Photo
from photostock.feedback.store import FeedbackStore, events
from photostock.hints.store import history as hint_history
from photostock.hints.store import table as hints
from photostock.own_pictures.store import PictureStore
from photostock.reranker.training_ids import TRAINING_IDS
from photostock.settings import PhotoSettings
from photostock.tables import PHOTOS, REVISION, TOMBSTONES, VECTORS

SCOPE = "photostock"
LEARNING = ("filter", "reranker")  # components that are trained with photos and clicks
PIECE_BYTES, MOST_ALIKE = 64, 32  # a piece has at least so many different values
SCAN_BEGINS = b"\xff\xda"  # of a JPEG: what stands before it, tables and sizes, others have, too
AT_A_TIME = 500


def nothing_in_memory() -> None:
    """Of a process that serves nobody."""


class PhotoKeeper:
    """PhotoStock's part of an erasure.

    Args:
        forget_in_memory: empties what the process remembers; called when the rows are gone.
    """

    scope, events_table = SCOPE, events.name
    counted = (PHOTOS.name, VECTORS.name, events.name)
    kept_apart = (PHOTOS.name, VECTORS.name)  # only as photos, for everything in memory follows their revision
    left_alone, decisions_found_by = (), frozenset({"id", "scope"})

    def __init__(
        self,
        settings: PhotoSettings,
        state: Engine,
        catalogue: Catalogue,
        forget_in_memory: Callable[[], None] = nothing_in_memory,
    ) -> None:
        self._state, self._catalogue, self.forget_in_memory = state, catalogue, forget_in_memory
        self._pictures = PictureStore(settings.pictures_dir)
        self._pictures_dir, self._index_dir = settings.pictures_dir, settings.index_dir
        self._training_dir = settings.var_dir / SCOPE / "training"
        self._replays = settings.replays_dir / STORE_FILE
        self._erasures = ErasureStore(state, SCOPE)
        self._registry = Registry(settings.registry_dir)
        self._retrain_days = settings.erasure_retrain_days

    def belongings(self, connection: Connection, person: Person) -> Belongings:
        """Photos by that photographer, and those whose ids name the person."""
        connection.execute(update(REVISION).values(value=REVISION.c.value))  # who adds photos waits
        query = select(PHOTOS.c.id, PHOTOS.c.picture, PHOTOS.c.photographer)
        owned: list[Any] = list(connection.execute(query.where(PHOTOS.c.photographer == person.id)))
        named = {row["id"] for row in naming(connection, PHOTOS, [person]) if person.named_in(row["id"])}
        owned += _by_id(connection, query, sorted(named - {row.id for row in owned}))
        pictures = [row.picture["digest"] for row in owned if row.picture]
        jpegs = [jpeg for digest in pictures if (jpeg := self._jpeg(digest))]
        pieces = [piece for jpeg in jpegs if (piece := piece_of(jpeg))]
        wholes = [sha256(jpeg).hexdigest() for jpeg in jpegs]
        return Belongings([row.id for row in owned], pictures, pieces, wholes, _decisions(connection, person))

    def remove(self, connection: Connection, person: Person, belongings: Belongings) -> dict[str, int]:
        gone = connection.execute(delete(events).where(events.c.user_id == person.id)).rowcount
        return {events.name: gone, **_without_photos(connection, belongings.things)}

    def remove_files(self, pictures: Sequence[str], *, removed: Mapping[str, int]) -> dict[str, int]:
        """The pictures; and what was made of photos: graphs of the index, and a training that was interrupted."""
        for digest in pictures:
            self._pictures.discard(digest)
        made = [*self._index_dir.glob("*.graph"), *self._training_dir.glob("*.pt")] if removed.get(PHOTOS.name) else []
        for path in made:
            path.unlink(missing_ok=True)
        told = {"picture files": len(pictures), "index and training files": len(made)}
        return {name: count for name, count in told.items() if count}

    def rename_in_texts(self, people: Sequence[Person]) -> dict[str, Counter[str]]:
        """Photos of others that name one of the people in a text."""
        with self._state.connect() as connection:
            rows = list(naming(connection, PHOTOS, people))
        ids = [row["id"] for row in rows]
        for page in _pages(ids):
            self._catalogue.change(page, partial(_without_names, people=people))
        texts = [[(text, name) for name, text in row.items() if isinstance(text, str)] for row in rows]
        counts = {person.hash: sum(any(starmap(person.named_in, row)) for row in texts) for person in people}
        return {person: Counter({PHOTOS.name: count} if count else {}) for person, count in counts.items()}

    def remove_answers(self, people: Sequence[Person]) -> int:
        """Answers kept for replays that name one of the people, or that show what was erased."""
        return forgotten(self._replays, people, self._erased)

    def _erased(self, photo_ids: Sequence[str]) -> set[str]:
        with self._state.connect() as connection:
            return self._erasures.erased_things(connection, photo_ids)

    def retrain(self, belongings: Belongings, *, events: int) -> list[dict[str, str]]:
        """Versions that learnt from these photos, or may have learnt from the clicks; and the last day to do it."""
        by = (datetime.now(UTC) + timedelta(days=self._retrain_days)).date().isoformat()
        return [
            {"component": component, "version": version, "why": why, "by": by}
            for component in LEARNING
            for version in self._versions(component)
            if (why := self._learnt(component, version, belongings, events=events))
        ]

    def _learnt(self, component: str, version: str, belongings: Belongings, *, events: int) -> str:
        path = self._registry.root / component / version / TRAINING_IDS
        try:
            ids = set(json.loads(path.read_bytes()))
        except (OSError, ValueError):
            ids = set()
        taught = ids & set(belongings.things), self._taught(component, version) & set(belongings.decisions)
        counts = dict(zip(("the photos", "their decisions"), map(len, taught), strict=True))
        if used := " and ".join(f"{count} of {what}" for what, count in counts.items() if count):
            return f"trained with {used}"
        return "may have learnt from the clicks" if events else ""

    def _taught(self, component: str, version: str) -> set[str]:
        try:
            training = self._registry.manifest(component, version).training
        except RegistryError:
            return set()
        return set((training.get("labels") or {}).get("functions", ()))

    def _versions(self, component: str) -> list[str]:
        try:
            return self._registry.versions(component)
        except RegistryError:
            return []

    def _jpeg(self, digest: str) -> bytes:
        try:
            return self._pictures.read(digest)
        except OSError:
            return b""


def piece_of(jpeg: bytes) -> bytes:
    """Bytes of a picture that others do not have, as near to its middle as can be; none where it is too even."""
    header = jpeg.find(SCAN_BEGINS) + len(SCAN_BEGINS)
    begins = header + int.from_bytes(jpeg[header : header + 2])
    starts = range(begins, len(jpeg) - PIECE_BYTES, PIECE_BYTES)
    from_the_middle = sorted(starts, key=lambda start: abs(start - len(jpeg) // 2))
    pieces = (jpeg[start : start + PIECE_BYTES] for start in from_the_middle)
    return next((piece for piece in pieces if len(set(piece)) >= MOST_ALIKE), b"")


def erasing_of(
    settings: PhotoSettings,
    state: Engine,
    catalogue: Catalogue,
    forget_in_memory: Callable[[], None] = nothing_in_memory,
) -> Erasing:
    """PhotoStock's erasures; versions in the registry are never changed, only listed."""
    keeper = PhotoKeeper(settings, state, catalogue, forget_in_memory)
    return Erasing(state, keeper, settings.var_dir, untouched=(settings.registry_dir, settings.pictures_dir))


def open_erasing() -> Erasing:
    """Under this environment's settings; whom an older copy of the database brought back is forgotten again."""
    settings = PhotoSettings()
    state = open_state(settings)
    SecondCopy(settings.var_dir, SCOPE).adopt_key(state)
    feedback_store()  # its table
    erasing = erasing_of(settings, state, Catalogue(state))
    erasing.restore(again(erasing.store))
    return erasing


def feedback_store() -> FeedbackStore:
    """The events under this environment's settings."""
    settings = PhotoSettings()
    return FeedbackStore(open_state(settings), keep_days=settings.feedback_days, keep_rows=settings.feedback_rows)


def again(store: ErasureStore) -> Callable[[Connection, Mapping[str, str]], int]:
    """Removes what belongs to hashes of people, for a database that does not know that they were erased."""

    def erase(connection: Connection, until: Mapping[str, str]) -> int:
        gone = 0
        for user_id in connection.execute(select(events.c.user_id).distinct()).scalars().all():
            if (erased_at := until.get(store.person(user_id))) is not None:
                mine = and_(events.c.user_id == user_id, events.c.at <= erased_at)
                gone += connection.execute(delete(events).where(mine)).rowcount
        photos = connection.execute(select(PHOTOS.c.id, PHOTOS.c.photographer)).all()
        back = store.erased_things(connection, [row.id for row in photos])
        back |= {row.id for row in photos if row.photographer and store.person(row.photographer) in until}
        return gone + sum(_without_photos(connection, sorted(back)).values())

    return erase


def _without_photos(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """No tombstones, for they tell ids: every replica compares all its photos with the catalogue after an erasure."""
    gone = {PHOTOS.name: 0, VECTORS.name: 0, TOMBSTONES.name: 0}
    for page in _pages(ids):
        for table, column in ((VECTORS, VECTORS.c.photo_id), (TOMBSTONES, TOMBSTONES.c.id), (PHOTOS, PHOTOS.c.id)):
            gone[table.name] += connection.execute(delete(table).where(column.in_(page))).rowcount
    if ids:
        connection.execute(update(REVISION).values(value=REVISION.c.value + 1))
    return gone


def _decisions(connection: Connection, person: Person) -> list[str]:
    """Ids of overrides and hints of the person, also of those that are over; a copy may not have the tables."""
    there = inspect(connection)
    found = set[str]()
    if there.has_table(overrides.name):
        mine = overrides.c.owner == person.id, overrides.c.scope == SCOPE
        found.update(connection.execute(select(overrides.c.id).where(*mine)).scalars())
    if there.has_table(hints.name):
        found.update(connection.execute(select(hints.c.id).where(hints.c.owner == person.id)).scalars())
    if there.has_table(hint_history.name):
        told = map(json.loads, connection.execute(select(hint_history.c.hint)).scalars())
        found.update(hint["id"] for hint in told if hint["owner"] == person.id)
    return sorted(found)


def _by_id(connection: Connection, query: Select[Any], ids: Sequence[str]) -> Iterator[Any]:
    for page in _pages(ids):
        yield from connection.execute(query.where(PHOTOS.c.id.in_(page)))


def _pages(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), AT_A_TIME):
        yield ids[start : start + AT_A_TIME]


def _without_names(photo: Photo, people: Sequence[Person]) -> Photo:
    def without(text: str) -> str:
        return reduce(lambda left, person: person.without(left), people, text)

    return replace(
        photo,
        title=without(photo.title),
        description=without(photo.description),
        photographer=reduce(lambda left, person: person.without(left, "photographer"), people, photo.photographer),
        licence=without(photo.licence),
        tags=tuple(map(without, photo.tags)),
        queries=tuple(map(without, photo.queries)),
        source_url=without(photo.source_url) if photo.source_url else None,
    )
