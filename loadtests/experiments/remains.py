"""What is left of people in a folder: every byte of every file, and every value of every SQLite table, unpacked.

It shares no code with the erasure whose work it judges.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

SQLITE = b"SQLite format 3\0"
Everybody = Mapping[str, tuple[int, int]]  # by table, the number of rows, and a sum over all of them
TABLES = ("photostock_events", "photostock_photos")


def everybody_else(database: Path, people: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Rows that do not name the people, by table; the sum changes with any value, and not with the order."""
    wanted = _pattern(people)
    told = {}
    with closing(sqlite3.connect(database)) as connection:
        for table in TABLES:
            rows, content = 0, 0
            for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608  a constant
                text = repr(row).encode()
                if wanted.search(text) is None and b"erased-" not in text:
                    digest = hashlib.blake2b(text, digest_size=8).digest()
                    rows, content = rows + 1, (content + int.from_bytes(digest, "big")) % 2**64
            told[table] = rows, content
    return told


def remains(folder: Path, people: Sequence[str], pictures: Sequence[bytes]) -> list[str]:
    """Where something is; ids that are but the beginning of longer ones do not count."""
    wanted = _pattern(people)
    told = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        for name, content in _contents(path):
            if wanted.search(content) or any(picture in content for picture in pictures):
                told.append(f"{path.relative_to(folder)}{name}")
                break
        if wanted.search(path.name.encode()):
            told.append(f"the name of {path.relative_to(folder)}")
    return told


def _pattern(people: Sequence[str]) -> re.Pattern[bytes]:
    # Longer names of others go on with a nought.
    return re.compile(rb"(?:" + b"|".join(re.escape(one.encode()) for one in people) + rb")(?!0)")


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    content = path.read_bytes()
    yield "", content
    if content.startswith(b"\x1f\x8b"):
        yield " (unpacked)", gzip.decompress(content)
    if content.startswith(SQLITE):
        address = f"file:{quote(str(path))}?mode=ro"  # else the last to close empties the log beside it, and deletes it
        with closing(sqlite3.connect(address, uri=True)) as connection:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                values = (value for row in connection.execute(f'SELECT * FROM "{table}"') for value in row)  # noqa: S608  its own name
                yield f", table {table}", b"\n".join(_plain(value) for value in values)


def _plain(value: object) -> bytes:
    if not isinstance(value, bytes):
        return str(value).encode()
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value
