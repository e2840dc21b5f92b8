"""What of this service comes to its end: nothing yet."""

from __future__ import annotations

from common.lifecycle.endings import Ending

DEPRECATED: tuple[Ending, ...] = ()
