"""A wish that comes again, comes in between, or was cut off by a crash: nothing is lost, and nobody gets stuck."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Engine, create_engine, text
from structlog.testing import capture_logs

from common.command_line import Failed
from common.erasing import commands
from common.erasing.background import Finishing
from common.erasing.journal import Certificate, Journal
from common.erasing.person import Person
from common.erasing.second_copy import SecondCopy
from common.erasing.texts import pseudonymised
from common.lifecycle.usage_store import UsageStore, Use
from common.state.erasures import ErasureStore

PERSON = Person("person_4711", "a" * 64)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'state.sqlite3'}")
    yield engine
    engine.dispose()


def test_a_caller_who_is_erased_twice_on_a_day_has_one_row_with_all_calls(engine: Engine) -> None:
    usage = UsageStore(engine, "photostock")
    for calls in (3, 4):
        usage.add({Use(PERSON.id, "GET /v1/search", "v1"): calls}, now=NOON)
        pseudonymised(engine, [PERSON])
    assert [(one.caller, one.calls) for one in usage.used(days=1, now=NOON)] == [(PERSON.pseudonym, 7)]


def test_a_row_that_comes_again_under_a_key_that_names_the_person_goes_into_the_renamed_one(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE seen (who VARCHAR, note VARCHAR, PRIMARY KEY (who, note))"))
    for _ in range(2):
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO seen VALUES ('bob', 'photos of person_4711')"))
        assert pseudonymised(engine, [PERSON])[PERSON.hash] == {"seen": 1}
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM seen")).all()
    assert list(rows) == [("bob", f"photos of {PERSON.pseudonym}")]


def certificate(begun_at: str, **more: Any) -> Certificate:
    return Certificate("p", begun_at, "Eve", "wished", **more)


def test_a_wish_that_comes_while_the_first_is_worked_on_stays_under_way_with_its_pictures(engine: Engine) -> None:
    journal = Journal(engine, "photostock")
    with engine.begin() as connection:
        journal.begin(connection, certificate("1"), ["pic1"])
    first = journal.find("p")
    assert first is not None
    with engine.begin() as connection:
        journal.begin(connection, certificate("2"), ["pic2"])
    first.finished_at, first.proof = "3", {"clean": True}
    assert not journal.finish(first)
    assert journal.left("p") == ["pic2", "pic1"]
    assert [one.state for one in journal.all(pending=True)] == ["under_way"]


def test_an_erasure_is_noticed_by_replicas_whatever_the_clock_of_the_machine_says(engine: Engine) -> None:
    store = ErasureStore(engine, "photostock")
    seen = set()
    for user_id, at in (("x", NOON), ("y", NOON), ("y", NOON - timedelta(seconds=2))):
        with engine.begin() as connection:
            line = store.note(connection, user_id, rows=0, owner="Eve", reason="wished", now=at)
        seen.add(store.changes())
    assert len(seen) == 3
    assert line.erased_at > NOON.isoformat(timespec="milliseconds")  # what they did until now is dropped further on


def test_a_key_that_a_crash_cut_off_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "erased-x.jsonl").write_text('{"key": "ab')
    copy = SecondCopy(tmp_path, "x")
    copy.append("k" * 64, "p" * 64, "2026", [])
    assert copy.key() == "k" * 64
    assert [one.person for one in copy.lines("k" * 64)] == ["p" * 64]


def test_people_whose_hashes_have_another_key_are_of_another_database(tmp_path: Path) -> None:
    (tmp_path / "erased-x.jsonl").write_text('{"key": "a"}\n{"person": "old", "erased_at": "2026", "things": []}\n')
    copies = SecondCopy(tmp_path, "x"), SecondCopy(tmp_path, "x")
    for key, person in (("b", "p"), ("a", "q"), ("b", "r")):
        copies[key == "a"].append(key, person, "2026", [])
    assert [one.person for one in copies[0].lines("a")] == ["old", "q"]
    with capture_logs() as logged:
        assert [one.person for one in copies[0].lines("b")] == ["p", "r"]
    assert logged == [{"event": "erasure.of_other_databases", "log_level": "warning", "lines": 2}]


def test_an_erasure_reads_nothing_of_the_second_copy_however_long_it_is(tmp_path: Path) -> None:
    class Unread(SecondCopy):
        def _objects(self) -> Iterator[dict[str, Any]]:
            raise AssertionError("it is read")

    Unread(tmp_path, "x").append("k", "p", "2026", [])


class Told:
    """Erases nobody, and tells whom it would have."""

    def __init__(self) -> None:
        self.begun = list[str]()

    def begin(self, user_id: str, **_more: str) -> None:
        self.begun.append(user_id)


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("".join(f"u-{n}\n" for n in range(commands.MOST_PEOPLE + 1)), "at most 1,000"),
        ("u-0\n" + "".join(f"u-{n}\n" for n in range(commands.MOST_PEOPLE + 1)), "at most 1,000"),
        ("".join(f"u-{n}\n" for n in range(8)), "must not name"),
    ],
)
def test_a_list_that_can_not_be_erased_whole_erases_nobody(
    typed: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    erasing = Told()
    with pytest.raises(Failed, match=why):
        commands.erase_typed(cast(Any, erasing), Namespace(owner="Eve", reason="u-7 wrote", certificate=False))
    assert erasing.begun == []


SPELT = [
    "Zoë O&#39;Hara-77",
    "Zoë O&#x27;Hara-77",
    "q=Zo%C3%AB+O%27Hara-77&x",
    "Zo%c3%ab%20O%27Hara-77",
    '"Zo\\u00EB O\'Hara-77"',
    "Zo\\u00eb O\\u0027Hara-77",
    "Zoe\u0308 O'Hara-77",
]


@pytest.mark.parametrize("spelt", SPELT)
def test_a_name_is_found_and_replaced_as_pages_addresses_and_json_spell_it(spelt: str) -> None:
    zoe = Person("Zoë O'Hara-77", "b" * 64)
    assert zoe.named_in(f"<td>{spelt}</td>")
    assert not zoe.named_in(zoe.without(f"<td>{spelt}</td>"))


class SlowErasing:
    """`finish` takes until it is told to end."""

    def __init__(self) -> None:
        self.begun, self.end = threading.Event(), threading.Event()

    def finish(self, _user_ids: list[str]) -> None:
        self.begun.set()
        self.end.wait(20)


def test_a_service_leaves_although_a_long_search_is_not_done() -> None:
    erasing = SlowErasing()

    async def serve() -> None:
        finishing = Finishing(cast(Any, erasing), cast(Any, None), cast(Any, None), leaves_within_s=0.1)
        finishing.add("u-17")
        await asyncio.to_thread(erasing.begun.wait, 5)
        await finishing.aclose()

    started_s = time.monotonic()
    asyncio.run(serve())
    assert time.monotonic() - started_s < 5
    erasing.end.set()


def test_a_hundred_names_with_accents_are_one_wish_too(engine: Engine) -> None:
    people = [Person(f"Zoë & José O'Hara-{number}", f"{number:064}") for number in range(100)]
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes (id INTEGER PRIMARY KEY, note VARCHAR)"))
        connection.execute(text("INSERT INTO notes VALUES (1, :note)"), {"note": f"with {people[99].id}"})
    assert pseudonymised(engine, people)[people[99].hash] == {"notes": 1}
