"""Somebody's id is a word that others use, too: it counts only where people stand, and nobody else loses anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars
import pytest
from sqlalchemy import Engine, create_engine, text

from common.erasing.files import cleaned
from common.erasing.person import OF_PEOPLE, Person
from common.erasing.scan import FIELD_BYTES, Wanted, scan_files
from common.erasing.texts import pseudonymised

PEOPLE = [Person(word, f"{number:064}") for number, word in enumerate(("1042", "ban", "info", "name", "Zoë"))]
BAN = '{"effect": "ban", "photo_id": "1042"}'


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'state.sqlite3'}")
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE decided (id VARCHAR PRIMARY KEY, kind VARCHAR, owner VARCHAR, value JSON)")
        )
    yield engine
    engine.dispose()


def written(engine: Engine, *rows: tuple[str, str, str, str]) -> None:
    with engine.begin() as connection:
        for row in rows:
            named = dict(zip("ikov", row, strict=True))
            connection.execute(text("INSERT INTO decided VALUES (:i, :k, :o, :v)"), named)


def read(engine: Engine) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT * FROM decided ORDER BY id"))]


def test_a_ban_on_a_photo_survives_the_erasure_of_a_user_with_the_same_number(engine: Engine) -> None:
    rows = [("1042", "ban", "bob", BAN), ("b", "name", "alice", '["1042", "ban"]')]
    written(engine, *rows)
    assert not any(pseudonymised(engine, PEOPLE).values())
    assert read(engine) == rows


@pytest.mark.parametrize("value", ['{{"user_id": "{}"}}', '{{"a": [{{"who" : "{}", "effect": "ban"}}]}}'])
def test_what_fields_of_people_hold_goes(engine: Engine, value: str) -> None:
    written(engine, ("a", "name", "1042", value.format("1042")), ("b", "ban", "bob", value.format("Zo\\u00eb")))
    changed = pseudonymised(engine, PEOPLE)
    assert [sum(changed[person.hash].values()) for person in PEOPLE] == [1, 0, 0, 0, 1]
    [number, *_, zoe] = (person.pseudonym for person in PEOPLE)
    assert read(engine) == [
        ("a", "name", number, value.format(number)),
        ("b", "ban", "bob", value.format(zoe)),
    ]


@pytest.mark.parametrize(
    "odd",
    [
        "2026-11-22T19",
        "22T19",
        "2026-11-22T19:31:00.5+00:00",
        "000Z",
        "1e-05",
        "12e4",
        '": "bob',
        '"bob"',
        "null}",
        ', "',
    ],
)
def test_an_id_like_a_time_a_number_or_json_itself_damages_no_time_and_no_json(engine: Engine, odd: str) -> None:
    value = '{"at": "2026-11-22T19:31:00.000Z", "owner": "bob", "n": [1e-05, 12e4], "of": {"x": null}}'
    rows = [("a", "2026-11-22T19:31:00.000Z", "alice", value), ("b", "ban", odd, "[]")]
    written(engine, *rows)
    person = Person(odd, "a" * 64)
    pseudonymised(engine, [person])
    assert read(engine) == [rows[0], ("b", "ban", person.pseudonym, "[]")]


@pytest.mark.parametrize(
    "plain", ["T-1000", "e-17", "12e4-x", "Ann, of 7", "Ann [Studio 7]", "ann@x.org", "a1b2c3d4", "u-17"]
)
def test_other_ids_are_looked_for_in_all_texts(plain: str) -> None:
    assert Person(plain, "a" * 64).named_in(f"so said {plain}.")


def test_lines_of_files_go_for_what_they_say_of_people_and_the_proof_sees_it_alike(tmp_path: Path) -> None:
    stays = [{"level": "info", "event": "ban"}, {"photo_id": "1042", "user_id": "bob"}, {"said": '{"user": "info"}'}]
    goes = [{"user_id": "1042"}, {"level": "x", "operator": "info"}, {"owner": "Zoë"}]
    (tmp_path / "service.log").write_text("".join(json.dumps(line) + "\n" for line in stays + goes))
    polars.DataFrame({"sku": ["1042", "a", "b"], "user_id": ["a", "b", "1042"]}).write_parquet(
        tmp_path / "sold.parquet"
    )
    wanted = Wanted(PEOPLE)
    assert len(scan_files(tmp_path, wanted).places) == 2
    assert cleaned(tmp_path, wanted, lambda *_: None, except_in=[]) == 2
    assert [json.loads(line) for line in (tmp_path / "service.log").read_text().splitlines()] == stays
    assert polars.read_parquet(tmp_path / "sold.parquet")["sku"].to_list() == ["1042", "a"]
    assert scan_files(tmp_path, wanted).clean


def test_a_field_before_its_value_is_short_enough_for_two_readings_of_a_file(tmp_path: Path) -> None:
    assert max(map(len, OF_PEOPLE)) + len('"":') + 2 * 8 <= FIELD_BYTES
    (tmp_path / "file").write_bytes(b" " * (4 * 2**20 - 14) + b'"photographer": "1042"')
    assert scan_files(tmp_path, Wanted(PEOPLE[:1])).places == ["file file"]
