"""`GET /v1/admin/shadow`: what the shadow saw, for operators."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from common.calls.shadow import Shadow


def add_shadow_report(routes: APIRouter, shadow: Shadow[Any] | None) -> None:
    """Adds the route; `{"shadow": null}` while no shadow is set up."""

    @routes.get("/shadow")
    async def report() -> dict[str, Any]:
        """How often the shadow agreed since the start, the worst pairs, and why pairs are missing."""
        return {"shadow": None if shadow is None else shadow.report.as_json()}
