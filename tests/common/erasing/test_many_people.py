"""Many people at once: one reading of each table and file finds them all, and a busy database is asked again."""

from __future__ import annotations

import errno
import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import IntegrityError, OperationalError

from common.deadline import Deadline
from common.erasing import background
from common.erasing.background import Finishing
from common.erasing.person import Person
from common.erasing.pieces import PieceFinder
from common.erasing.scan import Wanted, scan_files
from common.erasing.texts import pseudonymised
from common.service.problems import Problem
from common.state.writes import Writes

PEOPLE = [Person(f"person-{number}", f"{number:064}") for number in range(350)]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'texts.sqlite3'}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes (id INTEGER PRIMARY KEY, owner VARCHAR, note JSON)"))
        rows = [{"id": n, "owner": one.id, "note": f'["with person-{n + 1}"]'} for n, one in enumerate(PEOPLE)]
        rows.append({"id": 1_000, "owner": "person-1x", "note": None})
        connection.execute(text("INSERT INTO notes VALUES (:id, :owner, :note)"), rows)
    yield engine
    engine.dispose()


def test_every_one_of_hundreds_of_people_is_renamed_and_counted_and_nobody_else(engine: Engine) -> None:
    changed = pseudonymised(engine, PEOPLE)
    assert changed[PEOPLE[0].hash] == {"notes": 1}
    assert {changed[one.hash]["notes"] for one in PEOPLE[1:]} == {2}
    with engine.connect() as connection:
        left = connection.execute(text("SELECT id FROM notes WHERE owner LIKE 'person-%'")).scalars().all()
        last = connection.execute(text("SELECT note FROM notes WHERE id = 349")).scalar_one()
    assert (list(left), last) == ([1_000], '["with person-350"]')


def test_every_piece_is_found_wherever_it_stands() -> None:
    dice = random.Random(7)
    pieces = [dice.randbytes(64) for _ in range(1_000)]
    finder, others = PieceFinder([*pieces, b"", b"abc"]), dice.randbytes(100_000)
    assert not finder.is_in(others)
    assert all(finder.is_in(others[:at] + pieces[at] + others[at:5_000]) for at in range(0, 1_000, 37))
    assert finder.is_in(pieces[0])
    assert not PieceFinder([]).is_in(others)


def test_a_piece_that_lies_across_two_readings_of_a_file_is_found(tmp_path: Path) -> None:
    piece = random.Random(7).randbytes(64)
    (tmp_path / "file").write_bytes(b"\0" * (4 * 2**20 - 30) + piece + b"\0" * 100)
    assert scan_files(tmp_path, Wanted([], [piece])).places == ["file file"]


class BusyErasing:
    """`finish` fails with these, one after the other."""

    def __init__(self, *failures: Exception) -> None:
        self.failures, self.finished = list(failures), list[str]()

    def finish(self, user_ids: list[str]) -> None:
        if self.failures:
            raise self.failures.pop()
        self.finished += user_ids


async def test_people_are_finished_although_database_and_disk_were_unable_for_a_while() -> None:
    locked, full = "database is locked", OSError(errno.ENOSPC, "no space left")
    erasing = BusyErasing(OperationalError("", {}, Exception(locked)), sqlite3.OperationalError(locked), full)
    finishing = Finishing(cast(Any, erasing), cast(Any, None), cast(Any, None))
    finishing._waiting = {"a": None, "b": None}
    await finishing._work()
    assert erasing.finished == ["a", "b"]


class PoisonedErasing:
    """One person whom nothing helps; and somebody is wished for while the first are worked on."""

    def __init__(self, failure: Exception) -> None:
        self.failure, self.finished, self.tried = failure, list[str](), list[list[str]]()
        self.meanwhile: Callable[[], object] = lambda: None

    def finish(self, user_ids: list[str]) -> None:
        self.tried.append(user_ids)
        self.meanwhile()
        if "poison" in user_ids:
            raise self.failure
        self.finished += user_ids


@pytest.mark.parametrize("failure", [ValueError("a bug"), IntegrityError("", {}, Exception("twice"))])
async def test_one_person_whom_nothing_helps_stops_neither_the_others_nor_who_waits(failure: Exception) -> None:
    erasing = PoisonedErasing(failure)
    finishing = Finishing(cast(Any, erasing), cast(Any, None), cast(Any, None))
    finishing._waiting = {"a": None, "poison": None, "b": None}

    def wished_meanwhile() -> None:
        if len(erasing.tried) == 1:
            finishing._waiting["late"] = None

    erasing.meanwhile = wished_meanwhile
    await finishing._work()
    assert erasing.finished == ["a", "b", "late"]
    assert erasing.tried == [["a", "poison", "b"], ["a"], ["poison"], ["b"], ["late"]]


async def test_who_waits_behind_a_database_that_stays_busy_is_tried_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "TRY_EVERY_S", 0.0)
    erasing = PoisonedErasing(sqlite3.OperationalError("database is locked"))
    finishing = Finishing(cast(Any, erasing), cast(Any, None), cast(Any, None))
    finishing._waiting = {"poison": None}
    erasing.meanwhile = lambda: finishing._waiting.update({"late": None} if len(erasing.tried) == 1 else {})
    await finishing._work()
    assert (erasing.finished, len(erasing.tried)) == (["late"], background.TRIES + 1)


async def test_a_disk_that_is_full_is_told_as_a_problem_that_passes() -> None:
    class Full:
        def begin(self, _user_id: str, **_more: str) -> None:
            raise OSError(errno.ENOSPC, "no space left")

    writes = Writes(queue=1)
    finishing = Finishing(cast(Any, Full()), writes, cast(Any, None))
    try:
        with pytest.raises(Problem) as told:
            await finishing.erase("u-17", owner="Eve", reason="wished", deadline=Deadline.after_ms(5_000))
    finally:
        writes.close()
    assert (told.value.status, told.value.headers) == (503, {"Retry-After": "1"})


def test_an_ordinary_word_is_a_person_where_a_json_column_has_it_in_a_field_of_people(engine: Engine) -> None:
    tags = {
        1: '{"tags": ["alice"], "owner": "alice"}',
        2: '{"alice": "said \\"alice\\""}',
        3: '{"owner": "malice"}',
        4: '{"user_id": "Zo\\u00eb"}',
    }
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM notes"))
        connection.execute(
            text("INSERT INTO notes VALUES (:id, 'bob', :note)"), [{"id": n, "note": tags[n]} for n in tags]
        )
    alice, zoe = Person("alice", "a" * 64), Person("Zoë", "b" * 64)
    changed = pseudonymised(engine, [alice, zoe])
    assert (changed[alice.hash], changed[zoe.hash]) == ({"notes": 1}, {"notes": 1})
    with engine.connect() as connection:
        left = {row.id: row.note for row in connection.execute(text("SELECT id, note FROM notes"))}
    renamed = {
        1: f'{{"tags": ["alice"], "owner": "{alice.pseudonym}"}}',
        4: f'{{"user_id": "{zoe.pseudonym}"}}',
    }
    assert left == tags | renamed
