"""Who was erased, once more, in a file: so that a database that is put back from a copy forgets them again.

One JSON object a line, hashes only, with the key that they were made with; the file is for its owner's eyes. Lines of
earlier releases have no key: there it is in the last line before them that has one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, select

from common.durable import sync_folder
from common.state.database import create_tables, upsert
from common.state.erasures import keys, metadata
from common.state.preparing import prepare

HASHES_A_LINE = 500
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """A person, until when their events go, and things of theirs that may not come back; keyed hashes."""

    person: str
    erased_at: str
    things: Sequence[str]


class SecondCopy:
    """The file of one service; appended to by any number of processes, lines are never taken away."""

    def __init__(self, var_dir: Path, scope: str) -> None:
        self._path = var_dir / f"erased-{scope}.jsonl"

    def append(self, key: str, person: str, erased_at: str, things: Sequence[str]) -> None:
        """Durable when it returns."""
        pages = [things[start : start + HASHES_A_LINE] for start in range(0, len(things), HASHES_A_LINE)] or [[]]
        line = {"key": key, "person": person, "erased_at": erased_at}
        text = "".join(json.dumps(line | {"things": list(page)}) + "\n" for page in pages)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        number = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(number, "ab") as file:
            # After a line that a crash cut off comes a line of its own.
            file.write((b"" if self._ends_well() else b"\n") + text.encode())
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self._path.parent)

    def key(self) -> str | None:
        """The key of the hashes, if there is one: the newest, for a database that was lost may have had another."""
        found: str | None = None
        for one in self._objects():
            found = one.get("key", found)
        return found

    def lines(self, key: str) -> list[Line]:
        """Everybody hashed with this key, oldest first; a line that was cut off is passed over: it is not finished.

        Nobody in lines with other keys can be recognised here: these are of other databases.
        """
        found, others, its_key = list[Line](), 0, None
        for one in self._objects():
            its_key = one.get("key", its_key)
            if "person" in one and its_key == key:
                found.append(Line(one["person"], one["erased_at"], one["things"]))
            others += "person" in one and its_key != key
        if others:
            log.warning("erasure.of_other_databases", lines=others)
        return found

    def adopt_key(self, engine: Engine) -> None:
        """A database without a key, for it is new, takes this one: else nobody would be recognised."""
        create_tables(engine, metadata)
        prepare(engine, self._adopt)

    def _adopt(self, connection: Connection) -> None:
        if (key := self.key()) is not None and connection.execute(select(keys.c.key)).first() is None:
            new = upsert(connection.engine, keys).values(id=1, key=key)
            connection.execute(new.on_conflict_do_nothing())

    def _objects(self) -> Iterator[dict[str, Any]]:
        try:
            with self._path.open("rb") as file:
                for line in file:
                    try:
                        yield json.loads(line)
                    except ValueError:
                        continue
        except FileNotFoundError:
            return

    def _ends_well(self) -> bool:
        try:
            with self._path.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read(1) == b"\n"
        except OSError:
            return True
