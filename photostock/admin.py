"""What operators do over HTTP, under `/v1/admin`: hints and switches."""

from __future__ import annotations

from fastapi import APIRouter

from common.daily.pages import add_reports
from common.erasing.api import add_erasures
from common.incidents.api import add_incidents
from common.lifecycle.api import add_callers
from common.lifecycle.blue_green_api import add_blue_green
from common.overrides.api import add_overrides
from common.panel.answers_page import add_answers
from common.panel.api import add_panel
from common.panel.service import Panel, admin_router
from common.releases.admin import add_releases
from common.replay.api import add_replays
from common.service.shadowing import add_shadow_report
from common.state.switches_api import add_switches
from photostock.engine import Engine
from photostock.feedback.api import add_feedback
from photostock.hints.admin import add_hints
from photostock.override_admin import add_photo_overrides


def router(engine: Engine, panel: Panel) -> APIRouter:
    routes = admin_router(panel)
    add_panel(routes, panel)
    add_answers(routes, engine.answers)
    add_replays(routes, engine.replays)
    add_switches(routes, engine.controls, engine.writes)
    add_callers(routes, engine.lifecycle, engine.writes)
    add_incidents(routes, engine.incidents)
    add_reports(routes, engine.daily)
    add_blue_green(routes, engine.blue_green, engine.writes)
    add_shadow_report(routes, engine.shadow)
    add_releases(routes, engine.desk, engine.rollout.rollouts, engine.steps)

    add_feedback(routes, engine.feedback, engine.reports)
    add_erasures(routes, engine.erasures)
    add_hints(routes, engine)
    add_photo_overrides(routes, engine)
    add_overrides(routes, engine.overrides, engine.writes)
    return routes
