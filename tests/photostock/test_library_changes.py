"""Photos that change while they are searched, in one process or in several: never gone, never twice, never forever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sqlalchemy import Engine

from photostock.catalogue import Catalogue, Photo
from photostock.filter.filter import Conditions
from photostock.library import Library
from photostock.own_pictures.keeping import OwnPictures
from photostock.own_pictures.reading import OwnPicture
from photostock.own_pictures.store import PictureStore
from tests.photostock.test_library import TextEncoder, found, opened, photos
from tests.photostock.test_library import state as state

PICTURE = OwnPicture(b"jpeg", 300, 200, ("#1848c0",))


class SlowEncoder(TextEncoder):
    """Waits in the middle of encoding until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.may_go_on = threading.Event(), threading.Event()

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.begun.set()
        assert self.may_go_on.wait(20)
        return super().encode(texts)


def all_the_time(work: Callable[[], None], changes: Callable[[], None]) -> None:
    """`work` again and again on two threads, while the changes are made."""
    done = threading.Event()

    def repeat() -> None:
        while not done.is_set():
            work()

    with ThreadPoolExecutor(2) as pool:
        repeating = [pool.submit(repeat) for _ in range(2)]
        try:
            changes()
        finally:
            done.set()
        for future in repeating:
            future.result()


def shown(library: Library) -> list[str]:
    return [library.photo(row).id for row in np.flatnonzero(library.allowed(Conditions())).tolist()]


def test_a_photo_that_is_changed_is_there_all_the_time_and_never_twice(state: Engine) -> None:
    library = Library(Catalogue(state))
    library.add(photos(0, 5))

    def look() -> None:
        assert library.find("p-0003") is not None
        assert sorted(shown(library)) == [f"p-{number:04}" for number in range(5)]

    def change() -> None:
        for number in range(25):
            library.add(photos(0, 5, f"changed {number}"))
            library.tidy()

    all_the_time(look, change)


def test_a_search_that_began_before_a_change_finds_the_photo_as_it_was(state: Engine) -> None:
    library = opened(state, None, TextEncoder())
    library.add(photos(0, 5))
    allowed = library.allowed(Conditions())
    library.add(photos(0, 5, "changed"))
    library.tidy()
    rows, _ = library.lexical.search("photo", allowed=allowed, limit=10)
    assert sorted(library.photo(row).title for row in rows.tolist()) == [f"photo {number}" for number in range(5)]
    rows, _ = library.vectors.search(TextEncoder().encode(["photo 3"])[0], allowed=allowed, limit=1)
    assert library.photo(int(rows[0])).title == "photo 3"


def test_photos_that_change_again_and_again_take_no_more_memory(state: Engine) -> None:
    library = Library(Catalogue(state), graph_from=200, kept_for_s=0)
    library.refresh()
    library.use_encoder(TextEncoder())
    for number in range(30):
        library.add(photos(0, 20, f"changed {number}"))
    library.delete("p-0007")
    library.tidy()
    assert len(library) == len(library.lexical) == len(library.vectors) == 19
    assert len({id(photo) for photo in library._photos}) == 20  # with the one that stands for all that are gone
    assert found(library, "changed 29 7") != ["changed 29 7"]
    assert found(library, "changed 29 8") == ["changed 29 8"]


def test_photos_of_another_process_are_encoded_while_this_one_adds_and_deletes(state: Engine) -> None:
    encoder = SlowEncoder()
    library = opened(state, None, encoder)
    encoder.may_go_on.set()
    library.add(photos(0, 2))
    encoder.may_go_on.clear()
    encoder.begun.clear()
    catalogue = Catalogue(state)
    catalogue.add(photos(2, 20))  # by an import, without vectors
    catalogue.delete("p-0000")
    following = threading.Thread(target=library.refresh)
    following.start()
    assert encoder.begun.wait(20)
    assert library.find("p-0000") is None  # what is erased does not wait for what is encoded
    assert library.delete("p-0001") is not None
    assert library.delete("p-0003") is not None
    encoder.may_go_on.set()
    following.join(20)
    library.refresh()
    assert sorted(shown(library)) == [f"p-{number:04}" for number in (2, *range(4, 20))]
    assert found(library, "photo 7") == ["photo 7"]


@pytest.fixture
def replicas(state: Engine, tmp_path: Path) -> tuple[OwnPictures, Library, Library]:
    """Two processes over one catalogue, and the pictures of the second; they look at it only when they `refresh`."""
    ours, theirs = opened(state, None, TextEncoder()), opened(state, None, TextEncoder())
    ours.add([Photo("cat", "A cat")])
    theirs.refresh()
    return OwnPictures(theirs, PictureStore(tmp_path / "pictures")), ours, theirs


