"""What a process holds at a moment: an experiment that leaves more behind than it found has found a leak."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

MIB_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Footprint:
    """Tasks of this event loop, and what the process has of the system."""

    tasks: int
    descriptors: int
    memory_bytes: int


def footprint() -> Footprint:
    """Now."""
    return Footprint(len(asyncio.all_tasks()), sum(1 for _ in Path("/dev/fd").iterdir()), memory_bytes())


def memory_bytes() -> int:
    """Resident memory; where only its peak is known (not on Linux), that."""
    if sys.platform == "linux":
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextmanager
def no_logs() -> Iterator[None]:
    """Thousands of failed calls are what is asked for here, and they are counted: nobody need read of each."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
