"""Pictures as files, named by a digest of what they hold and of their photo: written once, never changed.

The photo in the catalogue names its file. So the file comes first and goes last, and what nobody names any more is
swept up.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Collection
from pathlib import Path

import structlog

from common.durable import put_in_place, sync_folder

log = structlog.get_logger(__name__)
DIGEST = re.compile(r"[0-9a-f]{64}")
MOST_SWEPT = 100  # files at a start
SWEPT_AFTER_S = 86_400.0  # a younger file may be one whose photo is about to be written, also if the clock jumped


class PictureStore:
    """One folder; safe for many threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, photo_id: str, jpeg: bytes) -> str:
        """Durable when it returns the digest. The id is part of it, so that no two photos share a file."""
        digest = hashlib.sha256(photo_id.encode() + b"\0" + jpeg).hexdigest()
        path = self._path(digest)
        with put_in_place(path) as draft:
            draft.write_bytes(jpeg)
        sync_folder(self._folder)
        return digest

    def read(self, digest: str) -> bytes:
        """The JPEG; `OSError` if it is not there."""
        return self._path(digest).read_bytes()

    def discard(self, digest: str) -> None:
        """Erases a picture; one that is not there is ignored."""
        self._path(digest).unlink(missing_ok=True)

    def sweep(self, named: Collection[str]) -> int:
        """Erases old files that no photo names, left by a crash between two steps; how many were erased.

        So many can't be from crashes: then this is another database's folder, and nothing is erased.
        """
        limit_s = time.time() - SWEPT_AFTER_S
        left = [path for path in self._folder.glob("??/*") if path.stem not in named and _changed_s(path) < limit_s]
        if len(left) > MOST_SWEPT:
            log.warning("picture.not_swept", files=len(left))
            return 0
        try:
            for path in left:
                path.unlink(missing_ok=True)
        except OSError as error:  # tidying is no reason not to start
            log.warning("picture.not_swept", files=len(left), error=type(error).__name__)
            return 0
        return len(left)

    def _path(self, digest: str) -> Path:
        if not DIGEST.fullmatch(digest):
            raise ValueError(f"{digest[:64]!r} is no digest")
        return self._folder / digest[:2] / f"{digest}.jpg"


def _changed_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
