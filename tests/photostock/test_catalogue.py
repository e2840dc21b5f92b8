from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from common.settings import ServiceSettings
from common.state.database import open_state
from photostock.catalogue import Catalogue, InvalidPhoto, Photo, problem_of
from photostock.photo import LONG_AGO
from photostock.tables import TABLES

POSTGRES_URL = os.environ.get(
    "TEST_POSTGRES_URL", ""
)  # of an empty database: with it, all of this runs on PostgreSQL too


@pytest.fixture(params=["sqlite", "postgresql"] if POSTGRES_URL else ["sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = POSTGRES_URL if request.param == "postgresql" else f"sqlite:///{tmp_path / 'state.sqlite3'}"
    engine = create_engine(url)
    TABLES.drop_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def catalogue(engine: Engine) -> Catalogue:
    return Catalogue(engine)


def photo(photo_id: str, title: str = "A dog", **fields: object) -> Photo:
    return dataclasses.replace(Photo(photo_id, title), **fields)  # type: ignore[arg-type]


def test_a_photo_comes_back_as_it_was_added(catalogue: Catalogue) -> None:
    full = Photo(
        id="p-001",
        title="A dog, “Rex”, 犬",
        description="by the sea",
        tags=("dog", "sea"),
        photographer="Ada",
        width=800,
        height=1200,
        color="#aabbcc",
        licence="CC0",
        created_at="2021-05-04T03:02:01Z",
        popularity=12.5,
        safe=False,
        scene={"subject": "dog", "count": 2},
        queries=("hound at the shore",),
    )
    catalogue.add([full, photo("p-002")])
    assert catalogue.get("p-001") == full
    assert catalogue.get("p-002") == Photo("p-002", "A dog")
    assert catalogue.get("p-003") is None


def test_what_was_added_is_there_after_every_connection_is_gone(catalogue: Catalogue, engine: Engine) -> None:
    catalogue.add([photo("a")])
    engine.dispose()
    assert Catalogue(engine).count() == 1


def test_all_photos_are_streamed_in_the_order_of_their_ids(catalogue: Catalogue) -> None:
    ids = [f"p-{i}" for i in range(2500)] + ["A", "a", "Z", "_", "-"]
    catalogue.add([photo(i) for i in ids])
    assert [p.id for p in catalogue.photos()] == sorted(ids)


def test_a_photo_added_again_replaces_the_earlier_one(catalogue: Catalogue) -> None:
    catalogue.add([photo("a", "old")])
    catalogue.add([photo("a", "newer"), photo("a", "newest")])
    assert [p.title for p in catalogue.photos()] == ["newest"]


def test_deleting_says_whether_there_was_something_to_delete(catalogue: Catalogue) -> None:
    catalogue.add([photo("a"), photo("b")])
    assert catalogue.delete("a")
    assert not catalogue.delete("a")
    assert [p.id for p in catalogue.photos()] == ["b"]


@pytest.mark.parametrize(
    "bad",
    [
        photo("../../etc/passwd"),
        photo(".."),
        photo(".hidden"),
        photo("a/b"),
        photo("a b"),
        photo("a\n"),
        photo("é"),
        photo(""),
        photo("x" * 129),
        photo("a", ""),
        photo("a", "  "),
        photo("a", "nul \0"),
        photo("a", "half \ud83d"),
        photo("a", width=0),
        photo("a", height=10**9),
        photo("a", color="red"),
        photo("a", created_at="yesterday"),
        photo("a", popularity=float("nan")),
        photo("a", popularity=-1.0),
    ],
)
def test_one_bad_photo_keeps_the_whole_call_out(catalogue: Catalogue, bad: Photo) -> None:
    with pytest.raises(InvalidPhoto):
        catalogue.add([photo("good"), bad])
    assert catalogue.count() == 0
    assert catalogue.revision() == 0


@pytest.mark.parametrize("good", ["p-001", "000000000139", "1000092795.jpg", "-Abc_9", "x" * 128])
def test_ids_of_published_collections_are_accepted(catalogue: Catalogue, good: str) -> None:
    catalogue.add([photo(good)])
    assert catalogue.get(good) is not None


def test_the_revision_grows_with_every_change_and_only_then(catalogue: Catalogue) -> None:
    seen = [catalogue.revision()]
    catalogue.add([photo("a"), photo("b")])
    seen.append(catalogue.revision())
    catalogue.delete("a")
    seen.append(catalogue.revision())
    assert seen == sorted(set(seen))
    catalogue.add([])
    catalogue.delete("never there")
    assert catalogue.revision() == seen[-1]


def test_changes_since_a_revision_name_what_changed_and_what_went(catalogue: Catalogue) -> None:
    catalogue.add([photo("a"), photo("b"), photo("c")])
    before = catalogue.revision()
    catalogue.add([photo("a"), photo("b", "changed"), photo("d")])
    catalogue.delete("c")
    photos, deleted = catalogue.changes_since(before)
    assert [p.id for p in photos] == ["b", "d"]
    assert deleted == ["c"]
    assert catalogue.changes_since(catalogue.revision()) == ([], [])


def test_a_photo_that_comes_back_after_deletion_is_a_change_and_no_longer_deleted(catalogue: Catalogue) -> None:
    catalogue.add([photo("a")])
    catalogue.delete("a")
    catalogue.add([photo("a")])
    photos, deleted = catalogue.changes_since(0)
    assert [p.id for p in photos] == ["a"]
    assert deleted == []
    catalogue.delete("a")
    assert catalogue.changes_since(0) == ([], ["a"])


def test_vectors_of_one_encoder_version_come_back_by_id(catalogue: Catalogue) -> None:
    catalogue.add([photo("a"), photo("b")])
    catalogue.put_vectors("1.0.0", {"b": b"\1\2\3\4", "a": b"\0\0\0\0"})
    catalogue.put_vectors("1.0.0", {"a": b"\5\6\7\x08"})
    catalogue.put_vectors("2.0.0", {"a": b"zzzz"})
    assert list(catalogue.vectors("1.0.0")) == [("a", b"\5\6\7\x08"), ("b", b"\1\2\3\4")]


def test_vectors_go_with_a_changed_or_deleted_photo_and_stay_with_an_unchanged_one(catalogue: Catalogue) -> None:
    catalogue.add([photo("a"), photo("b"), photo("c")])
    catalogue.put_vectors("1", dict.fromkeys("abc", b"1234"))
    catalogue.add([photo("a"), photo("b", "changed")])
    catalogue.delete("c")
    assert [i for i, _ in catalogue.vectors("1")] == ["a"]


def test_a_vector_of_a_text_that_has_changed_meanwhile_is_not_kept(catalogue: Catalogue) -> None:
    catalogue.add([photo("a"), photo("b")])
    encoded_at = catalogue.revision()
    catalogue.add([photo("b", "changed while the old text was being encoded")])
    catalogue.put_vectors("1", dict.fromkeys(["a", "b", "never there"], b"1234"), as_of=encoded_at)
    assert [i for i, _ in catalogue.vectors("1")] == ["a"]


def test_several_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    settings = ServiceSettings(var_dir=tmp_path, database_url=None)
    engines = [open_state(settings) for _ in range(4)]
    writers = [Catalogue(engine) for engine in engines]
    threads = [
        threading.Thread(target=lambda c=c, n=n: [c.add([photo(f"{n}-{i}")]) for i in range(10)])
        for n, c in enumerate(writers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writers[0].count() == 40
    assert writers[0].revision() == 40
    for engine in engines:
        engine.dispose()


def test_orientation_and_text_are_told_from_the_fields() -> None:
    assert photo("a", width=2, height=1).orientation == "landscape"
    assert photo("a", width=1, height=2).orientation == "portrait"
    assert photo("a", width=1, height=1).orientation == "square"
    assert photo("a", "A dog.", description="It runs", tags=("dog", "run")).text == "A dog. It runs. dog, run"
    assert photo("a", "", description="It runs.").text == "It runs"


def test_the_tables_keep_to_their_own_prefix(catalogue: Catalogue, engine: Engine) -> None:
    assert all(name.startswith("photostock_") for name in TABLES.tables)
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from photostock_photos")).scalar_one() == 0


@pytest.mark.parametrize("created_at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_date_that_has_no_day_in_utc_is_refused(created_at: str) -> None:
    assert "created_at" in (problem_of(Photo(id="p", title="a dog", created_at=created_at)) or "")


def test_a_date_that_an_earlier_version_let_in_does_not_stop_the_catalogue() -> None:
    poisoned = Photo(id="p", title="a dog", created_at="0001-01-01T00:00:00+14:00")

    assert poisoned.created == LONG_AGO


def test_dates_are_compared_as_moments_however_they_are_written() -> None:
    told = [
        "20260101",
        "2026-06-01T00:00:00+00:00",
        "2026-W02-1",
        "2026-11-22T01:00:00+14:00",
        "2026-11-21T23:00:00-10:00",
    ]
    photos = [Photo(id=str(number), title="a dog", created_at=created_at) for number, created_at in enumerate(told)]

    assert [photo.id for photo in sorted(photos, key=lambda photo: photo.created)] == ["0", "2", "1", "3", "4"]
