"""The search of files goes on beside a database that is in use, and takes nothing from it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from common.erasing.looking import look
from common.erasing.person import Person
from common.erasing.scan import Wanted

PERSON = Person("person_4711", "a" * 64)
WRITE = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"


def test_whoever_writes_keeps_the_database_to_themselves_while_its_bytes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("CREATE TABLE notes (text TEXT)")
        database.execute("BEGIN IMMEDIATE")

        look(tmp_path, Wanted([PERSON]))

        other = subprocess.run([sys.executable, "-c", WRITE, str(path)], capture_output=True, text=True, check=False)
        assert "database is locked" in other.stderr


def test_what_is_found_is_told_and_whom_it_is_about_is_not(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("from person_4711")
    (tmp_path / "picture").write_bytes(b"\xff" * 9 + b"their picture" + b"\xff" * 9)

    found = look(tmp_path, Wanted([PERSON], [b"their picture"]))

    assert (found.files, found.places) == (2, ["file note", "file picture"])


def test_a_search_that_dies_is_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with pytest.raises(OSError, match="did not end well"):
        look(tmp_path, Wanted([PERSON]))
