"""What people did with results: impressions, clicks, downloads. Idempotent: the same event twice is one event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from sqlalchemy import Column, Engine, MetaData, String, Table

from common.state.database import create_tables, upsert
from photostock.contract import Event

metadata = MetaData()
events = Table(
    "photostock_events",
    metadata,
    Column("user_id", String(200), primary_key=True),
    Column("at", String(40), primary_key=True),
    Column("kind", String(20), primary_key=True),
    Column("photo_id", String(128), primary_key=True),
    Column("query", String(300), primary_key=True),
)


class FeedbackStore:
    """The events in the state database."""

    def __init__(self, engine: Engine) -> None:
        create_tables(engine, metadata)
        self._engine = engine

    def record(self, new: Sequence[Event]) -> None:
        """Durable when it returns."""
        rows = [
            {**event.model_dump(), "at": event.at.astimezone(UTC).isoformat(timespec="milliseconds")} for event in new
        ]
        with self._engine.begin() as connection:
            connection.execute(upsert(self._engine, events).on_conflict_do_nothing(), rows)
