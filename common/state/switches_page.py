"""The page `/admin/switches`: how each tier and breaker stands, with the evidence, and who forced what."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeAlias

from fastapi import Query, Request, Response
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.responses import RedirectResponse

from common.panel.owner import actor_name
from common.report.svg import bar_chart
from common.service.admin_pages import AdminPages
from common.service.app import CurrentCall
from common.service.forms import form_of, mistakes_of
from common.service.problems import Problem
from common.state.controls import Controls
from common.state.switches_api import NewSwitch, released, switched
from common.state.writes import Writes

PATH = "/admin/switches"
HOURS = ("1", "4", "24", "168", "672")
DONE = {"set": "It is switched.", "removed": "It is automatic again."}
DRAWN_FEATURES = 12
Groups: TypeAlias = Callable[[], list[dict[str, Any]]]


class Asked(BaseModel):
    """The page's address: `done` after a change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    done: str = ""


def add_switches_page(admin: AdminPages, controls: Controls, writes: Writes, *, drift: Groups = list) -> None:
    """Adds the page; `drift` tells of the groups of inputs that were compared with their reference."""
    admin.list_page("Switches", PATH)

    def page(*, status: int = 200, **told: Any) -> Response:
        targets = [{**one, "chart": refusals_chart(one)} for one in controls.as_json()]
        groups = [{**one, "chart": drift_chart(one)} for one in drift()]
        said = {"done": None, "wish": None, "mistakes": {}} | told
        return admin.render(
            "switches.html", path=PATH, status=status, targets=targets, groups=groups, hours=HOURS, **said
        )

    @admin.routes.get("/switches")
    async def shown(asked: Annotated[Asked, Query()]) -> Response:
        """Everything that can be switched."""
        return page(done=DONE.get(asked.done))

    @admin.routes.post("/switches/{target}")
    async def switch(request: Request, call: CurrentCall, target: str) -> Response:
        """The first time asks whether this is meant; confirmed, it is done."""
        form = await form_of(request, "state", "reason", "hours", "owner", "confirmed")
        if target not in controls.targets:
            raise Problem(404, f"there is no {target[:128]!r} to switch")
        wish = {"target": target, "state": form.get("state", ""), "reason": form.get("reason", "")}
        wish |= {"hours": form.get("hours", HOURS[0]), "owner": form.get("owner", "") or actor_name()}
        try:
            wanted = NewSwitch.model_validate_json(json.dumps(_as_switch(wish)))
        except ValidationError as error:
            return page(status=422, wish=wish, mistakes=mistakes_of(error))
        if wanted.state not in controls.shown(target)["states"]:
            return page(status=422, wish=wish, mistakes={"state": "it can't be switched so"})
        if form.get("confirmed") != "yes":
            return admin.render("switch_confirm.html", path=PATH, wish=wish, now=controls.shown(target))
        if wanted.state == "auto":
            await released(controls, writes, target, wanted.reason, call)
            return RedirectResponse(f"{PATH}?done=removed", 303)
        await switched(controls, writes, target, wanted, call)
        return RedirectResponse(f"{PATH}?done=set", 303)


def _as_switch(wish: Mapping[str, str]) -> dict[str, str]:
    hours = int(wish["hours"]) if wish["hours"] in HOURS else 1
    ends_at = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
    return {"state": wish["state"], "owner": wish["owner"], "reason": wish["reason"], "ends_at": ends_at}


def refusals_chart(target: Mapping[str, Any]) -> Markup:
    """Items that were held against a tier, by reason; empty where there are none."""
    refused = target["automatic"].get("refused") or {}
    bars = [(reason, [("items", float(count), "bad")]) for reason, count in sorted(refused.items())]
    title = f"What speaks against {target['target']}"
    return Markup(bar_chart(bars, title=title, description="items by reason", y_title="items"))  # noqa: S704  it escapes


def drift_chart(group: Mapping[str, Any]) -> Markup:
    """How far each feature is, as a multiple of its own limit: above 1 it has drifted."""
    features = sorted(group.get("features") or (), key=_times_the_limit, reverse=True)[:DRAWN_FEATURES]
    bars = [
        (str(place), [(one["feature"], _times_the_limit(one), "bad" if one["drifted"] else "good")])
        for place, one in enumerate(features, start=1)
    ]
    title = f"Drift of {group['group']}"
    description = "population stability index of each feature as a multiple of its limit"
    return Markup(bar_chart(bars, title=title, description=description, y_title="× limit"))  # noqa: S704  it escapes


def _times_the_limit(feature: Mapping[str, Any]) -> float:
    return float(feature["psi"] / feature["psi_limit"]) if feature["psi_limit"] else 0.0
