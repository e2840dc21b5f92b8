"""The demo chain's calendar: public holidays and other events, and what they do to shopping.

Shoppers stock up in the days before a holiday and stay away on it; other events only draw them. Effects are on the
logarithm of demand: 0.3 is about a third more, -0.9 leaves 40 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

CLOSED = -np.inf


@dataclass(frozen=True, slots=True)
class Event:
    """A day of every year; `rush` is the effect on each of the `rush_days` before it, `on_day` the one on itself."""

    name: str
    kind: str
    day: Callable[[int], date]
    on_day: float
    rush: float = 0
    rush_days: int = 0
    holiday: bool = False


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (anonymous algorithm, in Meeus, Astronomical Algorithms, ch. 8)."""
    century, in_century = divmod(year, 100)
    leap_centuries, rest = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * (year % 19) + century - leap_centuries - correction + 15) % 30
    leap_years, in_cycle = divmod(in_century, 4)
    weekday = (32 + 2 * rest + 2 * leap_years - epact - in_cycle) % 7
    shift = (year % 19 + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)


def fixed(month: int, day: int) -> Callable[[int], date]:
    """The same date every year."""
    return lambda year: date(year, month, day)


def nth_weekday(month: int, weekday: int, nth: int) -> Callable[[int], date]:
    """The nth Monday (weekday 0), Tuesday, … of a month."""

    def day(year: int) -> date:
        first = date(year, month, 1)
        return first + timedelta((weekday - first.weekday()) % 7 + 7 * (nth - 1))

    return day


def around_easter(days: int) -> Callable[[int], date]:
    return lambda year: easter(year) + timedelta(days)


EVENTS = (
    Event("New Year", "National", fixed(1, 1), CLOSED, holiday=True),
    Event("Valentine's Day", "Cultural", fixed(2, 14), 0.15),
    Event("Good Friday", "Religious", around_easter(-2), -0.9, 0.35, 4, holiday=True),
    Event("Easter Monday", "Religious", around_easter(1), -0.9, holiday=True),
    Event("Labour Day", "National", fixed(5, 1), -0.8, 0.25, 1, holiday=True),
    Event("Cup Final", "Sporting", nth_weekday(5, 5, 4), 0.35),
    Event("National Day", "National", fixed(7, 9), -0.8, 0.25, 1, holiday=True),
    Event("School Starts", "Cultural", nth_weekday(9, 0, 1), 0.1, 0.1, 3),
    Event("Halloween", "Cultural", fixed(10, 31), 0.2, 0.1, 2),
    Event("Black Friday", "Commercial", nth_weekday(11, 4, 4), 0.45),
    Event("Christmas Eve", "Religious", fixed(12, 24), 0.5, 0.4, 5),
    Event("Christmas", "Religious", fixed(12, 25), CLOSED, holiday=True),
    Event("Boxing Day", "National", fixed(12, 26), -0.9, holiday=True),
    Event("New Year's Eve", "Cultural", fixed(12, 31), 0.4, 0.25, 2),
)


def demo_calendar(first: date, days: int) -> pl.DataFrame:
    """A row per day: date, holiday, event, event_type, and `effect` on the logarithm of demand."""
    year_of_last = (first + timedelta(days)).year + 1  # a rush may belong to an event after the last day
    happening = {event.day(year): event for year in range(first.year, year_of_last + 1) for event in EVENTS}
    dates = [first + timedelta(day) for day in range(days)]
    today = [happening.get(day) for day in dates]
    return pl.DataFrame(
        {
            "date": dates,
            "holiday": pl.Series([int(event is not None and event.holiday) for event in today], dtype=pl.Int8),
            "event": pl.Series([event and event.name for event in today], dtype=pl.String),
            "event_type": pl.Series([event and event.kind for event in today], dtype=pl.String),
            "effect": [_effect(day, happening) for day in dates],
        }
    )


def _effect(day: date, happening: dict[date, Event]) -> float:
    if day in happening:
        return happening[day].on_day
    ahead = ((days, happening.get(day + timedelta(days))) for days in range(1, 6))
    return max((event.rush for days, event in ahead if event and days <= event.rush_days), default=0.0)
