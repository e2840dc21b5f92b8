"""A connection to PostgreSQL that gives a silent server up.

One that was paused, or hangs, keeps its connections alive and can't keep a bound of its own: whoever has asked it would
wait for ever, and with the one thread that writes all writes.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg.abc import PQGen

from common.state.patience import SILENT_S


class BoundedConnection(psycopg.Connection[Any]):
    """It closes itself when nothing has come for `silent_s` while something was waited for."""

    silent_s = SILENT_S

    def wait(self, gen: PQGen[Any], *arguments: Any, **options: Any) -> Any:
        """Where psycopg waits for the server, whatever it asked."""
        return super().wait(self._bounded(gen), *arguments, **options)

    def _bounded(self, gen: PQGen[Any]) -> PQGen[Any]:
        heard_s = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    heard_s = time.monotonic()
                elif time.monotonic() - heard_s > self.silent_s:  # asked ten times a second
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"the server has been silent for {self.silent_s:g} s")
                wanted = gen.send(ready)
        except StopIteration as ended:
            return ended.value
