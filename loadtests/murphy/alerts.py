"""Does the fault show? Which metrics of failure moved, by the services' own `/metrics`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

SECONDS = 2.0
Series = Mapping[tuple[str, ...], float]  # (metric, label value …) → value

# Counters whose growth is a failure, and the labels of those series that are not.
COUNTERS: Mapping[str, frozenset[str]] = {
    "client_calls_total": frozenset({"ok"}),
    "fallback_refused_total": frozenset({"confident", "other_order", "beyond_depth", "too_few", "no_query"}),
    "client_untested_versions_total": frozenset(),
    "shadow_missing_total": frozenset({"closing"}),
    "log_lines_dropped_total": frozenset(),
    "prediction_log_dropped_total": frozenset(),
    "http_requests_total": frozenset({"200", "201", "204", "304", "404", "422"}),
    "event_loop_late_seconds_total": frozenset(),
    "clock_jumps_total": frozenset(),
}
# Gauges that are 0 when all is well.
STATES = ("client_breaker_state", "fallback_tier_state", "part_unwell", "log_sink_blocked_seconds")


async def read_metrics(url: str, headers: Mapping[str, str]) -> Series | None:
    """All series of failure of one API; None if it does not tell."""
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=dict(headers)) as session,
            session.get(f"{url}/metrics") as response,
        ):
            return failures(await response.text()) if response.status == 200 else None
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return None


def failures(text: str) -> Series:
    """The series of failure in this exposition."""
    found: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sample.labels.values())
            bad = sample.name in COUNTERS and COUNTERS[sample.name].isdisjoint(labels)
            if sample.name in STATES or bad:
                found[(sample.name, *labels)] = sample.value
    return found


def moved(before: Series | None, after: Series | None) -> tuple[str, ...]:
    """In words what grew, the most first; without `before`, from 0: the process started anew."""
    if after is None:
        return ()
    changes = {key: value - _past(before, key, value) for key, value in after.items()}
    grown = sorted(((by, key) for key, by in changes.items() if by > 0), reverse=True)
    return tuple(f"{name} {' '.join(labels)} +{by:g}".replace("  ", " ") for by, (name, *labels) in grown)


def does_show(lines: Iterable[str], wanted: Iterable[str]) -> bool:
    """Has any of these lines all the words of one that is wanted?"""
    found = [set(line.split()) for line in lines]
    return any(set(one.split()) <= words for one in wanted for words in found)


def log_size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def events_since(path: Path, start: int) -> Iterator[str]:
    """What a process has told its log from this byte on."""
    with path.open("rb") as log:
        log.seek(start)
        for line in log:
            with suppress(ValueError, KeyError, TypeError):
                yield str(json.loads(line)["event"])


def _past(before: Series | None, key: tuple[str, ...], value: float) -> float:
    past = (before or {}).get(key, 0.0)
    return past if past <= value else 0.0
