"""How long alerts were not repeated, by a clock that nobody moves, and only while somebody was there to be told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

LOOKS_WITHIN_S = 60.0  # after a longer gap, of the database or of this process, everything counts as just seen
Seen = tuple[str, str, str]  # fingerprint, start, and when it was last told


class Silence:
    """To be asked often. Wall time says nothing: it may jump."""

    def __init__(self, steady_s: Callable[[], float] = time.monotonic) -> None:
        self._steady_s = steady_s
        self._since: dict[Seen, float] = {}
        self._looked_s = steady_s()

    def of(self, firing: Iterable[Seen], *, longer_than_s: float) -> list[Seen]:
        """Those of these that are as they were for so long."""
        now = self._steady_s()
        before = self._since if now - self._looked_s <= LOOKS_WITHIN_S else {}
        self._looked_s, self._since = now, {one: before.get(one, now) for one in firing}
        return [one for one, since in self._since.items() if now - since >= longer_than_s]
