"""A search for bytes in every file under a folder and in every table: the proof that nothing remains.

Files are read as they are; gzip, too, as what it holds, and parquet, whose pages are compressed, by its values.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError

from common.erasing.person import Person
from common.erasing.pieces import PieceFinder
from common.erasing.texts import in_longer_value, naming, tables_of

PIECE_BYTES = 4 * 2**20
MOST_UNPACKED_BYTES = 64 * 2**30  # of one packed file; more is a bomb and is told as unreadable
MOST_TOLD = 100  # places
ZSTANDARD = b"\x28\xb5\x2f\xfd"
SQLITE = b"SQLite format 3\0"
Progress = Callable[[int], None]  # bytes read since the last call


@dataclass(slots=True)
class Found:
    """What a scan came to. `places` tells where something remains, without telling what."""

    files: int = 0
    bytes: int = 0
    tables: int = 0
    places: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    longer: list[str] = field(default_factory=list)  # databases where the bytes are part of longer values of others

    @property
    def clean(self) -> bool:
        return not self.places and not self.unreadable

    def as_json(self) -> dict[str, Any]:
        return {
            "clean": self.clean,
            "files": self.files,
            "bytes": self.bytes,
            "tables": self.tables,
            "places": self.places[:MOST_TOLD],
            "unreadable": self.unreadable[:MOST_TOLD],
            "longer": self.longer[:MOST_TOLD],
        }


@dataclass(frozen=True)
class Wanted:
    """What is looked for.

    Args:
        people: by every spelling of their ids.
        pieces: bytes out of the middle of their pictures.
    """

    people: Sequence[Person]
    pieces: Sequence[bytes] = ()

    @cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """Any of the ids, wherever it stands; whether it is but a part of a longer word is judged by who looks."""
        spelt = {spelling.encode() for person in self.people if person.in_texts for spelling in person.spellings}
        # An ordinary word is found everywhere: it counts only where it is a whole value.
        quoted = {b'"' + p.encode() + b'"' for one in self.people if not one.in_texts for p in one.spellings}
        every = sorted({*spelt, *quoted}, key=len, reverse=True)
        return re.compile(b"|".join(map(re.escape, every)) or rb"(?!)")

    @cached_property
    def finder(self) -> PieceFinder:
        return PieceFinder(self.pieces)

    @cached_property
    def longest(self) -> int:
        spelt = [spelling.encode() for person in self.people for spelling in person.spellings]
        return max(map(len, [*self.pieces, *spelt]), default=0)


def scan(folder: Path, engines: Sequence[Engine], wanted: Wanted, *, report: Progress = lambda _: None) -> Found:
    """Everything under a folder, and every table of these databases."""
    found = Found()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        try:
            _scan_file(path, wanted, found, report, str(path.relative_to(folder)))
        except FileNotFoundError:
            continue  # it was taken away meanwhile
        except (OSError, EOFError, zlib.error, ValueError) as error:
            found.unreadable.append(f"{path.relative_to(folder)}: {type(error).__name__}")
    for engine in engines:
        with engine.connect() as connection:
            for table in tables_of(connection):
                found.tables += 1
                if next(naming(connection, table, wanted.people), None) is not None:
                    found.places.append(f"table {table.name}")
    return found


def holds(path: Path, wanted: Wanted) -> bool:
    """Whether this file has any of it, as it is or unpacked; `OSError` if it can't be read."""
    found = Found()
    _scan_file(path, wanted, found, lambda _: None, path.name)
    return bool(found.places or found.longer)


def _scan_file(path: Path, wanted: Wanted, found: Found, report: Progress, name: str) -> None:
    found.files += 1
    with path.open("rb") as file:
        beginning = file.read(16)
        file.seek(0)
        # Values of a database lie side by side with nothing between them: there everything counts.
        binary = beginning.startswith(SQLITE) or path.name.endswith(("-wal", "-shm", "-journal"))
        if _in_pieces(_pieces(file), wanted, found, report, bare=binary):
            longer = beginning.startswith(SQLITE) and _only_in_longer_values(path, wanted)
            (found.longer if longer else found.places).append(f"file {_masked(name, wanted)}")
            return
    for opened in _unpacked(path, beginning):
        with opened as file:
            if _in_pieces(_pieces(file), wanted, found, report, bare=False):
                found.places.append(f"inside of file {_masked(name, wanted)}")
                return
    if beginning.startswith(b"PAR1") and _in_parquet(path, wanted):
        found.places.append(f"inside of file {_masked(name, wanted)}")
    if any(person.named_in(name) for person in wanted.people):
        found.places.append(f"name of file {_masked(name, wanted)}")


def _only_in_longer_values(path: Path, wanted: Wanted) -> bool:
    """Whether no value names the people, and some hold their ids as part of longer ones: "u-17" in "u-170"."""
    engine = create_engine(f"sqlite:///file:{quote(str(path))}?mode=ro&uri=true", hide_parameters=True)
    try:
        with engine.connect() as connection:
            tables = tables_of(connection)
            if any(next(naming(connection, table, wanted.people), None) for table in tables):
                return False
            return any(in_longer_value(connection, table, wanted.people) for table in tables)
    except DBAPIError:
        return False
    finally:
        engine.dispose()


def _masked(name: str, wanted: Wanted) -> str:
    for person in wanted.people:
        name = person.without(name)
    return name


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    read = 0
    while piece := file.read(PIECE_BYTES):
        read += len(piece)
        if read > MOST_UNPACKED_BYTES:
            raise ValueError("too large")
        yield piece


def _in_pieces(pieces: Iterator[bytes], wanted: Wanted, found: Found, report: Progress, *, bare: bool) -> bool:
    before = b""
    for piece in pieces:
        found.bytes += len(piece)
        report(len(piece))
        text = before + piece
        if wanted.finder.is_in(text):
            return True
        for match in wanted.pattern.finditer(text):
            if bare or not _continues(text, match.start(), match.end()):
                return True
        before = text[-(wanted.longest + 4) :]
    return False


def _continues(text: bytes, start: int, end: int) -> bool:
    """Whether a match is but a part of a longer word."""
    beside = text[max(start - 1, 0) : start], text[end : end + 1]
    return any(one.isalnum() for one in beside)


def _unpacked(path: Path, beginning: bytes) -> Iterator[Any]:
    if beginning.startswith(b"\x1f\x8b"):
        yield gzip.open(path, "rb")  # noqa: SIM115  closed by who iterates
    elif beginning.startswith(ZSTANDARD):
        raise ValueError("zstandard can't be unpacked")


def _in_parquet(path: Path, wanted: Wanted) -> bool:
    try:
        import polars
    except ImportError as error:
        raise ValueError("polars is not installed") from error
    try:
        names = [name for name, kind in polars.read_parquet_schema(path).items() if kind == polars.String]
        for name in names:
            values = polars.scan_parquet(path).select(polars.col(name).unique()).collect()[name]
            if any(person.named_in(value or "") for value in values for person in wanted.people):
                return True
    except polars.exceptions.PolarsError as error:
        raise ValueError("damaged") from error
    return False
