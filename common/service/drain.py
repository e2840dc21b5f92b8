"""Whether this process is about to stop, so that every part of it can tell its callers to go elsewhere."""

from __future__ import annotations


class Drain:
    """Begins once and never ends. Between its begin and the end requests are answered as ever."""

    def __init__(self) -> None:
        self.begun = False

    def begin(self) -> None:
        """Safe in a signal handler."""
        self.begun = True

    def reason(self) -> str | None:
        """Why the process is not ready, for `/ready`."""
        return "draining" if self.begun else None
