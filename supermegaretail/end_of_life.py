"""What of this service comes to its end: the register that callers are told from."""

from __future__ import annotations

from datetime import UTC, datetime

from common.lifecycle.endings import Ending

DEPRECATED = (
    Ending(
        name="predictions",
        method="GET",
        path="/predictions",
        since=datetime(2026, 11, 21, tzinfo=UTC),
        sunset=datetime(2027, 11, 21, tzinfo=UTC),
        successor="/v1/forecasts",
        advice="call POST /v1/forecasts instead",
    ),
)
