"""A folder of parquet partitions, one per day of making: appended to by many processes, bounded in size and age.

A file is written under a hidden name, brought onto the disk and renamed, so nobody reads a part of one, not even after
the power failed. Its name is unique, so nobody overwrites another one's. A crash while files are joined may leave rows
twice; readers get each row once. A file that a broken disk damaged is set aside, so that all the others are still read.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path

import polars as pl
import structlog
from prometheus_client import Counter

from common.durable import put_in_place, sync_folder
from supermegaretail.monitoring.records import SCHEMA

JOINED_BYTES = 2**20  # files are joined up to this size,
JOINED_ROWS = 65_536  # and to so many rows, for some take three bytes: less than 100 MB while it is done
JOIN_TODAY_FROM = 32  # small files; of a past day two are enough
FORGOTTEN_AFTER_S = 86_400  # what a process that died left half written; no jump of the clock is so long
READ_ATTEMPTS = 5
DAMAGED = ".damaged"  # in place of .parquet
MAGIC = b"PAR1"  # a whole parquet file begins and ends with it
UNREADABLE = (pl.exceptions.ComputeError, pl.exceptions.PanicException)  # what polars makes of damaged bytes
ROW = ("request_id", "made_at", "position", "horizon_days")  # what makes a row unique
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, order=True)
class Stored:
    """One file; in the order in which they are given up."""

    day: date
    written_ns: int
    path: Path
    size: int


class Partitions:
    """The files under `folder`, at most `most_bytes` in all and from the last `most_days` days."""

    def __init__(self, folder: Path, *, most_bytes: int, most_days: int) -> None:
        self.folder = folder
        self._most_bytes = most_bytes
        self._most_days = most_days
        self._rows: dict[Path, int] = {}  # of files with few bytes; no name is used again
        self.damaged = Counter("prediction_log_damaged_files_total", "Files that were set aside.", registry=None)

    def write(self, rows: pl.DataFrame, day: date) -> None:
        """Adds rows to the partition of a day, whole or not at all; raises `OSError` or a polars error."""
        folder = self.folder / f"day={day.isoformat()}"
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(self.folder)
        with put_in_place(folder / f"{secrets.token_hex(12)}.parquet") as draft:
            rows.write_parquet(draft, compression="zstd", row_group_size=65_536)

    def files(self) -> list[Stored]:
        """All whole files, oldest first."""
        return [stored for stored in self._kept() if stored.path.suffix == ".parquet"]

    def read(self, ask: Callable[[pl.LazyFrame], pl.LazyFrame]) -> pl.DataFrame:
        """What `ask` makes of all rows, in `SCHEMA`; a file that was joined or given up meanwhile is no trouble.

        A row may be there twice for a moment: who counts or shows rows calls `each_once` on what it asks for. A damaged
        file is set aside and its rows are missing. Raises `OSError`, or a polars error when the question is wrong.
        """
        for attempt in range(READ_ATTEMPTS):
            paths = [stored.path for stored in self.files()]
            rows = pl.scan_parquet(paths, hive_partitioning=False) if paths else pl.LazyFrame(schema=SCHEMA)
            try:
                return ask(rows).collect(engine="streaming")
            except FileNotFoundError:
                if attempt + 1 == READ_ATTEMPTS:
                    raise
            except UNREADABLE as error:
                if not self._set_aside(paths) or attempt + 1 == READ_ATTEMPTS:
                    raise pl.exceptions.ComputeError(f"{type(error).__name__}: {error}") from error
        raise AssertionError("the last attempt returns or raises")

    def tidy(self, *, today: date | None = None) -> None:
        """Gives up what is too old or too much, oldest first, and removes what died half written."""
        today = today or datetime.now(UTC).date()
        files = self._kept()
        size = sum(stored.size for stored in files)
        oldest = today - timedelta(days=self._most_days)
        for stored in files:
            if size <= self._most_bytes and stored.day > oldest:
                break
            stored.path.unlink(missing_ok=True)
            size -= stored.size
        for day, folder in self._days():
            for path, status in _listed(folder):
                if path.suffix not in (".parquet", DAMAGED) and time.time() - status.st_mtime > FORGOTTEN_AFTER_S:
                    path.unlink(missing_ok=True)
            if day < today:
                _remove_if_forgotten(folder)

    def join(self, *, today: date | None = None) -> None:
        """Joins small files of a day into larger ones, sorted by target day, so that little of them is looked at."""
        today = today or datetime.now(UTC).date()
        few_bytes = [stored for stored in self.files() if stored.size < JOINED_BYTES // 2]
        known = self._rows
        rows = self._rows = {
            stored.path: known[stored.path] if stored.path in known else _rows_in(stored.path) for stored in few_bytes
        }
        few_rows = (stored for stored in few_bytes if rows[stored.path] < JOINED_ROWS // 2)
        for day, group in groupby(few_rows, key=lambda stored: stored.day):
            small = list(group)
            if len(small) < (2 if day < today else JOIN_TODAY_FROM):
                continue
            with _claimed(small[0].path.with_name(".joining")) as mine:
                if mine:
                    for together in _groups(small, rows):
                        self._join(together, day)

    def _join(self, group: list[Stored], day: date) -> None:
        paths = [stored.path for stored in group]
        try:
            rows = pl.read_parquet(paths, hive_partitioning=False)
        except FileNotFoundError:  # another process gave one up
            return
        except UNREADABLE as error:
            if self._set_aside(paths):
                return  # the others are joined the next time
            raise pl.exceptions.ComputeError(f"{type(error).__name__}: {error}") from error
        # Not lazily: the same in a query took 700 MB for 300,000 rows, and four times as long.
        self.write(rows.unique(ROW, keep="any", maintain_order=True).sort("day", "store", "sku"), day)
        for stored in group:
            stored.path.unlink(missing_ok=True)

    def _set_aside(self, paths: list[Path]) -> int:
        """Renames the damaged ones, and counts them. Reads files as a whole only if all of them end as they should."""
        damaged = [path for path in paths if not _has_both_ends(path)]
        damaged = damaged or [path for path in paths if not _is_readable(path)]
        for path in damaged:
            try:
                path.rename(path.with_suffix(DAMAGED))
            except FileNotFoundError:  # another process was quicker
                continue
            self.damaged.inc()
            log.error("prediction_log.damaged_file", path=str(path.with_suffix(DAMAGED)))
        return len(damaged)

    def _kept(self) -> list[Stored]:
        """All whole files, and those that were set aside, oldest first."""
        return sorted(
            Stored(day, status.st_mtime_ns, path, status.st_size)
            for day, folder in self._days()
            for path, status in _listed(folder)
            if path.suffix in (".parquet", DAMAGED)
        )

    def _days(self) -> list[tuple[date, Path]]:
        try:
            folders = [Path(entry.path) for entry in os.scandir(self.folder) if entry.is_dir()]
        except FileNotFoundError:
            return []
        found = []
        for folder in folders:
            name, _, day = folder.name.partition("=")
            try:
                found.append((date.fromisoformat(day if name == "day" else ""), folder))
            except ValueError:  # not one of ours
                continue
        return sorted(found)


def each_once(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows without those that a crash, or a reader who was quick, saw twice."""
    return rows.unique(ROW, keep="any", maintain_order=True)


