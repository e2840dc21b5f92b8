"""What operators do over HTTP, under `/v1/admin`: hints and switches."""

from __future__ import annotations

from fastapi import APIRouter

from common.lifecycle.api import add_callers
from common.lifecycle.blue_green_api import add_blue_green
from common.releases.admin import add_releases
from common.service.app import admin_router
from common.service.shadowing import add_shadow_report
from common.settings import ServiceSettings
from common.state.switches_api import add_switches
from photostock.engine import Engine
from photostock.feedback.api import add_feedback
from photostock.hints.admin import add_hints


def router(engine: Engine, settings: ServiceSettings) -> APIRouter:
    routes = admin_router(settings)
    add_switches(routes, engine.controls, engine.writes)
    add_callers(routes, engine.lifecycle, engine.writes)
    add_blue_green(routes, engine.blue_green, engine.writes)
    add_shadow_report(routes, engine.shadow)
    add_releases(routes, engine.desk, engine.rollout.rollouts, engine.steps)

    add_feedback(routes, engine.feedback, engine.writes, engine.reports)
    add_hints(routes, engine)
    return routes
