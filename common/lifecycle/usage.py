"""Counts calls in memory while requests are answered, and stores the counts every few seconds, in a thread."""

from __future__ import annotations

from threading import Event, Lock, Thread

import structlog
from sqlalchemy.exc import SQLAlchemyError

from common.chain.switches import Clock, utc_now
from common.lifecycle.usage_store import UsageStore, Use

FLUSH_EVERY_S = 5.0
CLOSE_WITHIN_S = 5.0
MAX_COUNTED = 5_000  # different uses between two flushes; more are counted without their versions, then not at all
MAX_CALLER, MAX_ENDPOINT, MAX_VERSION = 200, 300, 128  # characters
OTHERS = "(others)"

log = structlog.get_logger(__name__)


class Usage:
    """Never makes a request wait: `note` adds one to a number. A crash loses the counts of the last seconds."""

    def __init__(self, store: UsageStore, *, clock: Clock = utc_now, every_s: float = FLUSH_EVERY_S) -> None:
        self.store = store
        self.trouble: str | None = None  # why the counts may be old
        self._clock = clock
        self._every_s = every_s
        self._counts: dict[Use, int] = {}
        self._lock = Lock()
        self._ended = Event()
        self._tidied = ""  # the day of the last time
        self._thread: Thread | None = None

    def note(self, caller: str, endpoint: str, version: str = "") -> None:
        """One more call; "GET /v1/search" is an endpoint."""
        use = Use(caller[:MAX_CALLER], endpoint[:MAX_ENDPOINT], version[:MAX_VERSION])
        with self._lock:
            self._add(use, 1)

    def start(self) -> None:
        """Begins to store counts."""
        self._thread = Thread(target=self._run, name="caller-usage", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stores what is left, if that works within some seconds. It blocks: call it in a thread."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(CLOSE_WITHIN_S)

    def flush(self) -> None:
        """Stores the counts now; what can't be stored is kept for the next time."""
        with self._lock:
            counts, self._counts = self._counts, {}
        now = self._clock()
        try:
            self.store.add(counts, now=now)
            if self._tidied != (day := now.date().isoformat()):
                self.store.tidy(now=now)
                self._tidied = day
        except SQLAlchemyError as error:
            if self.trouble is None:
                log.warning("callers.not_stored", error=type(error).__name__)
            self.trouble = f"can't be stored: {type(error).__name__}"
            with self._lock:
                for use, calls in counts.items():
                    self._add(use, calls)
        else:
            self.trouble = None

    def _add(self, use: Use, calls: int) -> None:
        if use not in self._counts and len(self._counts) >= MAX_COUNTED:
            use = Use(use.caller, OTHERS, "") if len(self._counts) < 2 * MAX_COUNTED else Use(OTHERS, OTHERS, "")
        self._counts[use] = self._counts.get(use, 0) + calls

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            self._flush_safely()
        self._flush_safely()

    def _flush_safely(self) -> None:
        try:
            self.flush()
        except Exception:
            log.exception("callers.bug")
