"""Notices who calls an endpoint item by item, and names the bulk call that would do: see `common.calls.bulk`."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from common.context import bound_request_id

if TYPE_CHECKING:
    from common.calls.upstream import Upstream

LOOP_CALLS = 5  # of one endpoint, in one request, from which on it is a loop
REMEMBERED_REQUESTS = 1_024
log = structlog.get_logger(__name__)


class LoopNotice:
    """Counts the calls of one endpoint per request; outside of a `request_context` there is nothing to count by.

    It says so once in the log, and counts every request that does it.
    """

    def __init__(self, upstream: Upstream, path: str) -> None:
        self._upstream = upstream
        self._path = path
        self._calls: OrderedDict[str, int] = OrderedDict()
        self._told = False

    def note(self) -> None:
        """One more call."""
        request_id = bound_request_id()
        if request_id is None:
            return
        calls = self._calls[request_id] = self._calls.pop(request_id, 0) + 1
        if len(self._calls) > REMEMBERED_REQUESTS:
            self._calls.popitem(last=False)
        if calls == LOOP_CALLS:
            with suppress(Exception):  # whatever the log or the metrics do, the call goes on
                self._tell()

    def _tell(self) -> None:
        if self._upstream.metrics is not None:
            self._upstream.metrics.loop(self._upstream.name)
        if not self._told:
            self._told = True
            log.warning(
                "client.called_in_a_loop",
                upstream=self._upstream.name,
                path=self._path,
                calls=LOOP_CALLS,
                instead="common.Bulk(endpoint, …).call_many(items): all items under one deadline",
            )
