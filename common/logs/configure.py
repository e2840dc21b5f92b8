"""JSON log lines on standard error: with the request id and the caller, sampled, redacted, and in nobody's way.

    sampling → request id, caller → level, time → traceback → redacted, bounded JSON → queue → thread → standard error

Lines of libraries go the same way.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from common.logs.lines import add_traceback, render_line
from common.logs.sampling import Sampling
from common.logs.writer import LineWriter

STANDARD_ERROR = 2
LEVELS = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)


@dataclass(frozen=True, slots=True)
class Losses:
    """Lines that were not written, since the process began, and how long the sink has taken none."""

    dropped: int = 0
    suppressed: int = 0
    blocked_s: float = 0.0


def configure_logs(*, level: int = logging.INFO, sink: int = STANDARD_ERROR) -> LineWriter:
    """Sends every log line of this process, those of libraries too, to the file descriptor `sink` as JSON.

    For the start of a process: called once, by a command line. A forked child goes on by itself; a spawned one is a
    process of its own and calls this itself. `multiprocessing` ends its children without the usual farewell: there,
    close the writer at the end.
    """
    sampling, dressing = Sampling(), _dressing()
    writer = LineWriter(sink, remarks=_Remarks(sampling, dressing))
    structlog.configure(
        processors=[sampling, structlog.contextvars.merge_contextvars, *dressing],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Lines(writer, sampling),
        cache_logger_on_first_use=True,
    )
    handler = _LibraryHandler(structlog.get_logger())
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    return writer


def losses() -> Losses:
    """What the log of this process has lost; nothing, where `configure_logs` was not called."""
    lines = structlog.get_config()["logger_factory"]
    if not isinstance(lines, _Lines):
        return Losses()
    return Losses(lines.writer.dropped, lines.sampling.suppressed, lines.writer.blocked_s)


def _dressing() -> list[Processor]:
    """From an event that will be written to its line."""
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_traceback,
        render_line,
    ]


class _Lines:
    """structlog's logger at the end of the chain, and the factory that hands it out: it is the same for all."""

    def __init__(self, writer: LineWriter, sampling: Sampling) -> None:
        self.writer = writer
        self.sampling = sampling
        self.debug = self.info = self.warning = self.error = self.critical = writer.write

    def __call__(self, *_: Any) -> _Lines:
        return self


class _Remarks:
    """What the log says about itself; these lines are not sampled and belong to no request."""

    def __init__(self, sampling: Sampling, dressing: list[Processor]) -> None:
        self._sampling = sampling
        self._dressing = dressing

    def dropped(self, count: int) -> str:
        log = self._log()
        line: str = log.warning("log.dropped", count=count)
        return line

    def suppressed(self, *, at_end: bool) -> list[str]:
        log = self._log()
        return [
            log.warning("log.suppressed", suppressed=burst.suppressed, **burst.fields)
            for burst in self._sampling.bursts(at_end=at_end)
        ]

    def _log(self) -> Any:
        """A logger that returns its lines."""
        return structlog.wrap_logger(structlog.testing.ReturnLogger(), self._dressing, structlog.BoundLogger)


class _LibraryHandler(logging.Handler):
    """Hands the records of `logging` to structlog. The kind of such a line is the place in the code that wrote it."""

    def __init__(self, log: Any) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        fields: EventDict = {"logger": record.name, "place": f"{record.filename}:{record.lineno}"}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        method = next((name for level, name in LEVELS if record.levelno >= level), "debug")
        getattr(self._log, method)(_message(record), **fields)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  its arguments don't fit, or can't be shown
        return str(record.msg)
