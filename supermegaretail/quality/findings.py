"""What a check of the table finds: one plain sentence with its numbers, how grave it is, and where to look."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal

import polars as pl

from supermegaretail.quality.limits import Graded

Level = Literal["stop", "warn", "note"]
LEVELS: tuple[Level, ...] = ("stop", "warn", "note")
EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Example:
    """Where to look; what is None holds for all stores, products or days."""

    store: str | None = None
    sku: str | None = None
    date: date | None = None
    value: float | None = None

    def __str__(self) -> str:
        text = " ".join(str(part) for part in (self.store, self.sku, self.date) if part is not None)
        return text if self.value is None else f"{text} ({self.value:,.4g})".strip()


@dataclass(frozen=True, slots=True)
class Finding:
    """`stop` keeps a model from being trained, `warn` wants a look, `note` is good to know."""

    level: Level
    check: str  # which check, such as "missing.days"
    text: str
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """All findings on a table, gravest first, and the range of each column as rows of `ranges`."""

    rows: int
    series: int
    first_day: date | None
    last_day: date | None  # of sales
    findings: tuple[Finding, ...]
    ranges: pl.DataFrame

    @property
    def verdict(self) -> Level | Literal["fine"]:
        """The gravest level found; "fine" if there is no more than notes."""
        return next((level for level in ("stop", "warn") if self.of(level)), "fine")

    def of(self, level: Level) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level == level)

    def as_json(self) -> dict[str, Any]:
        """The report as plain values; days as ISO 8601, and no number that JSON does not know."""
        return {
            "verdict": self.verdict,
            "rows": self.rows,
            "series": self.series,
            "first_day": self.first_day and self.first_day.isoformat(),
            "last_day": self.last_day and self.last_day.isoformat(),
            "findings": [
                {**asdict(found), "examples": [_plain(example) for example in found.examples]}
                for found in self.findings
            ],
            "ranges": self.ranges.to_dicts(),
        }


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Gravest first; within a level as found."""
    return tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level)))


def grade(figure: float, limits: Graded, *, may_stop: bool = True) -> Level:
    """How grave a share or ratio is; with `may_stop` False never more than a warning."""
    if figure >= limits.stop and may_stop:
        return "stop"
    return "warn" if figure >= limits.warn else "note"


def examples(rows: pl.DataFrame, value: str | None = None) -> tuple[Example, ...]:
    """The first rows as examples: their store, sku and date, as far as they have them, and one column's value."""
    return tuple(
        Example(row.get("store"), row.get("sku"), row.get("date"), row[value] if value else None)
        for row in rows.head(EXAMPLES).iter_rows(named=True)
    )


def share(part: float, whole: float) -> float:
    """0 to 1; of nothing, nothing."""
    return part / whole if whole else 0.0


def percent(figure: float) -> str:
    """A share for people: "12 %", "0.4 %", "under 0.01 %"."""
    if 0 < figure < 0.0001:
        return "under 0.01 %"
    return f"{100 * figure:.2g} %" if figure < 0.0995 else f"{100 * figure:.0f} %"


def _plain(example: Example) -> dict[str, Any]:
    told = {**asdict(example), "date": example.date and example.date.isoformat()}
    return {name: value for name, value in told.items() if value is not None}
