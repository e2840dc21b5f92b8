"""Refuses requests while they are read: no task, no context, no route, nothing of the body, and one write.

Under overload most requests are refused, and each takes time from those that are not. The gateway refuses by the same
books what is not worth a shortcut: operators' calls, bodies of unknown or excessive length, pipelined requests.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from common.context import acceptable_request_id
from common.deadline import HEADER as TIMEOUT_HEADER
from common.metrics import HttpMetrics
from common.service.admission import Admission, Place
from common.service.arrival import ARRIVED_S, waited_ms
from common.service.connections import BoundedProtocol
from common.service.drain import Drain
from common.service.gateway import MIN_BUDGET_MS, OPEN_TO_ALL, PLACE, UNMATCHED
from common.service.problems import MEDIA_TYPE, RETRY_AFTER_S, too_many
from common.service.request_body import MAX_BODY_BYTES

SHORTCUTS = {b"GET": "GET", b"POST": "POST", b"PUT": "PUT", b"DELETE": "DELETE"}
NOT_THESE = (b"/v1/admin/", b"/admin", b"/static/")
TIMEOUT = TIMEOUT_HEADER.lower().encode()
START = (
    f"HTTP/1.1 429 Too Many Requests\r\ncontent-type: {MEDIA_TYPE}\r\nretry-after: {RETRY_AFTER_S}\r\nx-request-id: "
)
BODY_START, _, BODY_END = too_many().body("?").partition(b"?")


class RefusingProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 on one connection, with a shortcut for what is refused."""

    def __init__(
        self, *arguments: Any, admission: Admission, metrics: HttpMetrics, drain: Drain, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._admission, self._metrics, self._drain = admission, metrics, drain
        self._refused = False  # the request whose bytes come just now
        self._place: Place | None = None  # of one that is let in, until all of it is there

    def on_headers_complete(self) -> None:
        self._place, self._refused = None, False
        if not self._is_ordinary():
            super().on_headers_complete()
            return
        authorization, budget_ms, late_ms = self._told()
        caller = self._admission.caller(authorization, self.client[0] if self.client else "")
        passed = min(1.0, late_ms / budget_ms)
        self._place = self._admission.enter(caller, passed=passed, budget_ms=budget_ms)
        self._refused = self._place is None
        if self._refused:
            self._turn_away()
            return
        super().on_headers_complete()
        scope = cast(dict[str, Any], self.scope)  # keys of ours, which the server's type does not have
        scope[ARRIVED_S], scope[PLACE] = time.monotonic() - late_ms / 1000, self._place

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._refused:
            self._place = None  # it is the gateway's now
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._place is not None:  # no place is kept for who sends slowly: the gateway takes one when all is there
            self._place.leave(answered=False)
            self._place = None
            cast(dict[str, Any], self.scope).pop(PLACE, None)
        if self._refused and self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _is_ordinary(self) -> bool:
        """Whether it is a request that the shortcut is for."""
        if self.url.startswith(NOT_THESE) or self.url.partition(b"?")[0].decode("latin-1") in OPEN_TO_ALL:
            return False
        if self.cycle is not None and not self.cycle.response_complete:
            return False  # answers leave in the order of their requests
        if self.parser.get_method() not in SHORTCUTS or self.expect_100_continue or self.parser.should_upgrade():
            return False
        is_call = self.url.startswith(b"/v1/")
        for name, value in self.headers:
            if name == b"transfer-encoding" or (name == b"content-length" and int(value) > MAX_BODY_BYTES):
                return False
            if name == b"accept" and not is_call and b"text/html" in value:  # a person gets a page
                return False
        return True

    def _told(self) -> tuple[str | None, float, float]:
        """Who asks, how many milliseconds they have, and how many of these have passed already."""
        authorization, budget_ms = None, math.inf
        for name, value in self.headers:
            if name == b"authorization":
                authorization = value.decode("latin-1")
            elif name == TIMEOUT:
                with suppress(ValueError):  # the gateway tells them what is wrong
                    budget_ms = max(MIN_BUDGET_MS, float(value))
        return authorization, budget_ms, waited_ms(self.transport.get_extra_info("socket"))

    def _turn_away(self) -> None:
        self._metrics.count(route=UNMATCHED, method=SHORTCUTS[self.parser.get_method()], status=429)
        request_id = acceptable_request_id(
            next((value.decode("latin-1") for name, value in self.headers if name == b"x-request-id"), None)
        )
        body = BODY_START + request_id.encode() + BODY_END
        stays = self.parser.should_keep_alive() and not self._drain.begun
        ending = "\r\n" if stays else "connection: close\r\n\r\n"
        self.transport.write(f"{START}{request_id}\r\ncontent-length: {len(body)}\r\n{ending}".encode() + body)
        if not stays:
            self._hang_up()

    def _hang_up(self) -> None:
        self.transport.close()


class ServedProtocol(BoundedProtocol, RefusingProtocol):
    """Every connection of a service: first its bounds, which hold for the refused, too; then whether there is room."""

    def _hang_up(self) -> None:
        self._last_one = True
        self._leave(None)
