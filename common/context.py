"""Whose request is at work: its id and its caller, in context variables.

asyncio copies them into tasks, `WorkerPool` into threads, and the safe client into the next process; every log line
carries them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

REQUEST_ID_HEADER = "X-Request-ID"
ON_BEHALF_HEADER = "X-On-Behalf-Of"  # the caller whom the caller works for; told to the log, trusted by nobody
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def new_request_id() -> str:
    """32 hexadecimal digits that nobody guesses."""
    return secrets.token_hex(16)


def acceptable_request_id(given: str | None) -> str:
    """The caller's request id, or a new one where there is none or it could smuggle something into a log."""
    return given if given is not None and REQUEST_ID.fullmatch(given) else new_request_id()


def acceptable_caller(given: str | None) -> str:
    """The name in `ON_BEHALF_HEADER`; empty where there is none or it could smuggle something into a log."""
    return given if given is not None and REQUEST_ID.fullmatch(given) else ""


def bound_caller() -> str:
    """The caller of the request at work in this context; empty where nobody is known, or the name is not acceptable."""
    caller = structlog.contextvars.get_contextvars().get("caller")
    return "" if caller is None else acceptable_caller(str(caller))


def bound_request_id() -> str | None:
    """The request at work in this context; None outside of any, or where what was bound is not acceptable."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return str(request_id) if request_id is not None and REQUEST_ID.fullmatch(str(request_id)) else None


def current_request_id() -> str:
    """The request at work in this context; a new id outside of any."""
    return bound_request_id() or new_request_id()


@contextmanager
def request_context(request_id: str | None = None, *, caller: str = "") -> Iterator[str]:
    """Everything inside belongs to this request; yields its id, a new one if none is given.

    A service's gateway does this for each request; a script or a job does it itself, once per unit of work.
    """
    request_id = acceptable_request_id(request_id)
    fields = {"request_id": request_id, **({"caller": caller} if caller else {})}
    with structlog.contextvars.bound_contextvars(**fields):
        yield request_id
