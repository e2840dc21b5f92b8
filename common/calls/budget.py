"""One budget for all requests that nobody asked for: retries, hedges and shadows together.

Each of them helps while few are sent, and together they are what finishes off an upstream that is short of breath. So
each real call earns a fraction of an extra one, and what was not earned is not sent.
"""

from __future__ import annotations


class ExtraBudget:
    """Counts what was earned and spent, for one event loop.

    Args:
        share: extra requests per real one; 0.2 lets the upstream see at most a fifth more than it would.
        burst: what can be saved up, and what there is at the start.
    """

    def __init__(self, *, share: float = 0.2, burst: float = 10) -> None:
        self._share = share
        self._burst = burst
        self._saved = burst

    def earn(self) -> None:
        """A real call is made."""
        self._saved = min(self._burst, self._saved + self._share)

    def spend(self) -> bool:
        """Whether an extra request may be sent; if so it is paid for."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True
