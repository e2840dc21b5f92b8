"""What is kept of answers so that they can be made again: one SQLite file, bounded in size and age.

Records are small. What many of them share (a photo's texts, what the index found) lies beside them once, under the
digest of its content, and goes when nobody has needed it for as long as records are kept.
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

STORE_FILE = "replays.sqlite3"
BUSY_TIMEOUT_S = 5.0
DIGEST_BYTES = 16
AT_A_TIME = 1_000  # records that are given up, or looked at, in one transaction
SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    number INTEGER PRIMARY KEY, request_id TEXT NOT NULL, at TEXT NOT NULL, caller TEXT NOT NULL,
    endpoint TEXT NOT NULL, digest BLOB NOT NULL, bytes INTEGER NOT NULL, told BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS records_by_id ON records (request_id);
CREATE INDEX IF NOT EXISTS records_by_time ON records (at);
CREATE TABLE IF NOT EXISTS shared (
    digest BLOB PRIMARY KEY, subject TEXT NOT NULL, day TEXT NOT NULL, content BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS shared_by_subject ON shared (subject);
CREATE INDEX IF NOT EXISTS shared_by_day ON shared (day);
"""


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

    def __init__(self, path: Path, *, most_bytes: int, most_days: int) -> None:
        self.path = path
        self._most_bytes = most_bytes
        self._most_days = most_days

    def write(self, records: Sequence[Record], shared: Sequence[Shared], *, today: str) -> None:
        """All of them, or none."""
        rows = [
            (one.request_id, one.at, one.caller, one.endpoint, one.digest, one.length, packed(as_json(one.told)))
            for one in records
        ]
        kept = [(one.digest, one.subject, today, packed(one.content)) for one in shared]
        put = "INSERT INTO shared VALUES (?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET day = excluded.day"
        names = "request_id, at, caller, endpoint, digest, bytes, told"
        with self._open() as database:
            database.executemany(put, kept)
            database.executemany(f"INSERT INTO records ({names}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)  # noqa: S608  a constant

    def find(self, request_id: str) -> Record | None:
        """The last one of this id."""
        query = "SELECT * FROM records WHERE request_id = ? ORDER BY number DESC LIMIT 1"
        with self._open() as database:
            row = database.execute(query, (request_id,)).fetchone()
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
            for row in database.execute(query, (_iso(self._oldest(datetime.now(UTC))),)):
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
        """Gives up what is too old or too much, the oldest first."""
        oldest = self._oldest(now or datetime.now(UTC))
        with self._open() as database:
            database.execute("DELETE FROM records WHERE at < ?", (_iso(oldest),))
        while self._used_bytes() > self._most_bytes:
            with self._open() as database:
                some = "SELECT number FROM records ORDER BY number LIMIT ?"
                gone = database.execute(f"DELETE FROM records WHERE number IN ({some})", (AT_A_TIME,)).rowcount  # noqa: S608  a constant
                self._drop_unneeded(database, oldest)
            if not gone:
                break
        with self._open() as database:
            self._drop_unneeded(database, oldest)
        self._overwrite()

    def _oldest(self, now: datetime) -> datetime:
        return now - timedelta(days=self._most_days)

    def _drop_unneeded(self, database: sqlite3.Connection, oldest: datetime) -> None:
        """What is shared, and older than every record that could name it."""
        first = database.execute("SELECT min(at) FROM records").fetchone()[0] or _iso(oldest)
        database.execute("DELETE FROM shared WHERE day < ?", (max(first, _iso(oldest))[:10],))

    def _used_bytes(self) -> int:
        with self._open() as database:
            pages, free, size = (
                database.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        return int((pages - free) * size)

    def _overwrite(self) -> None:
        """Nothing that was deleted stays readable in the file or beside it."""
        with closing(self._connected()) as database:
            database.execute("PRAGMA incremental_vacuum")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        with closing(self._connected()) as database, database:
            yield database

    def _connected(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = not self.path.exists()
        database = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S)
        database.row_factory = sqlite3.Row
        if new:
            database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA secure_delete = ON")
        database.executescript(SCHEMA)
        return database


def versions_needed(var_dir: Path, *, most_days: int) -> dict[str, set[str]]:
    """By component, versions that answers of the last days need to be made again, of all services here. Blocks."""
    found: dict[str, set[str]] = {}
    for path in sorted(var_dir.glob(f"*/replays/{STORE_FILE}")):
        for component, versions in ReplayStore(path, most_bytes=0, most_days=most_days).versions().items():
            found.setdefault(component, set()).update(versions)
    return found


def as_json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()  # in the order given: answers have theirs from here


def digest_of(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def packed(content: bytes) -> bytes:
    return zlib.compress(content, 6)


def unpacked(content: bytes) -> bytes:
    return zlib.decompress(content)


def _record(row: sqlite3.Row) -> Record:
    told = json.loads(unpacked(row["told"]))
    return Record(row["request_id"], row["at"], row["caller"], row["endpoint"], row["digest"], row["bytes"], told)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
