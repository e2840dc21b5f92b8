"""The graph of the index in a file, so that a start need not make it anew. The truth is in the database, not here.

A file is one line of JSON, a key for each code, and FAISS's own bytes. It is written beside its place and moved there
whole, so that any number of processes may share the folder. What is damaged, or was made by another version of
anything, is told and not used: the graph is then made anew from the vectors in the database.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import faiss
import numpy as np
import structlog

from common.durable import sync_folder
from photostock.index.segment import Segment
from photostock.index.vectors import INDEX_VERSION

KEY_BYTES = 16
NO_KEY = bytes(KEY_BYTES)  # of a place whose photo is gone
LONGEST_HEADER_BYTES = 4_096
FILES_KEPT = 2  # so that going back to the encoder before is quick, too
LEFT_OVER_S = 86_400  # the age of a half-written file whose process must be dead, also if the clock jumped
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KeptGraph:
    """What a file holds: an index, and for each of its codes the key of the text that it stands for."""

    index: faiss.Index
    keys: list[bytes]


class GraphFiles:
    """A folder with a file for each of the last encoder versions."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, encoder_version: str, graph: Segment, keys: Sequence[bytes]) -> None:
        """Durable when it returns; a disk that is full or gone is told and costs nothing but time at the next start."""
        body: list[bytes | memoryview] = [b"".join(keys), memoryview(faiss.serialize_index(graph.index).data)]
        header = _bound_to(encoder_version, graph.codes.shape[1]) | {"photos": len(keys), "sha256": _digest(body)}
        place = self._place(encoder_version)
        unfinished = place.with_suffix(f".{uuid4().hex}.tmp")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._clean(place)
            with unfinished.open("wb") as file:
                file.writelines([json.dumps(header).encode() + b"\n", *body])
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(place)
            sync_folder(self._folder)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            log.warning("index.file_not_written", error=type(error).__name__)
        else:
            log.info("index.file_written", encoder=encoder_version, photos=len(keys))

    def load(self, encoder_version: str, dimensions: int) -> KeptGraph | None:
        """The newest graph of this encoder, or None if there is no file that can be trusted."""
        try:
            with self._place(encoder_version).open("rb") as file:
                header = json.loads(file.readline(LONGEST_HEADER_BYTES))
                body = np.fromfile(file, dtype=np.uint8)
            return _kept(header, body, _bound_to(encoder_version, dimensions))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:  # FAISS raises the last one
            log.warning("index.file_refused", encoder=encoder_version, error=f"{type(error).__name__}: {error}"[:200])
            return None

    def _place(self, encoder_version: str) -> Path:
        return self._folder / f"{hashlib.sha256(encoder_version.encode()).hexdigest()[:16]}.graph"

    def _clean(self, place: Path) -> None:
        """Room for the file that comes: all but the newest others go, and what the dead left half-written."""
        others = sorted(_by_age(path for path in self._folder.glob("*.graph") if path != place), reverse=True)
        left_over = [one for one in _by_age(self._folder.glob("*.tmp")) if one[0] < time.time() - LEFT_OVER_S]
        for _, path in [*others[FILES_KEPT - 1 :], *left_over]:
            path.unlink(missing_ok=True)


def _kept(header: dict[str, Any], body: Any, bound_to: dict[str, Any]) -> KeptGraph:
    if foreign := [name for name, value in bound_to.items() if header[name] != value]:
        raise ValueError(f"made by another {', '.join(foreign)}")
    if header["sha256"] != _digest([memoryview(body.data)]):
        raise ValueError("the bytes are not those that were written")
    size = int(header["photos"]) * KEY_BYTES
    index = faiss.deserialize_index(body[size:])
    if not isinstance(index, faiss.IndexHNSW) or (index.ntotal, index.d) != (header["photos"], header["dimensions"]):
        raise ValueError("it holds something else than its header says")
    keys = body[:size].tobytes()
    return KeptGraph(index, [keys[start : start + KEY_BYTES] for start in range(0, size, KEY_BYTES)])


def _bound_to(encoder_version: str, dimensions: int) -> dict[str, Any]:
    return {"index": INDEX_VERSION, "faiss": faiss.__version__, "encoder": encoder_version, "dimensions": dimensions}


def _digest(parts: Sequence[bytes | memoryview]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _by_age(paths: Any) -> list[tuple[float, Path]]:
    """With the time of the last change; one that another process took away meanwhile is left out."""
    aged = []
    for path in paths:
        try:
            aged.append((path.stat().st_mtime, path))
        except FileNotFoundError:
            continue
    return aged
