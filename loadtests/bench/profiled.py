"""Runs a service with a watch over its processor time: `python -m loadtests.bench.profiled FILE MODULE ARGUMENTS`.

A thread looks at every other thread each 2 ms, and books what that one's own clock has gained since (the kernel tells)
under the part of the code in which it stands: no idle time, and no cost for each call, as a tracing profiler has. FILE
is written anew four times a second: milliseconds so far by part, since the process began. What the process has worked
and no thread of Python's was seen to do is the libraries' own. Linux only.
"""

from __future__ import annotations

import json
import runpy
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType

from loadtests.bench.parts import UNSEEN, part_of

EACH_S = 0.002
WRITTEN_EACH_S = 0.25


class Watch:
    """The milliseconds of each part so far, and how far each thread's clock was at the last look."""

    def __init__(self) -> None:
        self.ms_by_part: defaultdict[str, float] = defaultdict(float)
        self._clocks: dict[int, int] = {}

    def told(self) -> dict[str, float]:
        """Milliseconds by part, of all that the process has worked without this thread."""
        worked_ms = (time.process_time_ns() - time.thread_time_ns()) / 1e6
        return {**self.ms_by_part, UNSEEN: worked_ms - sum(self.ms_by_part.values())}

    def look(self) -> None:
        """Book what each thread but this one has worked since the last look."""
        frames = sys._current_frames()  # the documented way to see other threads
        kernel_ids = {thread.ident: thread.native_id for thread in threading.enumerate()}
        for thread in frames.keys() - {threading.get_ident()}:
            if (kernel_id := kernel_ids.get(thread)) is None:  # it is beginning or ending
                continue
            try:
                now_ns = time.clock_gettime_ns(clock_of(kernel_id))
            except OSError:  # it has just ended
                continue
            gained_ns = now_ns - self._clocks.get(thread, now_ns)
            self._clocks[thread] = now_ns
            if gained_ns > 0:
                self.ms_by_part[part_of(stack(frames[thread]))] += gained_ns / 1e6


def clock_of(kernel_id: int) -> int:
    """The processor time of a thread, which the kernel refuses when it is gone; pthreads would read freed memory."""
    return (~kernel_id << 3) | 6


def stack(frame: FrameType | None) -> list[tuple[str, str]]:
    """(file, function) of what is being called, the innermost first."""
    found = []
    while frame is not None:
        found.append((frame.f_code.co_filename, frame.f_code.co_name))
        frame = frame.f_back
    return found


def keep_watching(file: Path) -> None:
    """For ever; the file is whole whenever it is read."""
    watch, written_at = Watch(), 0.0
    while True:
        time.sleep(EACH_S)
        watch.look()
        if time.monotonic() - written_at > WRITTEN_EACH_S:
            whole = file.with_suffix(".new")
            whole.write_text(json.dumps(watch.told()))
            whole.replace(file)
            written_at = time.monotonic()


if __name__ == "__main__":
    threading.Thread(target=keep_watching, args=(Path(sys.argv[1]),), name="watch", daemon=True).start()
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
