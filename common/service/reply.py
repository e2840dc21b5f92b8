"""The answer to a request on its way out: with the request id, and as a problem where there is nothing better."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

from common.context import REQUEST_ID_HEADER
from common.service.drain import Drain
from common.service.problems import MEDIA_TYPE, Problem


class Reply:
    """Sends the answer and remembers the status that was begun; 0 before that."""

    def __init__(self, send: Send, request_id: str, drain: Drain) -> None:
        self._send = send
        self._drain = drain
        self.request_id = request_id
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[REQUEST_ID_HEADER] = self.request_id
            if self._drain.begun:
                headers["Connection"] = "close"
        await self._send(message)

    async def problem(self, problem: Problem) -> None:
        if self.status:  # half of another answer is out already; the server will cut the connection
            raise problem
        body = problem.body(self.request_id)
        headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **problem.headers}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": body})
