"""The last search texts, for previews of hints: text only, in memory, bounded, gone with the process."""

from __future__ import annotations

from collections import deque

MOST_RECENT = 500


class RecentQueries:
    """Kept by one process for itself; any number of threads."""

    def __init__(self, *, most: int = MOST_RECENT) -> None:
        self._queries: deque[str] = deque(maxlen=most)

    def note(self, query: str) -> None:
        self._queries.append(query)

    def newest(self) -> list[str]:
        """Each text once, the newest first."""
        return list(dict.fromkeys(reversed(self._queries.copy())))

    def forget(self) -> None:
        """All of them."""
        self._queries.clear()