def test_a_picture_that_another_process_has_acknowledged_survives_a_change_of_its_photo(
    state: Engine, replicas: tuple[OwnPictures, Library, Library]
) -> None:
    pictures, ours, theirs = replicas
    with_picture = pictures.put("cat", PICTURE)
    assert with_picture is not None
    ours.add([Photo("cat", "Another title")])
    wanted = replace(with_picture, title="Another title")
    assert Catalogue(state).get("cat") == ours.find("cat") == wanted
    theirs.refresh()
    assert theirs.find("cat") == wanted
    ours.add([Photo("cat", "Another title")])
    assert found(ours, "Another title") == found(theirs, "Another title") == ["Another title"]


def test_a_picture_does_not_bring_back_a_title_that_another_process_has_changed(
    state: Engine, replicas: tuple[OwnPictures, Library, Library]
) -> None:
    pictures, ours, _ = replicas
    ours.add([Photo("cat", "Another title")])
    pictures.put("cat", PICTURE)
    assert (kept := Catalogue(state).get("cat")) is not None
    assert kept.title == "Another title"


def test_the_file_of_a_picture_goes_with_its_photo_whoever_gave_it_and_safe_or_not(
    replicas: tuple[OwnPictures, Library, Library], tmp_path: Path
) -> None:
    pictures, ours, _ = replicas
    elsewhere = OwnPictures(ours, PictureStore(tmp_path / "pictures"))
    pictures.put("cat", PICTURE)
    ours.add([Photo("cat", "A cat", safe=False)])
    assert len(list(tmp_path.rglob("*.jpg"))) == 1
    assert elsewhere.delete("cat")
    assert list(tmp_path.rglob("*.jpg")) == []


def test_a_photo_that_was_unsafe_for_a_while_has_its_picture_again(
    replicas: tuple[OwnPictures, Library, Library],
) -> None:
    pictures, _, theirs = replicas
    pictures.put("cat", PICTURE)
    theirs.add([Photo("cat", "A cat", safe=False)])
    assert theirs.find("cat") is None
    assert pictures.put("cat", PICTURE) is None
    theirs.add([Photo("cat", "A cat")])
    assert (again := theirs.find("cat")) is not None
    assert (again.width, again.palette) == (300, ("#1848c0",))


class Interrupted(TextEncoder):
    """Something else happens while it encodes, when it has done so many."""

    def __init__(self, version: str, meanwhile: Callable[[], None], *, encoded: int = 0) -> None:
        super().__init__(version)
        self._meanwhile, self._from = [meanwhile], encoded

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        if self._meanwhile and self.encoded >= self._from:
            self._meanwhile.pop()()
        return super().encode(texts)


def vectors_fit(state: Engine, library: Library) -> bool:
    """Each photo is found by its text, and every vector that is kept is one of the text beside it."""
    catalogue = Catalogue(state)
    texts = {photo.id: photo.text for photo in catalogue.photos()}
    return (
        sorted(shown(library)) == sorted(texts)
        and all(found(library, text) == [text] for text in texts.values())
        and all(
            vector == TextEncoder(version).encode([texts[photo_id]])[0].tobytes()
            for version in ("1.0.0", "2.0.0")
            for photo_id, vector in catalogue.vectors(version)
        )
    )


def test_what_another_process_does_while_an_encoder_takes_over_is_followed_and_no_old_text_gets_a_vector(
    state: Engine,
) -> None:
    ours, theirs = opened(state, None, TextEncoder()), opened(state, None, TextEncoder())
    theirs.add(photos(0, 60))
    ours.refresh()

    def meanwhile() -> None:
        theirs.add([*photos(0, 40, "changed"), *photos(60, 100)])
        theirs.delete("p-0050")
        ours.refresh()
        assert ours.find("p-0050") is None
        assert found(ours, "photo 99") == ["photo 99"]

    ours.use_encoder(Interrupted("2.0.0", meanwhile))
    assert len(ours.vectors) == 99
    assert vectors_fit(state, ours)


def test_photos_that_are_being_followed_when_an_encoder_takes_over_are_encoded_by_it_once(
    state: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photostock.library.BATCH", 20)
    new = TextEncoder("2.0.0")
    taking_over = threading.Thread(target=lambda: ours.use_encoder(new))

    def meanwhile() -> None:
        taking_over.start()
        taking_over.join(0.3)

    ours = opened(state, None, Interrupted("1.0.0", meanwhile, encoded=30))
    Catalogue(state).add(photos(0, 40))
    ours.refresh()
    taking_over.join(20)
    assert ours.encoder is new
    assert new.encoded == len(dict(Catalogue(state).vectors("2.0.0"))) == 40
    assert vectors_fit(state, ours)
