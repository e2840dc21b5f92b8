"""The gate of a Locust run: thresholds from one file, and a sentence for each that broke."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from loadtests.figures import percentile

THRESHOLDS_FILE = Path(__file__).with_name("thresholds.toml")


class BadThresholds(ValueError):
    """The file of thresholds can't be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What one row, or the whole run, must keep; None is not judged. Times in ms, shares from 0 to 1."""

    min_requests: int | None = None
    error_share: float | None = None
    degraded_share: float | None = None
    budget_ms: float | None = None
    late_share: float = 0.0  # of the requests, rounded up: well-formed, but after `budget_ms`
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """The whole file."""

    whole: Thresholds
    endpoints: Mapping[str, Thresholds]


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of an endpoint, or of all; `counts_by_ms`: how many answers took so long."""

    name: str
    requests: int
    errors: int
    degraded: int
    counts_by_ms: Mapping[int, int]

    def slower(self, limit_ms: float) -> int:
        return sum(count for took_ms, count in self.counts_by_ms.items() if took_ms > limit_ms)

    def percentile_ms(self, percent: float) -> float:
        """0 of nothing."""
        times_ms = [took_ms for took_ms, count in sorted(self.counts_by_ms.items()) for _ in range(count)]
        return float(percentile(times_ms, percent)) if times_ms else 0.0


def read_gate(path: Path = THRESHOLDS_FILE) -> Gate:
    """Raises `BadThresholds` for a file that is not there, is no TOML, or has a name that nobody knows."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadThresholds(f"{path}: {error}") from error
    if unknown := document.keys() - {"all", "endpoints"}:
        raise BadThresholds(f"{path}: unknown tables {', '.join(sorted(unknown))}")
    endpoints = document.get("endpoints", {})
    return Gate(
        _thresholds(path, "all", document.get("all", {})),
        {name: _thresholds(path, name, given) for name, given in endpoints.items()},
    )


def _thresholds(path: Path, name: str, given: object) -> Thresholds:
    known = {field.name for field in fields(Thresholds)}
    if not isinstance(given, dict):
        raise BadThresholds(f"{path}: {name} is no table")
    for key, value in given.items():
        if key not in known or isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise BadThresholds(
                f"{path}: {name}: {key} = {value!r} is no threshold; there are {', '.join(sorted(known))}"
            )
    return Thresholds(**given)


def broken(gate: Gate, whole: Row, rows: Sequence[Row]) -> list[str]:
    """A sentence for every threshold that did not hold; an endpoint of the file that nobody asked proves nothing."""
    by_name = {row.name: row for row in rows}
    named = [(limits, by_name.get(name, Row(name, 0, 0, 0, {}))) for name, limits in gate.endpoints.items()]
    return [
        f"{row.name}: {sentence}" for limits, row in ((gate.whole, whole), *named) for sentence in _broken(limits, row)
    ]


def _broken(limits: Thresholds, row: Row) -> list[str]:
    sentences = []
    if row.requests < (1 if limits.min_requests is None else limits.min_requests):
        sentences.append(f"only {row.requests} requests, which proves nothing")
    for what, count, share in (
        ("missing or malformed", row.errors, limits.error_share),
        ("degraded", row.degraded, limits.degraded_share),
        (f"after {limits.budget_ms} ms", _late(limits, row), None if limits.budget_ms is None else limits.late_share),
    ):
        if share is not None and count > -(-row.requests * share // 1):
            sentences.append(f"{count} of {row.requests} answers {what}")
    for what, percent, limit_ms in (
        ("p50", 50, limits.p50_ms),
        ("p95", 95, limits.p95_ms),
        ("p99", 99, limits.p99_ms),
        ("the slowest", 100, limits.max_ms),
    ):
        if limit_ms is not None and (took_ms := row.percentile_ms(percent)) > limit_ms:
            sentences.append(f"{what} is {took_ms:.0f} ms, more than {limit_ms:g}")
    return sentences


def _late(limits: Thresholds, row: Row) -> int:
    return 0 if limits.budget_ms is None else row.slower(limits.budget_ms)
