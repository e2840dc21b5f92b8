"""What a state database needs before it is used, done as soon as it can be reached.

A process that starts while its database is locked, full or gone has to start all the same: it serves what it can
without, and gets well by itself.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import structlog
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as WaitedTooLong

from common.state.patience import unhurried

BUSY_TIMEOUT_MS = 2_000  # how long a writer waits for another one
TRIED_EVERY_S = 1.0  # in between, whoever wants the database is told at once that it is not ready
OPTION = "preparations"  # of an engine: where its steps are kept

log = structlog.get_logger(__name__)


def prepare(engine: Engine, step: Callable[[Connection], None]) -> None:
    """Does `step`, which may be done again after half of it; where the database can't be reached, before its next use.

    Until that has worked, whoever asks `engine` for a connection gets the error of the last try: one of SQLAlchemy's,
    as from a database that is lost later. Steps are done in the order in which they came. Any other error is raised.
    """
    Preparations.of(engine).add(step)
    try:
        engine.connect().close()
    except (OperationalError, WaitedTooLong) as error:
        log.warning("state.put_off", error=type(error).__name__)


class Preparations:
    """The steps of one engine, behind one listener: SQLAlchemy lets none be added while another thread calls them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: tuple[_Preparation, ...] = ()  # never changed in place, for others are walking through it

    @classmethod
    def of(cls, engine: Engine) -> Preparations:
        """Those of `engine`; the first call comes before other threads know the engine."""
        found: Preparations | None = engine.get_execution_options().get(OPTION)
        if found is None:
            found = cls()
            engine.update_execution_options(**{OPTION: found})
            event.listen(engine, "engine_connect", found.before_use)
        return found

    def add(self, step: Callable[[Connection], None]) -> None:
        with self._lock:
            self._waiting = (*(one for one in self._waiting if not one.done), _Preparation(step))

    def before_use(self, connection: Connection) -> None:
        """Called with every connection that is handed out."""
        for preparation in self._waiting:
            preparation.before_use(connection)


class _Preparation:
    """One step, until it is done."""

    def __init__(self, step: Callable[[Connection], None]) -> None:
        self._step: Callable[[Connection], None] | None = step
        self._lock = threading.Lock()
        self._failed: tuple[float, SQLAlchemyError] = (-math.inf, SQLAlchemyError())

    @property
    def done(self) -> bool:
        return self._step is None

    def before_use(self, connection: Connection) -> None:
        if self.done:
            return
        try:
            self._do(connection)
        except BaseException:
            connection.close()
            raise

    def _do(self, connection: Connection) -> None:
        if not self._lock.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            raise WaitedTooLong("another thread prepares the state database")
        try:
            failed_s, error = self._failed
            if time.monotonic() < failed_s + TRIED_EVERY_S:
                raise error.with_traceback(None)
            if self._step is not None:
                with connection.begin(), unhurried(connection):
                    self._step(connection)
                self._step = None
        except DBAPIError as error:
            if error is not self._failed[1]:
                self._failed = (time.monotonic(), error)
            raise
        finally:
            self._lock.release()
