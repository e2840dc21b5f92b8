"""What is kept of answers so that they can be made again: one SQLite file, bounded in size and age.

Records are small. What many of them share (a photo's texts, what the index found) lies beside them once, under the
digest of its content, with the number of the last record that was written with it: records go in the order of their
numbers, so that it goes with that one.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic_core import to_json

STORE_FILE = "replays.sqlite3"
BUSY_TIMEOUT_S = 5.0
DIGEST_BYTES = 16
AT_A_TIME = 1_000  # records that are given up, or looked at, in one transaction
FORMAT = 2  # of the tables and of what is told in them: a file of another one is begun anew
SCHEMA = (
    "DROP TABLE IF EXISTS records",
    "DROP TABLE IF EXISTS shared",
    """CREATE TABLE records (
    number INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL, at TEXT NOT NULL, caller TEXT NOT NULL,
    endpoint TEXT NOT NULL, digest BLOB NOT NULL, bytes INTEGER NOT NULL, told BLOB NOT NULL)""",
    "CREATE INDEX records_by_id ON records (request_id)",
    "CREATE INDEX records_by_time ON records (at)",
    """CREATE TABLE shared (
    digest BLOB PRIMARY KEY, subject TEXT NOT NULL, last INTEGER NOT NULL, content BLOB NOT NULL) WITHOUT ROWID""",
    "CREATE INDEX shared_by_subject ON shared (subject)",
    "CREATE INDEX shared_by_last ON shared (last)",
    f"PRAGMA user_version = {FORMAT}",
)


@dataclass(frozen=True, slots=True)
class Record:
    """One answer: who asked where and when (UTC, ISO 8601), the digest and length of its bytes, and how it was made."""

    request_id: str
    at: str
    caller: str
    endpoint: str
    digest: bytes
    length: int
    told: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shared:
    """Something that many records name by its digest. `subject` is whom it is about, so that it can be forgotten."""

    digest: bytes
    subject: str
    content: bytes

    @classmethod
    def of(cls, document: Any, *, subject: str = "") -> Shared:
        content = as_json(document)
        return cls(digest_of(content), subject, content)


class ReplayStore:
    """Every method blocks, and may raise `sqlite3.Error` or `OSError`: for worker threads."""

    def __init__(self, path: Path, *, most_bytes: int, most_days: int, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.path = path
        self._most_bytes = most_bytes
        self._most_days = most_days
        self._busy_timeout_s = busy_timeout_s
        self._owed = False  # what was forgotten is still beside the file

    def write(self, records: Sequence[Record], shared: Sequence[Shared]) -> None:
        """All of them, or none; what is shared is kept until the last of these records goes."""
        rows = [
            (one.request_id, one.at, one.caller, one.endpoint, one.digest, one.length, packed(as_json(one.told)))
            for one in records
        ]
        names = "request_id, at, caller, endpoint, digest, bytes, told"
        with self._open() as database:
            database.executemany(f"INSERT INTO records ({names}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)  # noqa: S608  a constant
            [last] = database.execute("SELECT coalesce(max(number), 0) FROM records").fetchone()
            again = "UPDATE shared SET last = ? WHERE digest = ?"  # most of it is there: it is not packed again
            new = [one for one in shared if not database.execute(again, (last, one.digest)).rowcount]
            put = "INSERT OR IGNORE INTO shared VALUES (?, ?, ?, ?)"
            database.executemany(put, [(one.digest, one.subject, last, packed(one.content)) for one in new])

    def find(self, request_id: str, *, now: datetime | None = None) -> Record | None:
        """The last one of this id, if it is not too old."""
        query = "SELECT * FROM records WHERE request_id = ? AND at >= ? ORDER BY number DESC LIMIT 1"
        with self._open() as database:
            row = database.execute(query, (request_id, _iso(self._oldest(now)))).fetchone()
        return None if row is None else _record(row)

    def shared(self, digest: str) -> Any:
        """What lies under this digest, in hexadecimal; `KeyError` if it is not kept any more."""
        with self._open() as database:
            row = database.execute("SELECT content FROM shared WHERE digest = ?", (bytes.fromhex(digest),)).fetchone()
        if row is None:
            raise KeyError(digest)
        return json.loads(unpacked(row[0]))

    def forget(self, subjects: Sequence[str]) -> int:
        """What is shared and about these subjects is gone from the disk when it returns; how much that was."""
        with self._open() as database:
            rows = [(subject,) for subject in subjects]
            gone = database.executemany("DELETE FROM shared WHERE subject = ?", rows).rowcount
        self._overwrite()
        return gone

    def subjects(self) -> list[str]:
        """Whom something that is shared is about."""
        with self._open() as database:
            query = "SELECT DISTINCT subject FROM shared WHERE subject != ''"
            return [row[0] for row in database.execute(query)]

    def versions(self) -> dict[str, set[str]]:
        """By component, those that some answer of these days was made with; reads every record."""
        found: dict[str, set[str]] = {}
        with self._open() as database:
            query = "SELECT told FROM records WHERE at >= ?"
            for row in database.execute(query, (_iso(self._oldest()),)):
                for component, version in json.loads(unpacked(row[0])).get("versions", {}).items():
                    found.setdefault(component, set()).add(version)
        return found

    def purge(self, unwanted: Callable[[Record], bool]) -> int:
        """Likewise all records that `unwanted` says so of; looks at every one."""
        gone, after = 0, 0
        while True:
            with self._open() as database:
                query = "SELECT * FROM records WHERE number > ? ORDER BY number LIMIT ?"
                rows = database.execute(query, (after, AT_A_TIME)).fetchall()
                numbers = [(row["number"],) for row in rows if unwanted(_record(row))]
                database.executemany("DELETE FROM records WHERE number = ?", numbers)
            gone += len(numbers)
            if len(rows) < AT_A_TIME:
                break
            after = rows[-1]["number"]
        self._overwrite()
        return gone

    def tidy(self, now: datetime | None = None) -> None:
        """Gives up what is too old or too much, the oldest first; while somebody reads, it may leave the file later."""
        with self._open() as database:
            database.execute("DELETE FROM records WHERE at < ?", (_iso(self._oldest(now)),))
            self._drop_unneeded(database)
        while (used := self._used_bytes()) > self._most_bytes:
            with self._open() as database:
                [kept] = database.execute("SELECT count(*) FROM records").fetchone()
                too_many = min(AT_A_TIME, int(kept * (1 - self._most_bytes / used)) + 1)
                some = "SELECT number FROM records ORDER BY number LIMIT ?"
                database.execute(f"DELETE FROM records WHERE number IN ({some})", (too_many,))  # noqa: S608  a constant
                self._drop_unneeded(database)
            if not kept:
                break
        if self._owed:
            self._overwrite()
        else:
            self._given_back()

    def _oldest(self, now: datetime | None = None) -> datetime:
        return (now or datetime.now(UTC)) - timedelta(days=self._most_days)

    @staticmethod
    def _drop_unneeded(database: sqlite3.Connection) -> None:
        """What no record that is left was written with."""
        [first] = database.execute("SELECT min(number) FROM records").fetchone()
        database.execute("DELETE FROM shared WHERE last < ? OR ? IS NULL", (first, first))

    def _used_bytes(self) -> int:
        with self._open() as database:
            pages, free, size = (
                database.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        return int((pages - free) * size)

    def _overwrite(self) -> None:
        """Nothing that was deleted stays readable in the file or beside it."""
        self._owed = not self._given_back()
        if self._owed:
            raise sqlite3.OperationalError("somebody reads, so that what was deleted is still beside the file")

    def _given_back(self) -> bool:
        """Free room, to the system; False if somebody reads, and it has to be done later."""
        with closing(self._connected()) as database:
            database.executescript("PRAGMA incremental_vacuum")  # `execute` takes one step only, which frees one page
            [busy, *_] = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        with closing(self._connected()) as database, database:
            yield database

    def _connected(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = not self.path.exists()
        database = sqlite3.connect(self.path, timeout=self._busy_timeout_s)
        database.row_factory = sqlite3.Row
        if new:
            database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA secure_delete = ON")
        if not _in_format(database):
            with database:
                database.execute("BEGIN IMMEDIATE")
                for statement in () if _in_format(database) else SCHEMA:  # another may have done it meanwhile
                    database.execute(statement)
        return database


def versions_needed(var_dir: Path, *, most_days: int) -> dict[str, set[str]]:
    """By component, versions that answers of the last days need to be made again, of all services here. Blocks."""
    found: dict[str, set[str]] = {}
    for path in sorted(var_dir.glob(f"*/replays/{STORE_FILE}")):
        for component, versions in ReplayStore(path, most_bytes=0, most_days=most_days).versions().items():
            found.setdefault(component, set()).update(versions)
    return found


def _in_format(database: sqlite3.Connection) -> bool:
    return bool(database.execute("PRAGMA user_version").fetchone()[0] == FORMAT)


def as_json(document: Any) -> bytes:
    """In the order given: answers have theirs from here. An eighth of the time that `json.dumps` takes for a search."""
    return to_json(document, inf_nan_mode="constants")


def digest_of(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def packed(content: bytes) -> bytes:
    # Windows of 4 KiB: to make room for the usual ones takes five times as long as a photo's 300 bytes.
    packing = zlib.compressobj(6, zlib.DEFLATED, 12, 5)
    return packing.compress(content) + packing.flush()


def unpacked(content: bytes) -> bytes:
    return zlib.decompress(content)


def _record(row: sqlite3.Row) -> Record:
    told = json.loads(unpacked(row["told"]))
    return Record(row["request_id"], row["at"], row["caller"], row["endpoint"], row["digest"], row["bytes"], told)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
