"""What lies packed in files: gzip, bzip2, xz, the members of zip, what pictures tell, and SQLite's values of zlib.

Everything is handed out in pieces, so that a file of any size takes little memory.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from common.erasing.pictures import told_by

PIECE_BYTES = 4 * 2**20
MOST_UNPACKED_BYTES = 64 * 2**30  # of one packed file; more is a bomb and is told as unreadable
MOST_VALUE_BYTES = 64 * 2**20  # likewise of one value
ROWS_AT_A_TIME = 500  # of a database
BUSY_TIMEOUT_S = 5.0
SQLITE = b"SQLite format 3\0"
ZIP = b"PK\x03\x04"
ZSTANDARD = b"\x28\xb5\x2f\xfd"
OPENED: Mapping[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
ZLIB = tuple(bytes([window << 4 | 8]) for window in range(8))  # what values that it packed begin with
ZLIB_CHECK = 31  # divides the first two bytes
UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    RuntimeError,
    sqlite3.Error,
)


def contents(path: Path, beginning: bytes) -> Iterator[Iterator[bytes]]:
    """Pieces of each thing that is packed in a file which begins so; raises one of `UNREADABLE`."""
    if beginning.startswith(ZSTANDARD):
        raise ValueError("zstandard can't be unpacked")
    if (database := _database(path, beginning)) is not None:
        yield _joined(_values(database))
    elif beginning.startswith(ZIP):
        with zipfile.ZipFile(path) as packed:
            for name in packed.namelist():
                with packed.open(name) as member:
                    yield pieces(member)
    for part in told_by(path):
        yield iter([part])
    for magic, unpack in OPENED.items():
        if beginning.startswith(magic):
            with unpack(path, "rb") as file:
                yield pieces(file)


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """What is left of a file."""
    read = 0
    while piece := file.read(PIECE_BYTES):
        read += len(piece)
        if read > MOST_UNPACKED_BYTES:
            raise ValueError("too large")
        yield piece


def _database(path: Path, beginning: bytes) -> Path | None:
    """The file that a database is opened by, if this is one, or has all that there is of a new one so far."""
    if beginning.startswith(SQLITE):
        return path
    opened = path.with_name(path.name.removesuffix("-wal"))
    return opened if opened != path and opened.exists() and not opened.stat().st_size else None


def _values(path: Path) -> Iterator[bytes]:
    """Of an SQLite file, whoever writes to it: while a value is looked at, no statement is open that would hold it."""
    address = f"file:{quote(str(path))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S)) as database:
        tables = database.execute("SELECT name, wr FROM pragma_table_list WHERE type != 'view' AND schema = 'main'")
        for table, without_rowid in tables.fetchall():
            query = "SELECT name, upper(type) LIKE '%BLOB%', pk FROM pragma_table_info(?) ORDER BY pk"
            columns = database.execute(query, (table,)).fetchall()
            taken = {name.lower() for name, _, _ in columns}
            rowid = next(name for name in ("_rowid_", "rowid", "oid") if without_rowid or name not in taken)
            key = [_quoted(name) for name, _, place in columns if place] if without_rowid else [rowid]
            for column in [_quoted(name) for name, is_blob, _ in columns if is_blob]:
                for value in _packed(database, _quoted(table), column, key):
                    yield from _unpacked(value)


def _packed(database: sqlite3.Connection, table: str, column: str, key: Sequence[str]) -> Iterator[bytes]:
    """Those that look so; each is fetched alone, for many together may be large."""
    names, marks = ", ".join(key), ", ".join("?" * len(key))
    looks_so = f"substr({column}, 1, 1) IN ({', '.join('?' * len(ZLIB))})"
    rows, beyond = list[tuple[Any, ...]](), ""
    while not beyond or len(rows) == ROWS_AT_A_TIME:
        after = rows[-1][1:] if rows else ()
        page = f"SELECT {looks_so}, {names} FROM {table} {beyond} ORDER BY {names} LIMIT {ROWS_AT_A_TIME}"  # noqa: S608  its own names
        rows, beyond = database.execute(page, (*ZLIB, *after)).fetchall(), f"WHERE ({names}) > ({marks})"
        for is_one, *place in rows:
            one = f"SELECT {column} FROM {table} WHERE ({names}) = ({marks})"  # noqa: S608  its own names
            for (value,) in database.execute(one, place).fetchall() if is_one else ():
                yield value


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def _unpacked(value: bytes) -> Iterator[bytes]:
    """Nothing where it only looks as if it were packed."""
    if int.from_bytes(value[:2], "big") % ZLIB_CHECK:
        return
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(value, MOST_VALUE_BYTES)
    except zlib.error:
        return
    if unpacking.unconsumed_tail:
        raise ValueError("too large")
    yield content


def _joined(values: Iterator[bytes]) -> Iterator[bytes]:
    """Many small ones are looked through together; none continues another."""
    some, length = list[bytes](), 0
    for value in values:
        some.append(value)
        length += len(value)
        if length >= PIECE_BYTES:
            yield b"\n".join([*some, b""])
            some, length = [], 0
    yield b"\n".join(some)
