"""What an evaluation found, and how it is written as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from photostock.evaluation.measures import Interval, Quality
from photostock.evaluation.variants import DENSE, WHOLE

__all__ = ["CLEAN", "DENSE", "TYPO", "WHOLE", "Case", "Line", "Report", "Shown", "Situation"]

CLEAN, TYPO = "as people typed them", "with one typo in each"


@dataclass(frozen=True, slots=True)
class Line:
    """One way to search, over all questions of one situation."""

    name: str
    kind: str  # stage, whole, removed, peer
    quality: Quality
    to_dense: Interval  # nDCG@10 ÷ that of dense alone
    to_whole: Interval  # and ÷ that of the whole
    cpu_ms: float  # per query, of one core, of the processes' own work
    served_by: Mapping[str, float]  # share of answers by tier
    failed: int  # questions without any answer


@dataclass(frozen=True, slots=True)
class Situation:
    """Questions of one kind; `parts` are nDCG@10 by slice and way to search."""

    name: str
    questions: int
    lines: tuple[Line, ...]
    parts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)  # questions by slice

    def line(self, name: str) -> Line | None:
        return next((line for line in self.lines if line.name == name), None)


@dataclass(frozen=True, slots=True)
class Shown:
    """A photo beside a query: its id, its title, and a small picture as JPEG."""

    photo_id: str
    title: str
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Case:
    """One query as a person would see it: the photo that was meant, and what came first."""

    kind: str
    query: str
    meant: Shown
    found: tuple[Shown, ...]  # by the whole
    rank_dense: int | None  # from 1; None: not among the first 50
    rank_whole: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """Figures are over queries whose one right photo is known; others may fit as well, so compare the lines."""

    photos: int
    left_out: int  # photos whose queries have trained a model
    seed: int
    versions: Mapping[str, str]
    situations: tuple[Situation, ...]  # the first is as people typed
    typo_kept: Mapping[str, Interval]  # nDCG@10 with a typo ÷ without, by way to search
    notes: tuple[str, ...] = ()
    cases: tuple[Case, ...] = ()

    @property
    def clean(self) -> Situation:
        return self.situations[0]

    def to_json(self) -> dict[str, Any]:
        """Everything but the pictures, with null where a figure is no number."""
        whole = {name: getattr(self, name) for name in ("photos", "left_out", "seed", "notes")}
        told = whole | {
            "versions": dict(self.versions),
            "situations": [asdict(situation) for situation in self.situations],
            "typo_kept": {name: asdict(interval) for name, interval in self.typo_kept.items()},
        }
        finite: dict[str, Any] = _finite(told)
        return finite

    def save_json(self, path: Path) -> None:
        """Writes the figures; makes the folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_json(), ensure_ascii=False, allow_nan=False, indent=1))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
