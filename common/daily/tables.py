"""What a report is made of: tables of plain values, from which the page and the parquet file are both made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import Engine

from common.state.overrides import Override

Cell: TypeAlias = str | int | float | None
FIRST_DAY = date(2000, 1, 1)  # of which a report may be asked


def day_of(text: str) -> date:
    """A day such as 2026-11-22, from `FIRST_DAY` to tomorrow (UTC); `ValueError` says what is wrong."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text[:64]!r} is no day such as 2026-11-22") from error
    if not FIRST_DAY <= day <= datetime.now(UTC).date() + timedelta(days=1):
        raise ValueError(f"{day} is not between {FIRST_DAY} and tomorrow")
    return day


@dataclass(frozen=True, slots=True)
class Table:
    """The first column names the rows; units are in the heads. `note` says what can't be seen in the figures."""

    name: str
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "caption": self.caption, "note": self.note, "heads": list(self.heads)} | {
            "rows": [list(row) for row in self.rows]
        }


@dataclass(frozen=True, slots=True)
class Sources:
    """What a service adds: how good its answers were, as far as that is known, and an override in words."""

    service: str
    quality: Callable[[Engine, date], Sequence[Table]]
    sentence: Callable[[Override], str]


@dataclass(frozen=True, slots=True)
class DailyReport:
    """One service on one day (UTC)."""

    service: str
    day: str
    tables: Sequence[Table]
    by_hour: Sequence[tuple[int, float, float]] = ()  # hour, items served, of these degraded

    def as_json(self) -> dict[str, Any]:
        return {"service": self.service, "day": self.day, "tables": [table.as_json() for table in self.tables]}