def _has_both_ends(path: Path) -> bool:
    """Whether this may be a whole parquet file; a file that is gone by now is not damaged."""
    try:
        with path.open("rb") as opened:
            first = opened.read(len(MAGIC))
            opened.seek(-min(len(MAGIC), path.stat().st_size), os.SEEK_END)
            return first == opened.read() == MAGIC
    except FileNotFoundError:
        return True


def _is_readable(path: Path) -> bool:
    try:
        pl.read_parquet(path, hive_partitioning=False)
    except FileNotFoundError:
        return True
    except UNREADABLE:
        return False
    return True


def _groups(files: list[Stored], rows_of: Mapping[Path, int]) -> Iterator[list[Stored]]:
    """Two files or more at a time, up to `JOINED_BYTES` and `JOINED_ROWS` together."""
    group, size, rows = list[Stored](), 0, 0
    for stored in files:
        more = rows_of[stored.path]
        if group and (size + stored.size > JOINED_BYTES or rows + more > JOINED_ROWS):
            if len(group) > 1:
                yield group
            group, size, rows = [], 0, 0
        group.append(stored)
        size, rows = size + stored.size, rows + more
    if len(group) > 1:
        yield group


def _rows_in(path: Path) -> int:
    """As the end of the file tells; 0 of one that is gone or damaged, which is seen to when it is read."""
    try:
        return int(pl.scan_parquet(path, hive_partitioning=False).select(pl.len()).collect().item())
    except (FileNotFoundError, *UNREADABLE):
        return 0


def _listed(folder: Path) -> list[tuple[Path, os.stat_result]]:
    found = []
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return []
    for entry in entries:
        try:
            found.append((Path(entry.path), entry.stat()))
        except FileNotFoundError:
            continue
    return found


def _remove_if_forgotten(folder: Path) -> None:
    """One that is empty, but not one that was just made for a file."""
    with suppress(OSError):  # not empty, or gone
        if time.time() - folder.stat().st_mtime > FORGOTTEN_AFTER_S:
            folder.rmdir()


@contextmanager
def _claimed(path: Path) -> Iterator[bool]:
    """Whether this process alone may go on; a claim of one that died is removed by `tidy` in time."""
    try:
        path.touch(exist_ok=False)
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)
