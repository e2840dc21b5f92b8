"""The page `/admin/callers`: who uses what, when last, and who would be hurt by what comes to its end."""

from __future__ import annotations

from functools import partial

from fastapi import Response

from common.lifecycle.api import overview
from common.lifecycle.service import Lifecycle
from common.service.admin_pages import AdminPages
from common.service.app import CurrentCall
from common.state.writes import Writes

PATH = "/admin/callers"


def add_callers_page(admin: AdminPages, lifecycle: Lifecycle, writes: Writes) -> None:
    """Adds the page to the operators' pages."""
    admin.list_page("Callers", PATH)

    @admin.routes.get("/callers")
    async def callers(call: CurrentCall) -> Response:
        """Who calls, and what comes to its end."""
        told = await writes.run(partial(overview, lifecycle), deadline=call.deadline)
        return admin.render("callers.html", path=PATH, trouble=lifecycle.usage.trouble, **told)
