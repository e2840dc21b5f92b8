"""The experiment about forgetting people: what it would notice, and a short run of the real thing."""

from __future__ import annotations

import gzip
import sqlite3
import zlib
from pathlib import Path

import pytest

from loadtests.__main__ import main
from loadtests.experiments.remains import everybody_else, remains

PICTURE = b"bytes of a picture, which nobody else has at all"


def database(path: Path, *values: str | bytes) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE photostock_events (value)")
        connection.execute("CREATE TABLE photostock_photos (value)")
        connection.executemany("INSERT INTO photostock_events VALUES (?)", [(value,) for value in values])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"so said person-1.x, once"),
        ("a.gz", gzip.compress(b"person-1.x", mtime=0)),
        ("a.jpg", b"\xff\xd8" + PICTURE),
        ("person-1.x.csv", b""),
    ],
)
def test_whatever_is_left_in_a_file_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert len(remains(tmp_path, ["person-1.x"], [PICTURE])) == 1


@pytest.mark.parametrize("value", ["person-1.x", zlib.compress(b'{"caller": "person-1.x"}')])
def test_whatever_is_left_in_a_table_is_told_also_if_it_is_packed(tmp_path: Path, value: str | bytes) -> None:
    database(tmp_path / "a.sqlite3", value)
    assert len(remains(tmp_path, ["person-1.x"], [])) == 1


def test_a_longer_name_of_somebody_else_is_not_told(tmp_path: Path) -> None:
    database(tmp_path / "a.sqlite3", "person-1.x0")
    assert remains(tmp_path, ["person-1.x"], [PICTURE]) == []


def test_a_changed_value_of_somebody_else_is_noticed_and_another_order_is_not(tmp_path: Path) -> None:
    for name, values in {"a": ["b", "c"], "same": ["c", "b"], "other": ["b", "d"]}.items():
        database(tmp_path / name, *values)
    before = everybody_else(tmp_path / "a", ["person-1.x"])
    assert everybody_else(tmp_path / "same", ["person-1.x"]) == before
    assert everybody_else(tmp_path / "other", ["person-1.x"]) != before


def test_people_are_forgotten_by_a_real_process(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["experiment", "erasures", "--events", "200", "--photos", "10", "--people", "2"])
    assert (code, "the promise held" in capsys.readouterr().out) == (0, True)
