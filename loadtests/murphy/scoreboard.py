"""The verdict over all faults, as a table on the terminal, as JSON, and as sentences."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from loadtests.murphy.results import Result

IN_BUDGET_SHARE = 0.995  # of all requests


def broken_overall(results: Sequence[Result]) -> list[str]:
    """What broke over the whole run."""
    due = [one for one in results if not one.may_be_late]
    requests, in_budget = sum(one.requests for one in due), sum(one.in_budget for one in due)
    share = in_budget / requests if requests else 0.0
    enough = share >= IN_BUDGET_SHARE
    return [] if enough else [f"{share:.2%} of {requests:,} requests in budget; promised are {IN_BUDGET_SHARE:.1%}"]


def verdict(results: Sequence[Result]) -> str:
    """One sentence over everything."""
    requests, well = sum(one.requests for one in results), sum(one.well_formed for one in results)
    in_budget, lost = sum(one.in_budget for one in results), sum(len(one.lost) for one in results)
    kept = sum(not one.broken for one in results)
    worst = slowest_back(results)
    back = "" if math.isnan(worst) else f"; the slowest return to full quality took {worst:.1f} s"
    return (
        f"{kept} of {len(results)} faults without a broken promise; {well:,} of {requests:,} answers well-formed, "
        f"{in_budget:,} in budget; {lost} acknowledged writes lost{back}"
    )


def excuse(results: Sequence[Result]) -> str:
    """What the machine itself was blamed for; empty where for nothing."""
    excused = sum(one.excused for one in results)
    if not excused:
        return ""
    longest_ms = max(row.figures.longest_stall_ms for one in results for row in one.rows)
    return (
        f"{excused} answers count as in budget although they came later: the machine itself stood still meanwhile "
        f"(the hypervisor took the core, or not even the caller ran), for up to {longest_ms:.0f} ms of an answer."
    )


def slowest_back(results: Sequence[Result]) -> float:
    """Seconds; NaN where nothing came back."""
    known = [seconds for one in results for seconds in one.back_after.values() if seconds is not None]
    return max(known, default=math.nan)


def seconds_of(values: Mapping[str, float | None]) -> float:
    """The slowest service's; NaN where one of them has none."""
    return max((math.nan if value is None else value for value in values.values()), default=math.nan)


def detected_seconds(result: Result) -> float:
    """Until the first service noticed; NaN where none did."""
    return min((value for value in result.detected_after.values() if value is not None), default=math.nan)


def p99_ms(result: Result) -> float:
    """Of the slowest endpoint that is read from, whose budget is the tightest."""
    return max((row.figures.p99_ms for row in result.rows if row.figures.requests), default=math.nan)


def terminal_table(results: Sequence[Result]) -> Table:
    """One row a fault; no wider than 100 columns."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("fault", no_wrap=True)
    for title in ("requests", "well-\nformed", "in\nbudget", "worst\np99 ms", "seen\nafter s", "back\nafter s", "lost"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("")
    for one in results:
        table.add_row(
            one.name,
            f"{one.requests:,}",
            _whole(one.well_formed, one.requests, "bold red"),
            _whole(one.in_budget, one.requests, "yellow"),
            number(p99_ms(one), 0),
            number(detected_seconds(one), 2),
            number(seconds_of(one.back_after), 1),
            str(len(one.lost)),
            Text("broken", "bold red") if one.broken else Text("kept", "green"),
        )
    return table


def save_json(results: Sequence[Result], path: Path, *, seed: int, seconds: float) -> None:
    """Everything that was measured; numbers that do not exist are null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {
        "verdict": verdict(results),
        "broken": broken_overall(results),
        "seed": seed,
        "seconds_per_fault": seconds,
        "faults": [asdict(one) for one in results],
    }
    path.write_text(json.dumps(_finite(whole), indent=1) + "\n", encoding="utf-8")


def broken_in(path: Path) -> list[str]:
    """The names of the faults that broke a promise in what `save_json` wrote; `ValueError` if there is none to read."""
    try:
        faults = json.loads(path.read_bytes())["faults"]
        return [str(one["name"]) for one in faults if one["broken"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} tells of no run: {error}") from error


def number(value: float, decimals: int) -> str:
    """A number, or a dash where there is none."""
    return f"{value:.{decimals}f}" if math.isfinite(value) else "–"


def _whole(count: int, of: int, style: str) -> Text:
    return Text(f"{count:,}", "" if count == of else style)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
