"""JSON log lines that carry the request id, written by a thread of their own.

A sink that blocks (a full pipe, a slow disk) costs log lines, never a request.
"""

from __future__ import annotations

import atexit
import logging
import queue
import sys
import threading
from typing import Any, TextIO

import structlog

QUEUED_LINES = 10_000


class LineWriter:
    """A file-like sink that never blocks: it queues lines for a thread and counts those that it had to drop."""

    def __init__(self, sink: TextIO) -> None:
        self.dropped = 0
        self._sink = sink
        self._lines: queue.Queue[str | None] = queue.Queue(QUEUED_LINES)
        self._thread = threading.Thread(target=self._write, name="log-writer", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self.dropped += 1

    def flush(self) -> None:
        """The thread flushes; a caller never waits for it."""

    def close(self, timeout_s: float = 1) -> None:
        """Writes what is queued, for at most `timeout_s`."""
        self.write_end()
        self._thread.join(timeout_s)

    def write_end(self) -> None:
        try:
            self._lines.put_nowait(None)
        except queue.Full:
            self.dropped += 1

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._sink.write(line)
                if self._lines.empty():
                    self._sink.flush()
            except (OSError, ValueError):
                self.dropped += 1


def configure_logs(*, level: int = logging.INFO, sink: TextIO | None = None) -> LineWriter:
    """Sends every log line of this process, those of libraries too, to `sink` (standard error) as JSON.

    For the start of a process: called once, by a command line.
    """
    writer = LineWriter(sink or sys.stderr)
    atexit.register(writer.close)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=writer),  # type: ignore[arg-type]  # it writes and flushes
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
    )
    handler = logging.StreamHandler(writer)
    handler.setFormatter(formatter)
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    return writer
