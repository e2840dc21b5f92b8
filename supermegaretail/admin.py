"""What operators do over HTTP, under `/v1/admin`: overrides and switches."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Response

from common.lifecycle.api import add_callers
from common.lifecycle.blue_green_api import add_blue_green
from common.releases.admin import add_releases
from common.service.app import CurrentCall, admin_router, body_of, documented
from common.service.problems import Problem
from common.service.shadowing import add_shadow_report
from common.settings import ServiceSettings
from common.state.overrides import Override
from common.state.switches_api import add_switches
from supermegaretail.contract import NewOverride
from supermegaretail.engine import Engine
from supermegaretail.forecast import override_target
from supermegaretail.monitoring.routes import add_monitoring


def router(engine: Engine, settings: ServiceSettings) -> APIRouter:
    routes = admin_router(settings)
    add_switches(routes, engine.controls, engine.writes)
    add_callers(routes, engine.lifecycle, engine.writes)
    add_blue_green(routes, engine.blue_green, engine.writes)
    add_shadow_report(routes, engine.shadow)
    add_releases(routes, engine.desk, engine.rollout.rollouts, engine.steps)
    add_monitoring(routes, engine)

    @routes.get("/drift")
    async def drift() -> dict[str, Any]:
        """How far the models' inputs are from those that they learnt from, and what that led to."""
        return engine.drift.as_json()

    @routes.get("/overrides")
    async def listed() -> dict[str, Any]:
        """Overrides in force."""
        now = datetime.now(UTC)
        return {"overrides": [_shown(entry) for entry in engine.active_overrides.value.values() if entry.active(now)]}

    @routes.post("/overrides", status_code=201, openapi_extra=documented(NewOverride))
    async def add(call: CurrentCall, wish: Annotated[NewOverride, body_of(NewOverride)]) -> dict[str, Any]:
        """A person's word against the models', for one store and product, with a reason and an end."""
        try:
            return _shown(await engine.writes.run(lambda: _add(engine, wish), deadline=call.deadline))
        except ValueError as error:
            raise Problem(422, f"ends_at: {error}") from error

    @routes.delete("/overrides/{override_id}", status_code=204)
    async def withdraw(call: CurrentCall, override_id: str) -> Response:
        """Ends an override before its time."""
        if not await engine.writes.run(lambda: _withdraw(engine, override_id), deadline=call.deadline):
            raise Problem(404, "no override of this id is in force")
        return Response(status_code=204)

    return routes


def _add(engine: Engine, wish: NewOverride) -> Override:
    override = engine.overrides.add(
        override_target(wish.store, wish.sku),
        {"demand_per_day": wish.demand_per_day},
        owner=wish.owner,
        reason=wish.reason,
        ends_at=wish.ends_at,
        now=datetime.now(UTC),
    )
    engine.active_overrides.refresh()
    return override


def _withdraw(engine: Engine, override_id: str) -> bool:
    withdrawn = engine.overrides.withdraw(override_id, now=datetime.now(UTC))
    engine.active_overrides.refresh()
    return withdrawn


def _shown(override: Override) -> dict[str, Any]:
    document = override.as_json()
    store, _, sku = document.pop("target").partition("\n")
    value = document.pop("value")
    return {**document, "store": store, "sku": sku, **value}
