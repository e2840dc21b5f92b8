"""Nothing hides by being packed: archives, and values that lie packed in a database."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import sqlite3
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import polars
import pytest

from common.erasing.packed import MOST_VALUE_BYTES, ROWS_AT_A_TIME, contents
from common.erasing.person import Person
from common.erasing.scan import Wanted, scan_files
from common.replay.store import Record, ReplayStore, Shared

ANN, CAT = Person("ann-17", "a" * 64), Person("c", "c" * 64)
WANTED = Wanted([ANN])


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("inside", content)
    return out.getvalue()


def database(path: Path, *values: bytes) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute('CREATE TABLE "odd ""name" (number INTEGER PRIMARY KEY, told BLOB)')
        connection.executemany('INSERT INTO "odd ""name" (told) VALUES (?)', [(value,) for value in values])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zipped])
def test_an_archive_is_read_by_what_it_holds(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "a").write_bytes(pack(b"so said ann-17 " * 50))
    (tmp_path / "b").write_bytes(pack(b"so said ann-170 " * 50))
    assert scan_files(tmp_path, WANTED).places == ["inside of file a"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zipped])
def test_a_damaged_archive_is_told_and_not_taken_for_clean(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "a").write_bytes(pack(bytes(range(256)) * 40)[:-20])
    assert [one.partition(":")[0] for one in scan_files(tmp_path, WANTED).unreadable] == ["a"]


def test_packed_values_of_a_database_are_read_and_those_that_only_look_so_do_no_harm(tmp_path: Path) -> None:
    database(tmp_path / "a", b"\x78\x9cno", b"ann", zlib.compress(b"of ann-17, and others " * 9, 9))
    database(tmp_path / "c", zlib.compress(b"of ann-17, and others " * 9, 6, wbits=12))
    database(tmp_path / "b", zlib.compress(b"said ann"), zlib.compress(b"-17 of"), zlib.compress(b"ann-170"))
    assert scan_files(tmp_path, WANTED).places == ["inside of file a", "inside of file c"]


def test_a_packed_value_is_read_though_a_longer_id_stands_beside_it(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a")) as connection, connection:
        connection.execute("CREATE TABLE one (number INTEGER PRIMARY KEY, text VARCHAR, told BLOB)")
        connection.execute("INSERT INTO one VALUES (1, 'ann-170', ?)", (zlib.compress(b"ann-17 was here"),))
    found = scan_files(tmp_path, WANTED)
    assert (found.longer, found.places) == (["file a"], ["inside of file a"])


def test_a_value_that_would_fill_the_memory_is_told_as_unreadable(tmp_path: Path) -> None:
    packing = zlib.compressobj(1)
    many = b"".join([packing.compress(bytes(2**20)) for _ in range(MOST_VALUE_BYTES // 2**20 + 1)])
    database(tmp_path / "a", many + packing.flush())
    assert scan_files(tmp_path, WANTED).unreadable == ["a: ValueError"]


def test_answers_that_are_kept_for_replays_are_looked_into_also_in_the_write_ahead_log(tmp_path: Path) -> None:
    store = ReplayStore(tmp_path / "replays.sqlite3", most_bytes=2**30, most_days=14)
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    told = {"tapes": ["harbour " * 20, "photos of ann-17"]}
    with closing(sqlite3.connect(store.path)) as reader:  # while somebody has it open, nothing leaves the log
        store.write([Record("one", at, "web", "/v1/searches", b"", 0, told)], [])
        reader.execute("SELECT 1 FROM sqlite_master").fetchall()
        assert "inside of file replays.sqlite3" in scan_files(tmp_path, WANTED).places


def test_what_answers_share_is_looked_into(tmp_path: Path) -> None:
    store = ReplayStore(tmp_path / "replays.sqlite3", most_bytes=2**30, most_days=14)
    store.write([], [Shared.of({"photographer": "ann-17", "title": "harbour " * 20})])
    assert scan_files(tmp_path, WANTED).places == ["inside of file replays.sqlite3"]


def test_while_what_was_kept_is_looked_into_its_log_can_be_emptied(tmp_path: Path) -> None:
    store = ReplayStore(tmp_path / "replays.sqlite3", most_bytes=2**30, most_days=14, busy_timeout_s=0.1)
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    told = {"tapes": random.Random(7).randbytes(20_000).hex()}
    store.write([Record(str(one), at, "web", "/v1/searches", b"", 0, told) for one in range(500)], [])
    [values] = contents(store.path, store.path.read_bytes()[:16])
    assert next(values)
    assert store.purge(lambda one: one.request_id == "0") == 1
    assert next(values)


@pytest.mark.parametrize(
    "columns",
    [
        "(number INTEGER PRIMARY KEY, told BLOB)",
        "(number INTEGER, told BLOB, PRIMARY KEY (told, number))",
        "(number INTEGER, told BLOB, PRIMARY KEY (told, number)) WITHOUT ROWID",
        "(number INTEGER, told BLOB, _rowid_ INTEGER)",
    ],
)
def test_every_value_of_a_table_is_looked_into_once_whatever_its_key(tmp_path: Path, columns: str) -> None:
    count = 2 * ROWS_AT_A_TIME
    numbers = range(-count // 2, count // 2)
    with closing(sqlite3.connect(tmp_path / "a")) as connection, connection:
        connection.execute(f"CREATE TABLE one {columns}")
        rows = [(number, zlib.compress(b"value %d" % number)) for number in numbers]
        connection.executemany("INSERT INTO one (number, told) VALUES (?, ?)", rows)
    [values] = contents(tmp_path / "a", b"SQLite format 3\0")
    assert sorted(b"".join(values).split(b"\n")) == sorted(b"value %d" % number for number in numbers)


def test_the_shortest_id_is_found_where_it_is_a_whole_value(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"user": "c"}))
    (tmp_path / "b.json").write_text(json.dumps({"user": "cc"}))
    assert scan_files(tmp_path, Wanted([CAT])).places == ["file a.json"]


@pytest.mark.parametrize("value", ["ann-17", ["b", "by ann-17"], {"who": {"names": ["ann-17"]}}, b"of ann-17"])
def test_a_name_is_found_in_every_kind_of_column_of_a_parquet_file(tmp_path: Path, value: object) -> None:
    polars.DataFrame({"n": [1], "told": [value]}).write_parquet(tmp_path / "a.parquet", compression="zstd")
    assert scan_files(tmp_path, WANTED).places != []
