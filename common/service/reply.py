"""The answer to a request on its way out: with the request id, and as a problem where there is nothing better."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

from common.context import REQUEST_ID_HEADER
from common.service.drain import Drain
from common.service.problems import Problem, ProblemForm, as_json


class Reply:
    """Sends the answer and remembers the status that was begun; 0 before that."""

    def __init__(
        self,
        send: Send,
        request_id: str,
        drain: Drain,
        problem_form: ProblemForm = as_json,
        more_headers: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._send = send
        self._more_headers = more_headers
        self._problem_form = problem_form
        self._drain = drain
        self.request_id = request_id
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[REQUEST_ID_HEADER] = self.request_id
            for name, value in self._more_headers().items():
                headers[name] = value
            if self._drain.begun:
                headers["Connection"] = "close"
        await self._send(message)

    async def problem(self, problem: Problem) -> None:
        if self.status:  # half of another answer is out already; the server will cut the connection
            raise problem
        answer = self._problem_form(problem, self.request_id)
        await self.send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
        await self.send({"type": "http.response.body", "body": answer.body})


def without_body(send: Send) -> Send:
    """Sends the head of an answer alone, as HEAD asks for."""

    async def head_only(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return head_only
