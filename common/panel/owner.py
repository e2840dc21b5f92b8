"""Who is at work, for whatever has an owner; no web framework, for command lines read it too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, TypeAlias

import structlog
from pydantic import Field

from common.contract import Text


@contextmanager
def acting(actor: str) -> Iterator[None]:
    """Everything inside, and every line that it logs, is done by this operator."""
    with structlog.contextvars.bound_contextvars(operator=actor):
        yield


def actor_name() -> str:
    """The operator at work in this context; empty outside of operators' requests."""
    return str(structlog.contextvars.get_contextvars().get("operator", ""))


# Of a request: whoever sends it, unless it says; nobody owns nothing.
Owner: TypeAlias = Annotated[Text, Field(default_factory=actor_name, validate_default=True)]
