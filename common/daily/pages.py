"""`/admin/reports` and `/v1/admin/reports/{day}`: what a day came to, for people and for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import APIRouter, Response
from markupsafe import Markup

from common.daily.report import NOTHING, drawing, shown
from common.daily.service import Daily
from common.daily.tables import DailyReport, day_of
from common.service.admin_pages import AdminPages
from common.service.app import CurrentCall
from common.service.problems import Problem

PATH = "/admin/reports"


def add_report_pages(admin: AdminPages, daily: Daily) -> None:
    """Adds the pages."""
    admin.list_page("Reports", PATH)

    @admin.routes.get("/reports")
    async def listed(call: CurrentCall) -> Response:
        """The days of which something is known."""
        days = await daily.reading.run(daily.sums.store.days, deadline=call.deadline)
        return admin.render("reports.html", path=PATH, days=days, today=datetime.now(UTC).date().isoformat())

    @admin.routes.get("/reports/{day}")
    async def one(call: CurrentCall, day: str) -> Response:
        """One day."""
        report = await _report(daily, call, day)
        chart = Markup(drawing(report))  # noqa: S704  it escapes its texts
        return admin.render("report.html", path=PATH, report=report, chart=chart, shown=shown, nothing=NOTHING)


def add_reports(routes: APIRouter, daily: Daily) -> None:
    """Hangs the route on a service's router for operators."""

    @routes.get("/reports/{day}")
    async def one(call: CurrentCall, day: str) -> dict[str, Any]:
        """One day (UTC, such as 2026-11-22), table by table."""
        return (await _report(daily, call, day)).as_json()


async def _report(daily: Daily, call: CurrentCall, text: str) -> DailyReport:
    try:
        day = day_of(text)
    except ValueError as error:
        raise Problem(404, str(error)) from error
    return await daily.reading.run(partial(daily.report, day), deadline=call.deadline)
