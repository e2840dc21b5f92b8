"""Answers that are kept to be made again: those that show or name a person go, and so does what they share."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from common.erasing.person import Person, naming_any
from common.replay.store import AT_A_TIME, ReplayStore, as_json, unpacked


def forgotten(path: Path, people: Sequence[Person], is_erased: Callable[[Sequence[str]], set[str]]) -> int:
    """How many records and shared parts went from this file; 0 where there is none.

    Args:
        is_erased: of the subjects of shared parts, those that were erased.
    """
    if not path.exists():
        return 0
    store = ReplayStore(path, most_bytes=0, most_days=1)  # its bounds are for who writes
    names = naming_any(people)
    gone = store.purge(lambda record: names(record.caller, "caller") or names(as_json(record.told).decode()))
    with closing(sqlite3.connect(path)) as database:
        subjects = [row[0] for row in database.execute("SELECT DISTINCT subject FROM shared")]
        every = database.execute("SELECT digest, subject, content FROM shared")
        named = [row[0] for row in every if names(row[1]) or names(unpacked(row[2]).decode())]
    gone += store.forget(sorted(is_erased(subjects)))
    for start in range(0, len(named), AT_A_TIME):
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("PRAGMA secure_delete=ON")
            rows = [(digest,) for digest in named[start : start + AT_A_TIME]]
            gone += database.executemany("DELETE FROM shared WHERE digest = ?", rows).rowcount
    if named:
        store.purge(lambda _record: False)  # empties its log
    return gone
