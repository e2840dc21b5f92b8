"""The catalogue in memory: graphs from files, new encoders beside old ones, and what other processes changed."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sqlalchemy import Engine

from common.settings import ServiceSettings
from common.state.database import open_state
from photostock.catalogue import Catalogue, Photo
from photostock.filter.filter import Conditions
from photostock.index.graph_files import GraphFiles
from photostock.library import Library

DIMENSIONS = 32


class TextEncoder:
    """A vector drawn by lot for each text; it counts how many it made."""

    dimensions = DIMENSIONS

    def __init__(self, version: str = "1.0.0") -> None:
        self.version = version
        self.encoded = 0

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.encoded += len(texts)
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> npt.NDArray[np.float32]:
        seed = int.from_bytes(hashlib.sha256(f"{self.version} {text}".encode()).digest()[:8], "big")
        vector = np.random.default_rng(seed).normal(size=DIMENSIONS).astype(np.float32)
        return vector / np.linalg.norm(vector)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Engine]:
    engine = open_state(ServiceSettings(var_dir=tmp_path / "var", database_url=None))
    yield engine
    engine.dispose()


@pytest.fixture
def files(tmp_path: Path) -> GraphFiles:
    return GraphFiles(tmp_path / "index")


def photos(first: int, last: int, what: str = "photo") -> list[Photo]:
    return [Photo(f"p-{number:04}", f"{what} {number}") for number in range(first, last)]


def opened(state: Engine, files: GraphFiles | None, encoder: TextEncoder) -> Library:
    library = Library(Catalogue(state), files, graph_from=200)
    library.refresh()
    library.use_encoder(encoder)
    return library


def found(library: Library, text: str, *, limit: int = 1) -> list[str]:
    """The titles that a search for exactly this text finds."""
    semantic = library.semantic
    assert semantic is not None
    vector = semantic.encoder.encode([text])[0]
    rows, _ = semantic.vectors.search(vector, allowed=library.allowed(Conditions()), limit=limit)
    return [library.photo(row).title for row in rows.tolist()]


def test_a_graph_from_a_file_needs_no_vectors_and_finds_what_it_found(state: Engine, files: GraphFiles) -> None:
    library = opened(state, files, TextEncoder())
    library.add(photos(0, 300))
    library.tidy()
    library.add([Photo("p-0001", "changed since"), Photo("new", "added since")])
    library.delete("p-0002")

    again = opened(state, files, encoder := TextEncoder())
    assert encoder.encoded == 0  # every vector was in the database
    assert again.vectors.graph is not None
    assert len(again.vectors) == len(again) == 300
    for text in ("photo 3", "photo 299", "changed since", "added since"):
        assert found(again, text) == [text]
    assert "photo 2" not in found(again, "photo 2", limit=300)
    assert "photo 1" not in found(again, "photo 1", limit=300)


@pytest.mark.parametrize("damage", ["truncated", "a bit", "no header", "empty"])
def test_a_damaged_file_is_not_used(state: Engine, files: GraphFiles, tmp_path: Path, damage: str) -> None:
    library = opened(state, files, TextEncoder())
    library.add(photos(0, 250))
    library.tidy()
    [file] = (tmp_path / "index").glob("*.graph")
    whole = file.read_bytes()
    flipped = whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:]
    damaged = {"truncated": whole[: len(whole) // 2], "a bit": flipped, "no header": whole[300:], "empty": b""}[damage]
    file.write_bytes(damaged)
    again = opened(state, files, TextEncoder())
    assert again.vectors.graph is None
    assert found(again, "photo 7") == ["photo 7"]
    again.tidy()
    assert opened(state, files, TextEncoder()).vectors.graph is not None


def test_a_file_of_another_encoder_with_the_same_version_is_not_used(state: Engine, files: GraphFiles) -> None:
    class Other(TextEncoder):
        def _vector(self, text: str) -> npt.NDArray[np.float32]:
            return -super()._vector(text)

    library = opened(state, files, Other())
    library.add(photos(0, 250))
    library.tidy()
    with state.begin() as connection:
        connection.exec_driver_sql("delete from photostock_vectors")
    Catalogue(state).put_vectors(
        "1.0.0", {photo.id: TextEncoder().encode([photo.text])[0].tobytes() for photo in photos(0, 250)}
    )
    again = opened(state, files, TextEncoder())
    assert again.vectors.graph is None
    assert found(again, "photo 7") == ["photo 7"]


def test_a_disk_that_takes_no_file_costs_nothing_else(state: Engine, tmp_path: Path) -> None:
    (tmp_path / "index").write_text("a file where the folder should be")
    library = opened(state, GraphFiles(tmp_path / "index"), TextEncoder())
    library.add(photos(0, 250))
    library.tidy()
    assert library.vectors.graph is not None
    assert found(library, "photo 7") == ["photo 7"]


def test_while_a_new_encoder_takes_over_the_old_one_serves_and_changes_are_in_both(state: Engine) -> None:
    library = opened(state, None, TextEncoder())
    library.add(photos(0, 150))
    may_go_on, begun = threading.Event(), threading.Event()

    class Slow(TextEncoder):
        def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
            begun.set()
            assert may_go_on.wait(10)
            return super().encode(texts)

    taking_over = threading.Thread(target=library.use_encoder, args=(Slow("2.0.0"),))
    taking_over.start()
    assert begun.wait(10)
    before = library.semantic
    library.add([Photo("new", "added meanwhile"), Photo("p-0001", "changed meanwhile")])
    library.delete("p-0002")
    assert library.preparing is not None
    assert "2.0.0" in library.preparing
    assert found(library, "added meanwhile") == ["added meanwhile"]
    assert before is library.semantic
    may_go_on.set()
    taking_over.join(10)
    assert library.preparing is None
    assert library.semantic is not None
    assert library.semantic.encoder.version == "2.0.0"
    assert len(library.semantic.vectors) == len(library) == 150
    for text in ("photo 0", "added meanwhile", "changed meanwhile"):
        assert found(library, text) == [text]
    assert before is not None
    assert before.vectors.dimensions == DIMENSIONS  # who began before goes on with what it has


def test_an_encoder_that_fails_leaves_the_old_one_in_force(state: Engine) -> None:
    class Broken(TextEncoder):
        def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
            raise RuntimeError("out of memory")

    library = opened(state, None, TextEncoder())
    library.add(photos(0, 50))
    with pytest.raises(RuntimeError):
        library.use_encoder(Broken("2.0.0"))
    assert library.preparing is None
    assert found(library, "photo 7") == ["photo 7"]


def test_what_another_process_added_and_deleted_is_taken_over_without_encoding_it_again(state: Engine) -> None:
    ours, theirs = opened(state, None, encoder := TextEncoder()), opened(state, None, TextEncoder())
    theirs.add(photos(0, 20))
    theirs.delete("p-0003")
    ours.refresh()
    assert encoder.encoded == 0
    assert len(ours) == 19
    assert found(ours, "photo 7") == ["photo 7"]
    assert "photo 3" not in found(ours, "photo 3", limit=20)


def test_the_same_photo_twice_in_a_call_is_the_last_one(state: Engine) -> None:
    library = opened(state, None, TextEncoder())
    library.add([Photo("a", "first"), Photo("a", "second")])
    assert len(library) == len(library.vectors) == 1
    assert found(library, "second") == ["second"]
