"""The page `/admin/audit`: who did what, why, and what came of it."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated, Any

from fastapi import Query, Response

from common.service.admin_pages import AdminPages
from common.service.app import CurrentCall

PATH = "/admin/audit"
SHOWN = 50


def add_audit_page(admin: AdminPages) -> None:
    """Adds the page to the operators' pages."""
    admin.list_page("Audit", PATH)

    @admin.routes.get("/audit")
    async def audit(call: CurrentCall, before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None) -> Response:
        """The newest entries, or those before a number."""
        read = partial(admin.panel.audit.listed, limit=SHOWN, before=before)
        entries = await admin.panel.writes.run(read, deadline=call.deadline)
        older = entries[-1]["number"] if len(entries) == SHOWN and entries[-1]["number"] > 1 else None
        return admin.render("audit.html", path=PATH, entries=list(map(_row, entries)), before=before, older=older)


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    came_to = entry["came_to"] or {}
    status = came_to.get("status", "unknown")
    words = {"unknown": "not known: nobody noted an end", "done": "done"}
    if came_to.get("changed") is False:
        fate = "only looked at: nothing was changed"
    else:
        fate = words.get(status) or ("done" if status < 400 else f"refused ({status})")
    details = {**entry["details"], **{name: value for name, value in came_to.items() if name != "status"}}
    return {**entry, "fate": fate, "details": json.dumps(details, indent=1, ensure_ascii=False)}
