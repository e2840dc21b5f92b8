"""What PhotoStock adds to the report of a day: what people clicked at, by tier and by place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import Engine

from common.daily.tables import Cell, Sources, Table
from photostock.feedback.report import Rate, feedback_report
from photostock.feedback.store import FeedbackStore
from photostock.override_rules import for_commands
from photostock.settings import PhotoSettings

FIGURES = ("shown", "clicked", "downloaded", "click-through %", "at least %", "at most %")


def settings() -> PhotoSettings:
    return PhotoSettings()


def sources() -> Sources:
    return Sources("photostock", quality, for_commands()[1].sentence)


def quality(engine: Engine, day: date) -> Sequence[Table]:
    """Events of that day: some seconds for a million of them."""
    FeedbackStore(engine)  # its tables are there when this returns
    report = feedback_report(engine, first=day, last=day)
    note = "At least and at most: the 95 % interval."
    return [
        _table("clicks_by_tier", "Click-through by tier", "tier", report.by_tier, note),
        _table("clicks_by_place", "Click-through by place", "place", report.by_position, note),
    ]


def _table(name: str, caption: str, head: str, rates: Mapping[str, Rate], note: str) -> Table:
    rows: list[Sequence[Cell]] = [
        (what, one.shown, one.clicked, one.downloaded, *(round(100 * share, 2) for share in _shares(one)))
        for what, one in rates.items()
    ]
    return Table(name, caption, (head, *FIGURES), rows, note)


def _shares(one: Rate) -> tuple[float, float, float]:
    return one.click_through, one.low, one.high
