"""The search of all files, in a process of its own.

Whoever closes a file gives up every lock of its process on it, also those that SQLite holds there (sqlite.org,
"How To Corrupt An SQLite Database File", 2.2): a service that read its own state file as bytes would corrupt it. And a
search through gigabytes holds the interpreter for longer than a request may take.
"""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from common.erasing.person import Person
from common.erasing.scan import Found, Wanted, files_with, scan_files

WITHIN_S = 3 * 3600.0


def look(folder: Path, wanted: Wanted) -> Found:
    """What `scan_files` finds there. Blocks, for minutes if there are many gigabytes; `OSError` if it can't be told."""
    return Found(**_told(folder, wanted, None))


def look_for_files(folder: Path, wanted: Wanted, *, except_in: Collection[Path]) -> list[tuple[Path, bool]]:
    """Likewise what `files_with` finds: files, and whether each is a database, to be opened by a connection only."""
    told = _told(folder, wanted, [str(path) for path in except_in])
    return [(Path(path), is_database) for path, is_database in told]


def _told(folder: Path, wanted: Wanted, except_in: list[str] | None) -> Any:
    asked = {
        "except_in": except_in,
        "people": [(person.id, person.hash) for person in wanted.people],
        "pieces": [b64encode(piece).decode() for piece in wanted.pieces],
    }
    command = [sys.executable, "-m", __name__, str(folder)]  # who is looked for goes where nobody sees it: not here
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and module
            command, input=json.dumps(asked).encode(), stdout=subprocess.PIPE, check=True, timeout=WITHIN_S
        )
    except subprocess.SubprocessError as error:
        raise OSError(f"the search of files did not end well: {type(error).__name__}") from error
    return json.loads(done.stdout)


def main() -> None:
    """Reads from standard input whom to look for, and writes what was found to standard output."""
    asked = json.load(sys.stdin)
    people = [Person(user_id, digest) for user_id, digest in asked["people"]]
    wanted = Wanted(people, [b64decode(piece) for piece in asked["pieces"]])
    folder, except_in = Path(sys.argv[1]), asked["except_in"]
    if except_in is None:
        json.dump(asdict(scan_files(folder, wanted)), sys.stdout)
    else:
        files = files_with(folder, wanted, except_in=[Path(path) for path in except_in])
        json.dump([(str(path), is_database) for path, is_database in files], sys.stdout)


if __name__ == "__main__":
    main()
