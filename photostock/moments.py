"""Times as the tables keep them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(at: datetime) -> str:
    """In UTC, so that text sorts as time does; a time without a zone is UTC, wherever the server stands."""
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="milliseconds")
