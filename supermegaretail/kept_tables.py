"""Table files that were imported over or folded, for as long as somebody may want to know what was known then.

A kept file is a second name for the same bytes: as long as it is the table of today it takes no room.
"""

from __future__ import annotations

import os
import time
from itertools import pairwise
from pathlib import Path

DAY_S = 86_400


class KeptTables:
    """The files in `folder`: of those that are not the table of today, at most `most_bytes`, for `most_days`."""

    def __init__(self, folder: Path, *, most_bytes: int, most_days: int) -> None:
        self.folder = folder
        self._most_bytes = most_bytes
        self._most_days = most_days

    def keep(self, table: Path) -> str | None:
        """The name under which this table is kept; None where there is none, or no room for a name."""
        aside = self.folder / f".{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            aside.unlink(missing_ok=True)
            os.link(table, aside)  # first: another table may take its name at any moment
            status = aside.stat()
            name = f"{status.st_mtime_ns}-{status.st_size}.parquet"
            aside.replace(self.folder / name)
            aside.unlink(missing_ok=True)  # it is still there where both were names of the same file already
        except OSError:
            return None
        return name

    def find(self, name: str) -> Path | None:
        path = self.folder / name
        return path if path.exists() else None

    def tidy(self) -> None:
        """Drops those that were replaced too long ago or are too much, the oldest first; `OSError`."""
        if not self.folder.exists():
            return
        files = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in self.folder.glob("*.parquet"))
        left = sum(size for _, size, _ in files[:-1])
        for (_, size, path), (replaced_s, _, _) in pairwise(files):
            if left > self._most_bytes or replaced_s < time.time() - self._most_days * DAY_S:
                path.unlink(missing_ok=True)
                left -= size
