"""Where the processor time of an API goes: shares by part, of what `loadtests.bench.profiled` has seen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from loadtests.bench.profiled import WRITTEN_EACH_S
from loadtests.processes import Program

REST = "all else"


@dataclass(frozen=True, slots=True)
class Profile:
    """Of one kind of request: milliseconds by part."""

    case: str
    requests: int
    ms_by_part: Mapping[str, float]

    @property
    def ms_a_request(self) -> float:
        return sum(self.ms_by_part.values()) / self.requests


def watched(program: Program, file: Path) -> Program:
    """The same program (`-m MODULE ARGUMENTS`) with a watch that writes to this file."""
    return replace(program, arguments=("-m", "loadtests.bench.profiled", str(file), *program.arguments[1:]))


async def read_ms(file: Path) -> dict[str, float]:
    """Milliseconds so far by part, not older than now."""
    await asyncio.sleep(2 * WRITTEN_EACH_S)
    told = json.loads(await asyncio.to_thread(file.read_text))
    return {str(part): float(ms) for part, ms in told.items()}


def profile_of(case: str, requests: int, before: Mapping[str, float], after: Mapping[str, float]) -> Profile:
    """What was worked between two readings; clocks that are read one after the other may be a little apart."""
    return Profile(case, requests, {part: max(0.0, ms - before.get(part, 0.0)) for part, ms in after.items()})


def profile_table(profiles: list[Profile]) -> Table:
    """A line per part, the largest first, and a column per kind of request that sums to 100 %."""
    shares = [percents(profile.ms_by_part) for profile in profiles]
    parts = sorted({part for one in shares for part in one}, key=lambda part: -max(one.get(part, 0) for one in shares))
    table = Table("% of the processor time", *(profile.case for profile in profiles), box=SIMPLE_HEAD)
    for part in [*(part for part in parts if part != REST), REST]:
        table.add_row(part, *(str(one.get(part, 0)) for one in shares))
    table.add_section()
    table.add_row("together", *(str(sum(one.values())) for one in shares))
    table.add_row("ms a request", *(f"{profile.ms_a_request:.1f}" for profile in profiles))
    return table


def percents(ms_by_part: Mapping[str, float]) -> dict[str, int]:
    """Whole percents that sum to 100, by largest remainders; parts below one percent are all else."""
    total = sum(ms_by_part.values())
    if total <= 0:
        return {}
    exact = {part: 100 * ms / total for part, ms in ms_by_part.items() if ms >= total / 100 and part != REST}
    exact[REST] = 100 - sum(exact.values())
    whole = {part: int(share) for part, share in exact.items()}
    most_cut = sorted(exact, key=lambda part: whole[part] - exact[part])
    return {part: whole[part] + (part in most_cut[: 100 - sum(whole.values())]) for part in exact}
