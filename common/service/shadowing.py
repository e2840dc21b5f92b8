"""The shadow of a service: a second model process, set up where there is an address for it, and what it saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel

from common.calls.shadow import Shadow
from common.calls.shadow_report import Difference
from common.calls.upstream import Upstream
from common.service.app import Service

Answer = TypeVar("Answer", bound=BaseModel)


def shadow_of(
    service: Service,
    name: str,
    url: str | None,
    *,
    answer: type[Answer],
    prepare: Callable[[Any], BaseModel],
    difference: Difference[Answer],
) -> Shadow[Answer] | None:
    """A second model process that sees a share of the calls, where one is set up; nobody uses what it answers."""
    if url is None:
        return None
    upstream = Upstream(name, url, api_key=service.settings.outgoing_key)
    return Shadow(upstream, answer=answer, prepare=prepare, difference=difference, metrics=service.shadow_metrics)


def add_shadow_report(routes: APIRouter, shadow: Shadow[Any] | None) -> None:
    """Adds `GET /v1/admin/shadow`; `{"shadow": null}` while no shadow is set up."""

    @routes.get("/shadow")
    async def report() -> dict[str, Any]:
        """How often the shadow agreed since the start, the worst pairs, and why pairs are missing."""
        return {"shadow": None if shadow is None else shadow.report.as_json()}
