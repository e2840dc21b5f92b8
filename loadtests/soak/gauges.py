"""What is measured of a process from outside, and of the files that it keeps; Linux only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from loadtests.processes import ProcessError

MIB = 1024 * 1024
STATE = "state database"
SECONDS = 5.0
READER = "tokio-rt-worker"  # what Polars' threads call themselves that read files: one for each file that is open
ENDED = ""  # the name of one that has ended meanwhile


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at everything, after so many requests and seconds; (process, gauge) → value."""

    requests: int
    seconds: float
    fault: str | None
    values: Mapping[tuple[str, str], float]
    state_mib: float  # all of VAR_DIR: it may grow, by what was written


def of_process(pid: int) -> dict[str, float]:
    """Memory in MiB, open files, threads and readers of one process; `ProcessError` if it can't be read."""
    folder = Path("/proc") / str(pid)
    try:
        lines = (folder / "status").read_text().splitlines()
        status = {name: text.split() for name, _, text in (line.partition(":") for line in lines)}
        files = sum(1 for _ in (folder / "fd").iterdir())
        threads = Counter(map(_name, (folder / "task").iterdir()))
        return {
            "memory": int(status["VmRSS"][0]) / 1024,
            "files": float(files),
            "threads": float(threads.total() - threads[READER] - threads[ENDED]),
            "readers": float(threads[READER]),
        }
    except (OSError, KeyError) as error:
        raise ProcessError(f"process {pid} can't be read: it is gone, or this is not Linux") from error


async def tasks_of(url: str, session: aiohttp.ClientSession) -> float | None:
    """`asyncio_tasks` of a service, by its own `/metrics`; None if it does not tell."""
    try:
        async with session.get(f"{url}/metrics", timeout=aiohttp.ClientTimeout(total=SECONDS)) as response:
            text = await response.text()
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None
    for family in text_string_to_metric_families(text):
        if family.name == "asyncio_tasks":
            return float(family.samples[0].value)
    return None


def log_ahead_mib(var_dir: Path) -> float:
    """The write-ahead log of the state database."""
    return _mib(var_dir / "state.sqlite3-wal")


def whole_mib(var_dir: Path) -> float:
    """All files, also such as come and go meanwhile."""
    return sum(_mib(path) for path in var_dir.rglob("*"))


def _name(thread: Path) -> str:
    """As Linux knows it."""
    try:
        return (thread / "comm").read_text().strip()
    except OSError:
        return ENDED


def _mib(path: Path) -> float:
    try:
        return path.stat().st_size / MIB
    except OSError:
        return 0.0
