"""Log lines on their way out: queued for a thread that writes, so that nobody else ever waits for the sink.

A sink that blocks (a pipe that nobody reads) or refuses (a full disk) costs lines, never a request. Lines that are
lost are counted, and told as soon as the sink takes lines again.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import time
from collections.abc import Iterable
from typing import Protocol

QUEUED_LINES = 10_000
TELL_EVERY_S = 1.0
BLOCKED_S = 0.5  # a line that waits so long waits for a sink that nobody reads
GATHER_S = 0.02  # lines that come together are written together: to wake a thread costs more than to write a line


class Remarks(Protocol):
    """The lines that a log writes about itself."""

    def dropped(self, count: int) -> str: ...

    def suppressed(self, *, at_end: bool) -> Iterable[str]: ...


class LineWriter:
    """Takes lines at once and writes them to a file descriptor by and by, in order, each with one `write`."""

    def __init__(self, sink: int, *, remarks: Remarks | None = None, tell_every_s: float = TELL_EVERY_S) -> None:
        self.dropped = 0
        self._sink = sink
        self._remarks = remarks
        self._tell_every_s = tell_every_s
        self._told = 0  # of those dropped
        self._torn = False  # the last thing in the sink is half a line
        self._writing_since_s: float | None = None
        self._closed = False
        self._begin()
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin_in_child)

    @property
    def waiting(self) -> int:
        """Lines that are not written yet."""
        return self._lines.qsize()

    @property
    def blocked_s(self) -> float:
        """How long the sink has taken nothing, though there is a line for it; 0 while it is quick."""
        since_s = self._writing_since_s
        waited_s = 0.0 if since_s is None else time.monotonic() - since_s
        return waited_s if waited_s >= BLOCKED_S else 0.0

    def write(self, line: str) -> None:
        """Queues one whole line; returns at once, and may be called by a finaliser or a signal handler."""
        if self._closed or self._lines.qsize() >= QUEUED_LINES:
            self._lose()
        else:
            self._lines.put(line)

    def close(self, timeout_s: float = 1) -> None:
        """Writes what is queued and tells what was lost, for at most `timeout_s`; later lines are lost."""
        self._closed = True
        atexit.unregister(self.close)
        self._hurry.set()
        self._lines.put(None)
        self._thread.join(timeout_s)

    def _begin(self) -> None:
        # `SimpleQueue` and not `Queue`: putting takes no lock that a finaliser in the same thread could wait for.
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._lock = threading.RLock()
        self._hurry = threading.Event()  # set at the end: nothing is gathered any more
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def _begin_in_child(self) -> None:
        """After a fork: the thread stayed behind with the parent, and with it the lines that it will write."""
        if not self._closed:
            self.dropped = self._told = 0
            self._writing_since_s = None
            self._begin()

    def _run(self) -> None:
        tell_at_s = time.monotonic() + self._tell_every_s
        at_end = False
        while not at_end:
            try:
                if self._lines.empty() and not self._closed:
                    self._hurry.wait(GATHER_S)
                line = self._lines.get(timeout=self._tell_every_s)
            except queue.Empty:
                line = ""
            at_end = line is None
            if line and not self._put(line):
                self._lose()
            if at_end or time.monotonic() >= tell_at_s:
                self._tell(at_end=at_end)
                tell_at_s = time.monotonic() + self._tell_every_s

    def _tell(self, *, at_end: bool) -> None:
        if self._remarks is None:
            return
        untold = self.dropped - self._told
        if untold:
            if not self._put(self._remarks.dropped(untold)):  # not a line that was lost: it is tried again
                return
            self._told += untold
        for line in self._remarks.suppressed(at_end=at_end):
            if not self._put(line):
                self._lose()

    def _put(self, line: str) -> bool:
        """Whether the whole line is out; blocks as long as the sink does."""
        try:
            rest = memoryview((f"\n{line}" if self._torn else line).encode())
            while rest:
                self._writing_since_s = time.monotonic()
                rest = rest[os.write(self._sink, rest) :]
                self._torn = bool(rest)
        except (OSError, ValueError):
            return False
        finally:
            self._writing_since_s = None
        return True

    def _lose(self) -> None:
        with self._lock:
            self.dropped += 1
