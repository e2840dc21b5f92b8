"""The overrides in force, in memory, in the shape in which a service looks them up.

A change by another process is seen when the database tells a new revision; then only what is new is read. An end needs
no database: who ended is left out as soon as it is over, also while the database is away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Generic, TypeVar

from common.chain.switches import Clock, utc_now
from common.state.overrides import Override, OverrideStore, iso
from common.state.snapshot import Snapshot

LOOK_EVERY_MS = 250  # for a change by another process: one number is read
READ_ANYWAY = timedelta(minutes=5)  # the ids of all: some ten milliseconds, where there are thousands

Made = TypeVar("Made")


class LiveOverrides(Generic[Made]):
    """`value` is what `make` made of the overrides in force; made anew only when one came, went or ended.

    Args:
        make: of all in force, the oldest first; runs in a thread. What it makes is shared by all requests.
    """

    def __init__(
        self, store: OverrideStore, make: Callable[[Sequence[Override]], Made], *, clock: Clock = utc_now
    ) -> None:
        self.store = store
        self.make = make
        self._clock = clock
        self._refreshing = Lock()  # else what was read before a change could come after what was read since
        self._revision, self._afresh = -1, False
        self._read_at = datetime.min.replace(tzinfo=UTC)
        self._first_end = ""
        self._snapshot = Snapshot[tuple[list[Override], Made]]("overrides", self._read, first=([], make([])))

    @property
    def value(self) -> Made:
        return self._snapshot.value[1]

    @property
    def all(self) -> list[Override]:
        """Those in force, the oldest first."""
        now = iso(self._clock())
        return [override for override in self._snapshot.value[0] if now < override.ends_at]

    @property
    def trouble(self) -> str | None:
        """Why a change that was made elsewhere may not be seen here."""
        return self._snapshot.trouble

    def refresh(self) -> None:
        """Looks whether anything has changed; for worker threads and for the start."""
        with self._refreshing:
            if self._first_end and self._first_end <= iso(self._clock()):
                self._revision = -1  # what ended by a clock that is wrong has to be found again
                self._snapshot.value = self._made(self.all)
            self._snapshot.refresh()

    def read_afresh(self) -> None:
        """Also what is known already: its texts were changed where they are stored."""
        with self._refreshing:
            self._revision, self._afresh = -1, True
            self._snapshot.refresh()

    def _read(self) -> tuple[list[Override], Made]:
        revision, now = self.store.revision(), self._clock()
        lately = self._read_at <= now < self._read_at + READ_ANYWAY  # not if the clock was put back since
        if lately and revision == self._revision:
            return self._snapshot.value
        known = {} if self._afresh else {override.id: override for override in self._snapshot.value[0]}
        found = self.store.in_force(now=now, known=known)
        changed = self._afresh or found != self._snapshot.value[0]
        made = self._made(found) if changed else self._snapshot.value
        self._read_at, self._revision, self._afresh = now, revision, False
        return made

    def _made(self, found: list[Override]) -> tuple[list[Override], Made]:
        made = found, self.make(found)
        self._first_end = min((override.ends_at for override in found), default="")
        return made
