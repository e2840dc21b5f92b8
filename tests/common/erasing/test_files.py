"""Files that name a person lose them, a database in use loses nothing, and nobody's file stops the work on others."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars
import pytest

from common.erasing.files import cleaned
from common.erasing.person import Person
from common.erasing.scan import Wanted, scan_files

ANN = Person("ann-17", "a" * 64)
WANTED = Wanted([ANN])
PIECE = bytes(range(64))
WRITE = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"


def clean(folder: Path, wanted: Wanted = WANTED, *, except_in: tuple[Path, ...] = ()) -> int:
    return cleaned(folder, wanted, lambda *_: None, except_in=except_in)


def test_a_picture_goes_if_it_is_theirs_whole_and_not_for_a_piece_of_it(tmp_path: Path) -> None:
    theirs, others = b"\xff\xd8\xff theirs" + PIECE, b"\xff\xd8\xff others" + PIECE
    (tmp_path / "copy.jpg").write_bytes(theirs)
    (tmp_path / "others.jpg").write_bytes(others)
    wanted = Wanted([ANN], [PIECE], [sha256(theirs).hexdigest()])
    assert clean(tmp_path, wanted) == 1
    assert scan_files(tmp_path, wanted).places == ["file others.jpg"]


def test_a_picture_goes_if_it_tells_of_them_and_not_for_bytes_that_look_like_their_id(tmp_path: Path) -> None:
    (tmp_path / "theirs.jpg").write_bytes(b"\xff\xd8\xff by ann-17 \xff\xda" + PIECE)
    (tmp_path / "others.jpg").write_bytes(b"\xff\xd8\xff by bob \xff\xda ann-17" + PIECE)
    assert clean(tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["others.jpg"]


@pytest.mark.parametrize("spelt_as", ["state.sqlite3", "folder/../state.sqlite3"])
def test_whoever_writes_keeps_every_database_to_themselves_while_files_are_cleaned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelt_as: str
) -> None:
    monkeypatch.chdir(tmp_path)
    var_dir = Path("var")
    (var_dir / "folder").mkdir(parents=True)
    databases = [var_dir / "state.sqlite3", var_dir / "other.sqlite3"]
    for path in databases:
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("CREATE TABLE notes (text TEXT)")
            database.execute("INSERT INTO notes VALUES ('ann-17')")
    asked = list[str]()
    with (
        closing(sqlite3.connect(databases[0], isolation_level=None)) as first,
        closing(sqlite3.connect(databases[1], isolation_level=None)) as second,
    ):
        for database in (first, second):
            database.execute("BEGIN IMMEDIATE")
        state = tmp_path / "var" / spelt_as
        cleaned(var_dir, WANTED, lambda copy, _: asked.append(Path(str(copy.url.database)).name), except_in=[state])
        for path in databases:
            other = subprocess.run([sys.executable, "-c", WRITE, path], capture_output=True, text=True, check=False)
            assert "database is locked" in other.stderr
    assert asked == ["other.sqlite3"]


KINDS: dict[str, Any] = {
    "plain": polars.String,
    "words": polars.Categorical,
    "listed": polars.Enum(["ann-17", "bob"]),
    "bytes": polars.Binary,
    "lists": polars.List(polars.String),
    "structures": polars.List(polars.Struct({"who": polars.String})),
}
MADE_OF: dict[str, Any] = {
    "bytes": str.encode,
    "lists": lambda text: ["x", text],
    "structures": lambda text: [{"who": text}],
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_parquet_file_go_whatever_kind_of_column_names_the_person(tmp_path: Path, kind: str) -> None:
    made = MADE_OF.get(kind, str)
    users = polars.Series([made("ann-17"), made("bob"), None], dtype=KINDS[kind])
    path = tmp_path / "sold.parquet"
    polars.DataFrame({"n": [1, 2, 3], "user_id": users, "of": ["a", "b", "c"]}).write_parquet(path)
    assert clean(tmp_path) == 1
    assert polars.read_parquet(path)["n"].to_list() == [2, 3]
    assert scan_files(tmp_path, WANTED).clean


def test_a_number_in_a_structure_is_somebody_only_in_a_field_of_people(tmp_path: Path) -> None:
    path = tmp_path / "sold.parquet"
    told = [{"sku": "1042", "user": "bob"}, {"sku": "7", "user": "1042"}]
    polars.DataFrame({"n": [1, 2], "told": told}).write_parquet(path)
    assert clean(tmp_path, Wanted([Person("1042", "b" * 64)])) == 1
    assert polars.read_parquet(path)["n"].to_list() == [1]


def test_a_parquet_file_that_no_row_makes_name_them_is_left_and_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "sold.parquet"
    polars.DataFrame({"ann-17": [1, 2], "of": ["a", "b"]}).write_parquet(path)
    before = path.read_bytes()
    assert (clean(tmp_path), path.read_bytes()) == (0, before)


def test_a_damaged_parquet_file_stops_nothing_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 ann-17 PAR1")
    (tmp_path / "b.log").write_text("ann-17 came\nbob came\n")
    assert clean(tmp_path) == 1
    assert (tmp_path / "b.log").read_text() == "bob came\n"
    assert scan_files(tmp_path, WANTED).places == ["file a.parquet"]


AFTER_ESCAPES = (
    "%2F",
    "%20",
    "%0a",
    "%C2%A0",
    "%E2%80%9C",
    "\\n",
    "\\t",
    "\\u0020",
    "\\u00a0",
    "\\u201C",
    "\\x1b",
    "_",
)
AFTER_LETTERS = ("x", "2F", "%41", "%C3%A9", "\\u00eb", "\\x41", "n")


@pytest.mark.parametrize("before", AFTER_ESCAPES)
def test_an_id_after_an_escape_is_found_and_replaced(tmp_path: Path, before: str) -> None:
    text = f"see {before}ann-17 there"
    (tmp_path / "report.html").write_text(text)
    assert scan_files(tmp_path, WANTED).places == ["file report.html"]
    assert ANN.without(text) == f"see {before}{ANN.pseudonym} there"
    assert clean(tmp_path) == 1
    assert scan_files(tmp_path, WANTED).clean


@pytest.mark.parametrize("before", AFTER_LETTERS)
def test_an_id_after_a_letter_however_it_is_spelt_is_somebody_elses(tmp_path: Path, before: str) -> None:
    (tmp_path / "report.html").write_text(f"see {before}ann-17 there")
    assert scan_files(tmp_path, WANTED).clean
    assert not ANN.named_in(f"see {before}ann-17 there")
