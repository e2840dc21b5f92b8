"""What a component asks of its releases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from common.releases.canary import CanaryPolicy

HOURS = (time(9), time(16))
FRIDAY = 4
ALWAYS = "always"
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SPAN = re.compile(rf"({'|'.join(WEEKDAYS)})(?:-({'|'.join(WEEKDAYS)}))? (\d\d:\d\d)-(\d\d:\d\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodHours:
    """When somebody is there to see what a release does: working days, and not after lunch on a Friday."""

    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    hours: Mapping[int, tuple[time, time]] = field(  # by weekday, Monday is 0
        default_factory=lambda: dict.fromkeys(range(FRIDAY), HOURS) | {FRIDAY: (time(9), time(12))}
    )
    holidays: frozenset[date] = frozenset()

    @classmethod
    def of(cls, hours: str, *, zone: str = "UTC", holidays: str = "") -> GoodHours:
        """From "mon-thu 09:00-16:00, fri 09:00-12:00", or "always"; holidays as "2026-12-25, 2027-01-01".

        Raises `ValueError` for anything else.
        """
        try:
            where = ZoneInfo(zone)
        except (KeyError, OSError, ValueError) as error:
            raise ValueError(f"{zone!r} is no time zone") from error
        days = frozenset(date.fromisoformat(day.strip()) for day in holidays.split(",") if day.strip())
        if hours.strip() == ALWAYS:
            return cls(zone=where, hours=dict.fromkeys(range(7), (time.min, time.max)), holidays=days)
        by_weekday: dict[int, tuple[time, time]] = {}
        for part in hours.split(","):
            match = SPAN.fullmatch(part.strip().lower())
            if match is None:
                raise ValueError(f'{part.strip()!r} is not like "mon-thu 09:00-16:00"')
            first, last = WEEKDAYS.index(match[1]), WEEKDAYS.index(match[2] or match[1])
            span = time.fromisoformat(match[3]), time.fromisoformat(match[4])
            by_weekday |= dict.fromkeys(range(first, last + 1), span)
        return cls(zone=where, hours=by_weekday, holidays=days)

    def objection(self, now: datetime) -> str | None:
        """Why this is a bad moment, None if it is a good one."""
        here = now.astimezone(self.zone)
        told = f"it is {here:%A} {here:%H:%M} ({self.zone.key})"
        if here.date() in self.holidays:
            return f"{told}, a holiday"
        if here.weekday() not in self.hours:
            return f"{told}, not a working day"
        begin, end = self.hours[here.weekday()]
        if not begin <= here.time() < end:
            return f"{told}; releases begin from {begin:%H:%M} to {end:%H:%M}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePolicy:
    """Of one component.

    Args:
        needs_approval: whether a person has to have looked at what got worse.
        canary: how it gets its share of the traffic.
        load_timeout_s: how long its version may take to be read where it is to serve, or be out of reach there.
        at_once: for what can't serve beside another version: it becomes the champion as soon as it is started.
    """

    needs_approval: bool
    canary: CanaryPolicy = field(default_factory=CanaryPolicy)
    good_hours: GoodHours = field(default_factory=GoodHours)
    load_timeout_s: float = 600.0
    at_once: bool = False
