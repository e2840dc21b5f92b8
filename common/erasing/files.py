"""Files that name a person, whoever wrote them: exports, reports, copies of the database that lie under VAR_DIR.

Lines and rows that name them go, other texts lose the name. A file is replaced whole or not at all.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError

from common.erasing.looking import look_for_files
from common.erasing.packed import UNREADABLE
from common.erasing.person import Person, naming_any
from common.erasing.pictures import is_picture, told_by
from common.erasing.scan import Wanted
from common.state.sqlite_file import SqliteFile

if TYPE_CHECKING:
    from polars import DataType, Enum, Series
    from polars.datatypes import DataTypeClass

    Kind = DataType | DataTypeClass

BY_LINE = frozenset({".csv", ".jsonl", ".log", ".ndjson", ".tsv", ".txt"})
LONGEST_TEXT_BYTES = 64 * 2**20  # of a text that is no list of lines
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
    if is_picture(beginning):
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
    with path.open("rb") as file:
        if file_digest(file, "sha256").hexdigest() in wanted.wholes:
            return True
    names = naming_any(wanted.people)
    return any(names(part.decode(errors="replace")) for part in told_by(path))


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

    def without(words: Enum, field: str) -> Kind:  # they stand in the file, whether a row has them or not
        return polars.Enum([word for word in words.categories if not names(word, field)])

    try:
        table = polars.read_parquet(path)
        kept = table
        for name, kind in table.schema.items():
            if not (kind.is_numeric() or kind.is_temporal()):
                kept = kept.filter(~_rows_naming(kept[name], names))
            left = _with_words(kind, name, without)
            if left != kind:  # in an array polars casts no Enum to another
                texts = _with_words(kind, name, lambda *_: polars.String())
                kept = kept.with_columns(kept[name].cast(texts).cast(left))
        if (kept.height, kept.schema) == (table.height, table.schema):
            return False
        with _replacing(path) as draft:
            kept.write_parquet(draft)
    except polars.exceptions.PolarsError as error:
        raise ValueError("damaged") from error
    return True


def _with_words(kind: Kind, field: str, made: Callable[[Enum, str], Kind]) -> Kind:
    """A kind of column with what is made of each Enum in it, however deep that lies."""
    import polars

    if isinstance(kind, polars.Enum):
        return made(kind, field)
    if isinstance(kind, polars.List):
        return polars.List(_with_words(kind.inner, field, made))
    if isinstance(kind, polars.Array):
        return polars.Array(_with_words(kind.inner, field, made), kind.size)
    if isinstance(kind, polars.Struct):
        return polars.Struct({one.name: _with_words(one.dtype, one.name, made) for one in kind.fields})
    return kind


def _rows_naming(column: Series, names: Callable[..., bool]) -> Series:
    import polars

    if column.dtype.is_nested():
        return polars.Series([_names(value, column.name, names) for value in column.to_list()], dtype=polars.Boolean)
    texts = column if column.dtype == polars.Binary else column.cast(polars.String)
    theirs = [text for text in texts.unique().to_list() if _names(text, column.name, names)]
    return texts.is_in(polars.Series(theirs, dtype=texts.dtype).implode()).fill_null(value=False)


def _names(value: object, field: str, names: Callable[..., bool]) -> bool:
    """Whether a text names them, or any in a list or a structure does."""
    if isinstance(value, dict):
        return any(_names(one, name, names) for name, one in value.items())
    if isinstance(value, list):
        return any(_names(one, field, names) for one in value)
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    return isinstance(text, str) and names(text, field)
