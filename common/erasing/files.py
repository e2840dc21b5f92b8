"""Files that name a person, whoever wrote them: exports, reports, copies of the database that lie under VAR_DIR.

Lines and rows that name them go, other texts lose the name. A file is replaced whole or not at all.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError

from common.erasing.packed import SQLITE, UNREADABLE
from common.erasing.person import Person, naming_any
from common.erasing.scan import Wanted, holds
from common.state.sqlite_file import SqliteFile

BY_LINE = frozenset({".csv", ".jsonl", ".log", ".ndjson", ".tsv", ".txt"})
LONGEST_TEXT_BYTES = 64 * 2**20  # of a text that is no list of lines
PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")
GZIP = b"\x1f\x8b"
InDatabase = Callable[[Engine, Sequence[Person]], None]


def cleaned(folder: Path, wanted: Wanted, in_database: InDatabase, *, except_in: Collection[Path]) -> int:
    """How many files were changed or taken away; one that can't be is left, and the scan tells of it.

    Args:
        in_database: removes people from a copy of the state database.
        except_in: files and folders that somebody else takes care of.
    """
    changed = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        if any(path == one or one in path.parents for one in except_in):
            continue
        with suppress(*UNREADABLE, SQLAlchemyError):
            if holds(path, wanted):
                changed += _clean(path, wanted.people, in_database)
    return changed


def _clean(path: Path, people: Sequence[Person], in_database: InDatabase) -> bool:
    with path.open("rb") as file:
        beginning = file.read(16)
    if beginning.startswith(SQLITE):
        _in_copy(path, people, in_database)
    elif path.name.endswith(("-wal", "-shm", "-journal")):
        return False  # goes with its database
    elif beginning.startswith(PICTURES):
        path.unlink(missing_ok=True)
    elif beginning.startswith(b"PAR1"):
        _in_parquet(path, people)
    elif beginning.startswith(GZIP):
        suffix = Path(path.stem).suffix
        with gzip.open(path, "rb") as packed, _replacing(path) as draft, gzip.open(draft, "wb") as out:
            out.writelines(_texts(packed, suffix, people))
    else:
        with path.open("rb") as file, _replacing(path) as draft:
            draft.writelines(_texts(file, path.suffix, people))
    return True


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


def _in_parquet(path: Path, people: Sequence[Person]) -> None:
    import polars  # of the retail extra: a service without it writes no parquet

    table = polars.read_parquet(path)
    texts = [name for name, kind in table.schema.items() if kind == polars.String]
    names = naming_any(people)
    named = polars.any_horizontal(
        polars.col(name).is_in([text for text in table[name].drop_nulls().unique() if names(text, name)])
        for name in texts
    )
    with _replacing(path) as draft:
        table.filter(named.fill_null(value=False).not_()).write_parquet(draft)
