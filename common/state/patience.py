"""How long PostgreSQL may take: bounds on both sides, and how upkeep is let off them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, text

STATEMENT_MS, LOCK_MS = 30_000, 5_000
SILENT_S = 35.0  # longer than any statement may take: a server that was paused keeps no bound of its own
# Seconds until a server that does not answer a connection, milliseconds until one that takes no bytes; one whose
# machine is gone is noticed after 5 s.
WAITS: Mapping[str, int] = {
    "connect_timeout": 2,
    "tcp_user_timeout": 5_000,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
}
BOUNDS = f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={LOCK_MS}"


def bounds_beside(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a connection whose URL has these: its own go before ours."""
    waits = {name: wait for name, wait in WAITS.items() if name not in asked}
    return {**waits, "options": f"{BOUNDS} {asked.get('options', '')}".strip()}  # of two the server takes the last


@contextmanager
def unhurried(connection: Connection) -> Iterator[None]:
    """For upkeep: meanwhile a statement may take as long as it needs. After an error a rollback takes it back."""
    if connection.dialect.driver != "psycopg":
        yield
        return
    connection.execute(text("SET statement_timeout = 0"))
    raw: Any = connection.connection.dbapi_connection
    raw.silent_s = math.inf
    try:
        yield
    finally:
        raw.silent_s = SILENT_S
    connection.execute(text("RESET statement_timeout"))
