"""Processor time of another process, as the kernel counts it; Linux only."""

from __future__ import annotations

import sys
import time

from loadtests.processes import ProcessError

OF_ALL_THREADS = 2  # the kernel's CPUCLOCK_SCHED


def cpu_s_of(pid: int) -> float:
    """Seconds that a process and its threads have worked so far, to the nanosecond; `ProcessError` elsewhere."""
    try:
        if sys.platform != "linux":
            raise OSError
        return time.clock_gettime(~pid << 3 | OF_ALL_THREADS)
    except OSError as error:
        raise ProcessError(f"the processor time of process {pid} can't be read: this needs Linux") from error
