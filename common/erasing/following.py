"""What a replica remembers is forgotten by every replica, whichever of them was asked to erase somebody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Lock

from sqlalchemy.exc import SQLAlchemyError

from common.state.erasures import ErasureStore


class Following:
    """Looks whether anybody was erased; `refresh` is for worker threads, once a second.

    Args:
        at_start: forgets again whom an older copy of the database brought back, and tells whether there was anything;
            until it has worked once.
        in_thread: compares with the database what is in memory; may take long.
        on_loop: empties what belongs to the event loop.
    """

    def __init__(
        self,
        store: ErasureStore,
        *,
        at_start: Callable[[], int],
        in_thread: Callable[[], None],
        on_loop: Callable[[], None],
    ) -> None:
        self._store, self._at_start, self._in_thread, self._on_loop = store, at_start, in_thread, on_loop
        self._seen: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._refreshing = Lock()  # who looks meanwhile goes on when all is forgotten

    def begin(self) -> None:
        """To be called on the event loop, at the start."""
        self._loop = asyncio.get_running_loop()

    def refresh(self) -> None:
        """Forgets if there was an erasure since; while the database is away it is put off."""
        with self._refreshing, suppress(SQLAlchemyError):
            if self._seen is None and self._at_start():
                self.forget()  # the database may have been away: others have read from it since
            changes = self._store.changes()
            if self._seen is not None and changes != self._seen:
                self.forget()
            self._seen = changes

    def forget(self) -> None:
        """Now."""
        self._in_thread()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._on_loop)
