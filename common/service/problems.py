"""Errors as RFC 9457 documents (`application/problem+json`): what is wrong, where, and never a stack trace."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeAlias

from pydantic import ValidationError
from starlette.responses import Response

from common.errors import NobodyAnswered, PoolFull

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
MAX_ERRORS = 20  # of one request; more help nobody


class Problem(Exception):
    """An answer that is an error. Raise it anywhere in a request."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: list[dict[str, str]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = errors

    def body(self, request_id: str) -> bytes:
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.errors is not None:
            document["errors"] = self.errors
        return json.dumps(document).encode()


# How the caller of a request is told of a problem: the problem and the request's id become an answer.
ProblemForm: TypeAlias = Callable[[Problem, str], Response]
PROBLEM_FORM = "common.problem_form"  # key in the ASGI scope


def as_json(problem: Problem, request_id: str) -> Response:
    """The form for programs."""
    return Response(problem.body(request_id), problem.status, problem.headers, MEDIA_TYPE)


def too_many(detail: str = "too many requests at once", *, retry_after_s: int = RETRY_AFTER_S) -> Problem:
    """429, while there is no room: sending it again is safe."""
    return Problem(429, detail, headers={"Retry-After": str(retry_after_s)})


def not_now(error: Exception, detail: str, *, retry_after_s: int = RETRY_AFTER_S) -> Problem:
    """429 where a queue was full (`PoolFull`), else 503: it could not be done in time. Sending it again is safe."""
    if isinstance(error, PoolFull):
        return too_many(detail, retry_after_s=retry_after_s)
    return Problem(503, detail, headers={"Retry-After": str(retry_after_s)})


def invalid(errors: list[Any]) -> Problem:
    """422 from pydantic's list of errors: where each is, and what is wrong there."""
    listed = [
        {"where": ".".join(str(part) for part in error["loc"]) or "body", "what": str(error["msg"])}
        for error in errors[:MAX_ERRORS]
    ]
    first = listed[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Problem(422, f"{first['where']}: {first['what']}{more}", errors=listed)


def nobody_answered(error: NobodyAnswered) -> Problem:
    """503, the last word: even the last tier failed."""
    return Problem(503, f"nobody could answer: {error}")


def invalid_body(error: ValidationError) -> Problem:
    """422 from the validation of a request's body."""
    return invalid(error.errors(include_url=False, include_input=False, include_context=False))


def invalid_query(error: ValidationError) -> Problem:
    """422 from the validation of a request's query string."""
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    return invalid([{**one, "loc": ("query", *one["loc"])} for one in errors])
