"""Processor time of another process, as the kernel counts it; Linux only."""

from __future__ import annotations

import os
from pathlib import Path

from loadtests.processes import ProcessError


def cpu_s_of(pid: int) -> float:
    """Seconds that a process and its threads have worked so far, in steps of 10 ms; `ProcessError` elsewhere."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError as error:
        raise ProcessError(f"the processor time of process {pid} can't be read: this needs Linux") from error
    user, system = stat.rpartition(")")[2].split()[11:13]  # the name before may hold anything
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
