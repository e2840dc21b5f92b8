"""Files that name a person, whoever wrote them: exports, reports, copies of the database that lie under VAR_DIR.

Lines and rows that name them go, other texts lose the name. A file is replaced whole or not at all.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError

from common.erasing.looking import look_for_files
from common.erasing.packed import UNREADABLE
from common.erasing.person import Person, naming_any
from common.erasing.scan import Wanted
from common.state.sqlite_file import SqliteFile

if TYPE_CHECKING:
    from polars import Series

BY_LINE = frozenset({".csv", ".jsonl", ".log", ".ndjson", ".tsv", ".txt"})
LONGEST_TEXT_BYTES = 64 * 2**20  # of a text that is no list of lines
PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")
JPEG_DATA = b"\xff\xda"  # what it begins with: a JPEG tells of itself before it
GZIP = b"\x1f\x8b"
InDatabase = Callable[[Engine, Sequence[Person]], None]


def cleaned(folder: Path, wanted: Wanted, in_database: InDatabase, *, except_in: Collection[Path]) -> int:
    """How many files were changed or taken away; one that can't be is left, and the scan tells of it.

    Args:
        in_database: removes people from a copy of the state database.
        except_in: files and folders that somebody else takes care of.
    """
    changed = 0
    for path, is_database in look_for_files(folder, wanted, except_in=except_in):
        with suppress(*UNREADABLE, SQLAlchemyError):
            if is_database:
                _in_copy(path, wanted.people, in_database)
                changed += 1
            else:
                changed += _clean(path, wanted)
    return changed


def _clean(path: Path, wanted: Wanted) -> bool:
    people = wanted.people
    with path.open("rb") as file:
        beginning = file.read(16)
    if beginning.startswith(PICTURES):
        if not _is_theirs(path, wanted):
            return False
        path.unlink(missing_ok=True)
    elif beginning.startswith(b"PAR1"):
        return _in_parquet(path, people)
    elif beginning.startswith(GZIP):
        suffix = Path(path.stem).suffix
        with gzip.open(path, "rb") as packed, _replacing(path) as draft, gzip.open(draft, "wb") as out:
            out.writelines(_texts(packed, suffix, people))
    else:
        with path.open("rb") as file, _replacing(path) as draft:
            draft.writelines(_texts(file, path.suffix, people))
    return True


def _is_theirs(path: Path, wanted: Wanted) -> bool:
    """Whether a picture is one of theirs, whole, or its metadata names them: any few bytes occur in others, too."""
    content = path.read_bytes()
    told = content.partition(JPEG_DATA)[0].decode(errors="replace")
    return sha256(content).hexdigest() in wanted.wholes or any(person.named_in(told) for person in wanted.people)


def _texts(file: IO[bytes] | gzip.GzipFile, suffix: str, people: Sequence[Person]) -> Iterable[bytes]:
    if suffix in BY_LINE:
        names = naming_any(people)
        return (line for line in file if not names(line.decode()))
    text = file.read(LONGEST_TEXT_BYTES + 1)
    if len(text) > LONGEST_TEXT_BYTES:
        raise ValueError("too large")
    whole = text.decode()
    for person in people:
        whole = person.without(whole)
    return [whole.encode()]


class _replacing:  # noqa: N801  used as a function
    """A draft beside a file, which takes its place when all went well."""

    def __init__(self, path: Path) -> None:
        self._path, self._draft = path, path.with_name(f".{path.name}.{os.getpid()}.tmp")

    def __enter__(self) -> IO[bytes]:
        self._file = self._draft.open("wb")
        return self._file

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._draft.chmod(self._path.stat().st_mode)
                self._draft.replace(self._path)
        finally:
            self._file.close()
            self._draft.unlink(missing_ok=True)


def _in_copy(path: Path, people: Sequence[Person], in_database: InDatabase) -> None:
    engine = create_engine(f"sqlite:///{path}", hide_parameters=True)
    SqliteFile(engine).watch()
    try:
        in_database(engine, people)
    finally:
        engine.dispose()


def _in_parquet(path: Path, people: Sequence[Person]) -> bool:
    import polars  # of the retail extra: a service without it writes no parquet

    names = naming_any(people)
    try:
        table = polars.read_parquet(path)
        kept = table
        for name, kind in table.schema.items():
            if not (kind.is_numeric() or kind.is_temporal()):
                kept = kept.filter(~_rows_naming(kept[name], names))
            if isinstance(kind, polars.Enum):  # its words stand in the file, whether a row has them or not
                left = polars.Enum([word for word in kind.categories if not names(word, name)])
                kept = kept.with_columns(kept[name].cast(polars.String).cast(left))
        if (kept.height, kept.schema) == (table.height, table.schema):
            return False
        with _replacing(path) as draft:
            kept.write_parquet(draft)
    except polars.exceptions.PolarsError as error:
        raise ValueError("damaged") from error
    return True


def _rows_naming(column: Series, names: Callable[..., bool]) -> Series:
    import polars

    if column.dtype.is_nested():
        return polars.Series([_names(value, column.name, names) for value in column.to_list()], dtype=polars.Boolean)
    texts = column if column.dtype == polars.Binary else column.cast(polars.String)
    theirs = [text for text in texts.unique().to_list() if _names(text, column.name, names)]
    return texts.is_in(polars.Series(theirs, dtype=texts.dtype)).fill_null(value=False)


def _names(value: object, field: str, names: Callable[..., bool]) -> bool:
    """Whether a text names them, or any in a list or a structure does."""
    if isinstance(value, dict):
        return any(_names(one, name, names) for name, one in value.items())
    if isinstance(value, list):
        return any(_names(one, field, names) for one in value)
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    return isinstance(text, str) and names(text, field)
