"""What is kept of answers stays within its size and its age, and what is shared goes with the last that needs it."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.erasing.person import Person
from common.erasing.replays import forgotten
from common.replay.store import Record, ReplayStore, Shared

NOW = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
MIB = 2**20
DICE = random.Random(7)


def record(request_id: str, at: datetime = NOW, **told: object) -> Record:
    moment = at.isoformat(timespec="milliseconds")
    return Record(request_id, moment, "web", "/v1/searches", b"1" * 16, 3, told)


def store_in(folder: Path, *, most_bytes: int = 2**30) -> ReplayStore:
    return ReplayStore(folder / "replays.sqlite3", most_bytes=most_bytes, most_days=14)


def tape(text: str) -> Shared:
    return Shared.of({"query": text})


def rows_in(store: ReplayStore, table: str) -> int:
    with closing(sqlite3.connect(store.path)) as database:
        count: int = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return count


def test_a_busy_day_costs_the_oldest_answers_and_never_all(tmp_path: Path) -> None:
    store = store_in(tmp_path, most_bytes=MIB)
    for batch in range(60):
        tapes = [tape(DICE.randbytes(400).hex()) for _ in range(50)]
        names = [f"{batch}-{place}" for place in range(50)]
        store.write([record(name, tapes=[one.digest.hex()]) for name, one in zip(names, tapes, strict=True)], tapes)
    store.tidy(NOW)
    left = rows_in(store, "records")
    assert 600 < left < 3_000  # pages that are not full count in whole
    assert left <= rows_in(store, "shared") < left + 50  # those of a batch go together
    assert MIB * 0.8 < store.path.stat().st_size <= MIB
    assert store.find("59-49", now=NOW) is not None
    assert store.find("0-0", now=NOW) is None


def test_a_file_is_as_small_as_what_is_left_in_it(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    long_ago = NOW - timedelta(days=15)
    store.write([record(str(number), long_ago, told=DICE.randbytes(1_000).hex()) for number in range(1_000)], [])
    assert store.path.stat().st_size > MIB
    store.tidy(NOW)
    assert store.path.stat().st_size < MIB / 10


def test_a_tape_goes_in_the_minute_in_which_its_last_answer_goes(tmp_path: Path) -> None:
    store, ours, shown_again = store_in(tmp_path), tape("my illness"), tape("dog")
    made_at = datetime(2026, 11, 8, 0, 5, tzinfo=UTC)
    store.write([record("a", made_at)], [ours, shown_again])
    store.write([record("b", made_at + timedelta(days=1))], [shown_again])
    store.tidy(made_at + timedelta(days=14, minutes=1))
    assert store.shared(shown_again.digest.hex()) == {"query": "dog"}
    with pytest.raises(KeyError):
        store.shared(ours.digest.hex())
    store.tidy(made_at + timedelta(days=15, minutes=1))
    assert rows_in(store, "shared") == 0


def test_the_place_of_a_purged_answer_is_not_given_to_another(tmp_path: Path) -> None:
    store, ours = store_in(tmp_path), tape("my illness")
    store.write([record("first")], [])
    store.write([record("second")], [ours])
    store.purge(lambda one: one.request_id == "second")
    store.write([record("third", NOW + timedelta(days=10))], [])
    store.tidy(NOW + timedelta(days=15))
    assert (rows_in(store, "records"), rows_in(store, "shared")) == (1, 0)


def test_an_answer_that_is_too_old_is_not_found_though_nobody_has_tidied(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.write([record("old", NOW - timedelta(days=15)), record("new", NOW - timedelta(days=13))], [])
    assert store.find("old", now=NOW) is None
    assert store.find("new", now=NOW) is not None


def test_a_file_of_another_format_is_begun_anew(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.path.touch()
    with closing(sqlite3.connect(store.path)) as database, database:
        database.execute("CREATE TABLE shared (digest BLOB PRIMARY KEY, subject TEXT, day TEXT, content BLOB)")
        database.execute("INSERT INTO shared VALUES (x'00', '', '2026-11-22', x'00')")
    store.write([record("a")], [tape("dog")])
    assert (rows_in(store, "records"), rows_in(store, "shared")) == (1, 1)


def test_who_forgets_is_told_that_it_still_stands_beside_the_file_and_who_tidies_does_so_later(tmp_path: Path) -> None:
    store = ReplayStore(tmp_path / "replays.sqlite3", most_bytes=MIB, most_days=14, busy_timeout_s=0.1)
    store.write([record("a", NOW - timedelta(days=15))], [])
    beside = store.path.with_name(store.path.name + "-wal")
    with closing(sqlite3.connect(store.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM records").fetchone()
        store.tidy(NOW)
        assert beside.stat().st_size
        with pytest.raises(sqlite3.OperationalError):
            store.forget(["a"])
        with pytest.raises(sqlite3.OperationalError):
            store.purge(lambda _record: False)
        with pytest.raises(sqlite3.OperationalError):
            store.tidy(NOW)  # for it was promised
        reader.rollback()
        store.tidy(NOW)
        assert not beside.stat().st_size


@pytest.mark.parametrize("who", ["alice", "123456789012", "Zoë", "dog-77"])
def test_a_person_whose_id_is_an_ordinary_word_is_found_where_people_are_named(tmp_path: Path, who: str) -> None:
    store, person = store_in(tmp_path), Person(who, "c" * 64)
    named = Shared.of({"photographer": who})
    others = Shared.of({"photographer": f"{who}s", "title": f"{who}s photo"})
    ours = record("ours", request={"tags": ["red"], "user_id": who})
    store.write([ours, record("theirs", query=f"x{who}x")], [named, others])
    assert forgotten(store.path, [person], lambda _subjects: set()) == 2
    assert store.find("ours", now=NOW) is None
    assert store.find("theirs", now=NOW) is not None
    assert store.shared(others.digest.hex())
    with pytest.raises(KeyError):
        store.shared(named.digest.hex())
