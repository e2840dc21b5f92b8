"""The overrides in force, in memory, in the shape in which a service looks them up.

A change by another process is seen when the database tells a new revision; then only what is new is read. An end needs
no database: who ended is left out as soon as it is over, also while the database is away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import Generic, TypeVar

from common.state.overrides import Override, OverrideStore, iso
from common.state.snapshot import Snapshot

LOOK_EVERY_MS = 250  # for a change by another process: one number is read
READ_ANYWAY_S = 300.0  # the ids of all: some ten milliseconds, where there are thousands

Made = TypeVar("Made")


class LiveOverrides(Generic[Made]):
    """`value` is what `make` made of the overrides in force; made anew only when one came, went or ended.

    Args:
        make: of all in force, the oldest first; runs in a thread. What it makes is shared by all requests.
    """

    def __init__(self, store: OverrideStore, make: Callable[[Sequence[Override]], Made]) -> None:
        self.store = store
        self._make = make
        self._refreshing = Lock()  # else what was read before a change could come after what was read since
        self._revision = -1
        self._read_again_s = 0.0  # Unix time
        self._first_end = ""
        self._snapshot = Snapshot[tuple[list[Override], Made]]("overrides", self._read, first=([], make([])))

    @property
    def value(self) -> Made:
        return self._snapshot.value[1]

    @property
    def all(self) -> list[Override]:
        """Those in force, the oldest first."""
        now = iso(datetime.now(UTC))
        return [override for override in self._snapshot.value[0] if now < override.ends_at]

    @property
    def trouble(self) -> str | None:
        """Why a change that was made elsewhere may not be seen here."""
        return self._snapshot.trouble

    def refresh(self) -> None:
        """Looks whether anything has changed; for worker threads and for the start."""
        with self._refreshing:
            if self._first_end and self._first_end <= iso(datetime.now(UTC)):
                self._snapshot.value = self._made(self.all)
            self._snapshot.refresh()

    def _read(self) -> tuple[list[Override], Made]:
        revision, now_s = self.store.revision(), time.time()
        if revision == self._revision and now_s < self._read_again_s:
            return self._snapshot.value
        known = {override.id: override for override in self._snapshot.value[0]}
        found = self.store.in_force(now=datetime.fromtimestamp(now_s, UTC), known=known)
        changed = found != self._snapshot.value[0]
        made = self._made(found) if changed else self._snapshot.value
        self._read_again_s = now_s + READ_ANYWAY_S
        self._revision = revision
        return made

    def _made(self, found: list[Override]) -> tuple[list[Override], Made]:
        made = found, self._make(found)
        self._first_end = min((override.ends_at for override in found), default="")
        return made
