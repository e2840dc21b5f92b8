"""A search for bytes in every file under a folder and in every table: the proof that nothing remains.

Files are read as they are; also what lies packed in them (`packed.py`), and parquet, whose pages are compressed, by its
values.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError

from common.erasing.packed import SQLITE, UNREADABLE, contents, pieces
from common.erasing.person import BEFORE, OF_PEOPLE, Person, naming_any
from common.erasing.pieces import KEY_BYTES, PieceFinder
from common.erasing.texts import in_longer_value, naming, tables_of
from common.state.patience import unhurried

if TYPE_CHECKING:
    from polars import Series

MOST_TOLD = 100  # places
WITH_DATABASE = "-wal", "-shm", "-journal"  # files that belong to the one of this name
FIELD_BYTES = 40  # of the longest field of people, as it may stand before its value
BEGINS = re.compile(BEFORE.encode())  # what stands before a place is looked at, too


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
        pieces: bytes out of their pictures that others do not have.
        wholes: SHA-256 of their pictures; only a file that is one of them, whole, is their picture.
    """

    people: Sequence[Person]
    pieces: Sequence[bytes] = ()
    wholes: Sequence[str] = ()

    @cached_property
    def spelt(self) -> frozenset[bytes]:
        """The ids as they may stand in a file."""
        plain = frozenset(one.encode() for person in self.people if person.in_texts for one in person.spellings)
        return plain | self._words

    @cached_property
    def _words(self) -> frozenset[bytes]:
        """Ordinary words are found everywhere: they count only as whole values."""
        return frozenset(b'"%b"' % p.encode() for one in self.people if not one.in_texts for p in one.spellings)

    @cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """Any of the ids, wherever it stands; whether it is but a part of a longer word is judged by who looks."""
        plain = sorted(self.spelt - self._words, key=len, reverse=True)
        words = b"|".join(map(re.escape, self._words)) or rb"(?!)"
        of_people = "|".join(OF_PEOPLE).encode()
        in_fields = rb'"(?:%b)"\s{0,8}:\s{0,8}(?:%b)' % (of_people, words)
        return re.compile(b"|".join([*map(re.escape, plain), in_fields]))

    @cached_property
    def finder(self) -> PieceFinder:
        return PieceFinder(self.pieces)

    @cached_property
    def _all(self) -> PieceFinder | None:
        """None where an id is too short for it."""
        too_short = any(len(spelling) < KEY_BYTES for spelling in self.spelt)
        return None if too_short else PieceFinder([*self.pieces, *self.spelt])

    def may_be_in(self, text: bytes) -> bool:
        """False where nothing of it is; that takes no longer for hundreds of people than for one."""
        return self._all is None or self._all.is_in(text)

    @cached_property
    def longest(self) -> int:
        spelt = [spelling.encode() for person in self.people for spelling in person.spellings]
        return max(map(len, [*self.pieces, *spelt]), default=0) + FIELD_BYTES


def scan_files(folder: Path, wanted: Wanted) -> Found:
    """Everything under a folder. Not for a process that has a database open there: see `looking.py`."""
    found = Found()
    for path in _files(folder):
        try:
            _scan_file(path, wanted, found, str(path.relative_to(folder)))
        except FileNotFoundError:
            continue  # it was taken away meanwhile
        except UNREADABLE as error:
            found.unreadable.append(f"{path.relative_to(folder)}: {type(error).__name__}")
    return found


def files_with(folder: Path, wanted: Wanted, *, except_in: Collection[Path]) -> list[tuple[Path, bool]]:
    """Files that have any of it, and whether each is a database; what can't be read is passed over. Where, as above."""
    kept, found = {path.resolve() for path in except_in}, list[tuple[Path, bool]]()
    for path in _files(folder.resolve()):
        if not kept.isdisjoint([path, *path.parents]) or path.name.endswith(WITH_DATABASE):
            continue
        with suppress(*UNREADABLE):
            if holds(path, wanted):
                with path.open("rb") as file:
                    found.append((path, file.read(len(SQLITE)) == SQLITE))
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def scan_tables(engine: Engine, wanted: Wanted, found: Found) -> None:
    """Every table of a database, added to what was found."""
    with engine.connect() as connection, unhurried(connection):
        for table in tables_of(connection):
            found.tables += 1
            if next(naming(connection, table, wanted.people), None) is not None:
                found.places.append(f"table {table.name}")


def holds(path: Path, wanted: Wanted) -> bool:
    """Whether this file has any of it, as it is or unpacked; one of `UNREADABLE` if it can't be read."""
    found = Found()
    _scan_file(path, wanted, found, path.name)
    return bool(found.places or found.longer)


def _scan_file(path: Path, wanted: Wanted, found: Found, name: str) -> None:
    found.files += 1
    with path.open("rb") as file:
        beginning = file.read(16)
        file.seek(0)
        # Values of a database lie side by side with nothing between them: there everything counts.
        binary = beginning.startswith(SQLITE) or path.name.endswith(WITH_DATABASE)
        if _in_pieces(pieces(file), wanted, found, bare=binary):
            longer = beginning.startswith(SQLITE) and _only_in_longer_values(path, wanted)
            (found.longer if longer else found.places).append(f"file {_masked(name, wanted)}")
            if not longer:
                return
    if any(_in_pieces(content, wanted, found, bare=False) for content in contents(path, beginning)):
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


def _in_pieces(pieces: Iterator[bytes], wanted: Wanted, found: Found, *, bare: bool) -> bool:
    before = b""
    for piece in pieces:
        found.bytes += len(piece)
        text = before + piece
        if wanted.may_be_in(text):
            if wanted.finder.is_in(text):
                return True
            for match in wanted.pattern.finditer(text):
                if bare or not _continues(text, match.start(), match.end()):
                    return True
        before = text[-(wanted.longest + 4) :]
    return False


def _continues(text: bytes, start: int, end: int) -> bool:
    """Whether a match is but a part of a longer word."""
    return BEGINS.match(text, start) is None or text[end : end + 1].isalnum()


def _in_parquet(path: Path, wanted: Wanted) -> bool:
    try:
        import polars
    except ImportError as error:
        raise ValueError("polars is not installed") from error
    try:
        names = naming_any(wanted.people)
        table = polars.scan_parquet(path)
        for column, kind in polars.read_parquet_schema(path).items():
            if kind.is_numeric() or kind.is_temporal():
                continue
            every = polars.col(column)
            values = table.select(every if kind.is_nested() else every.unique()).collect()[column]
            if any(names(value, field) for field, texts in _texts_in(values) for value in texts):
                return True
    except polars.exceptions.PolarsError as error:
        raise ValueError("damaged") from error
    return False


def _texts_in(values: Series) -> Iterator[tuple[str, Iterable[str]]]:
    """All texts of a column, also those in lists and structures, with the name of their field."""
    import polars

    kind = values.dtype
    if isinstance(kind, polars.List | polars.Array):
        yield from _texts_in(values.explode())
    elif isinstance(kind, polars.Struct):
        for name in [field.name for field in kind.fields]:
            yield from _texts_in(values.struct.field(name))
    elif isinstance(kind, polars.Binary):
        yield values.name, (value.decode(errors="replace") for value in values.drop_nulls().unique())
    elif isinstance(kind, polars.Enum):  # its words stand in the file, whether a row has them or not
        yield values.name, kind.categories
    elif isinstance(kind, polars.String | polars.Categorical):
        yield values.name, values.drop_nulls().unique().cast(polars.String)
