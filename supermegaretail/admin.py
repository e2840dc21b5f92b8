"""What operators do over HTTP, under `/v1/admin`: overrides and switches."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter

from common.daily.pages import add_reports
from common.erasing.api import add_erasures
from common.incidents.api import add_incidents
from common.lifecycle.api import add_callers
from common.lifecycle.blue_green_api import add_blue_green
from common.overrides.api import add_overrides
from common.panel.answers_page import add_answers
from common.panel.api import add_panel
from common.panel.roles import PREVIEW
from common.panel.service import Panel, admin_router
from common.releases.admin import add_releases
from common.service.app import CurrentCall, body_of, documented
from common.service.shadowing import add_shadow_report
from common.state.switches_api import add_switches
from supermegaretail.contract import NewOverride, OverridePreview
from supermegaretail.engine import Engine
from supermegaretail.events.routes import add_events
from supermegaretail.monitoring.routes import add_monitoring
from supermegaretail.override_preview import preview


def router(engine: Engine, panel: Panel) -> APIRouter:
    routes = admin_router(panel)
    add_panel(routes, panel)
    add_answers(routes, engine.answers)
    add_switches(routes, engine.controls, engine.writes)
    add_callers(routes, engine.lifecycle, engine.writes)
    add_incidents(routes, engine.incidents)
    add_reports(routes, engine.daily)
    add_erasures(routes, engine.erasures)
    add_blue_green(routes, engine.blue_green, engine.writes)
    add_shadow_report(routes, engine.shadow)
    add_releases(routes, engine.desk, engine.rollout.rollouts, engine.steps)
    add_monitoring(routes, engine)

    @routes.get("/drift")
    async def drift() -> dict[str, Any]:
        """How far the models' inputs are from those that they learnt from, and what that led to."""
        return engine.drift.as_json()

    @routes.post("/overrides", status_code=201, openapi_extra=documented(NewOverride))
    async def add(call: CurrentCall, wish: Annotated[NewOverride, body_of(NewOverride)]) -> dict[str, Any]:
        """A person's word against the models', with a reason and an end: in force here once this answers 201."""
        made = await engine.writes.run(partial(engine.overrides.add, wish), deadline=call.deadline)
        return engine.overrides.shown(made)

    @routes.post("/overrides/preview", dependencies=[PREVIEW], openapi_extra=documented(OverridePreview))
    async def previewed(
        call: CurrentCall, wish: Annotated[OverridePreview, body_of(OverridePreview)]
    ) -> dict[str, Any]:
        """What an override would make of some forecasts; nothing is saved."""
        return await preview(engine, wish, call)

    add_overrides(routes, engine.overrides, engine.writes)
    add_events(routes, engine)
    return routes
