"""`/admin/releases`: how every release stands, what a person has to know to decide, and the buttons. No JavaScript."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.responses import RedirectResponse

from common.panel.roles import RELEASE_ONLY
from common.releases import view
from common.releases.desk import Refused, ReleaseDesk
from common.releases.rollout import Rollouts
from common.releases.steps import Step, Thaw, act, frozen
from common.releases.store import Conflict, ReleaseRecord
from common.service.admin_pages import AdminPages
from common.service.app import CurrentCall
from common.service.forms import form_of, mistakes_of
from common.service.problems import Problem
from common.state.writes import Writes
from common.versions.registry import RegistryError, UnknownVersion

PATH = "/admin/releases"
SHOWN_FREEZES = 20
EMPTY = {"who": "", "why": "", "insist": ""}

Draw = Callable[[Mapping[str, Any]], Mapping[str, Any]]
Told = TypeVar("Told")


class Asked(BaseModel):
    """The page's address: `done` after a change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    done: str = ""


def add_release_pages(admin: AdminPages, desk: ReleaseDesk, rollouts: Rollouts, steps: Writes, *, draw: Draw) -> None:
    """Adds the pages to the operators' pages.

    Args:
        steps: threads of their own, for a step may wait for a lock of the registry or for a model process.
        draw: a case of a report to what the service's template "release_cases.html" shows of it.
    """
    admin.list_page("Releases", PATH)

    async def run(call: CurrentCall, work: Callable[[], Told]) -> Told:
        try:
            return await steps.run(work, deadline=call.deadline)
        except UnknownVersion as error:
            raise Problem(404, str(error)) from error

    async def shown(
        call: CurrentCall,
        release_id: str,
        *,
        status: int = 200,
        done: str = "",
        form: Mapping[str, str] = EMPTY,
        mistakes: Mapping[str, str] | None = None,
        refused: str = "",
        may_insist: bool = False,
    ) -> Response:
        told = await run(call, partial(_page, desk, rollouts, draw, release_id))
        return admin.render(
            "release.html",
            path=PATH,
            status=status,
            done=view.DONE.get(done),
            form=form,
            mistakes=mistakes or {},
            refused=refused,
            may_insist=may_insist or told["bad_moment"] is not None,
            **told,
        )

    async def listed_page(
        call: CurrentCall, *, status: int = 200, done: str = "", mistakes: Mapping[str, str] | None = None
    ) -> Response:
        told = await run(call, partial(_overview, desk, rollouts))
        return admin.render(
            "releases.html", path=PATH, status=status, done=view.DONE.get(done), mistakes=mistakes or {}, **told
        )

    @admin.routes.get("/releases")
    async def listed(call: CurrentCall, asked: Annotated[Asked, Query()]) -> Response:
        """The newest first, with what is rolled out now, and what is frozen."""
        return await listed_page(call, done=asked.done)

    @admin.routes.get("/releases/{release_id}")
    async def one(call: CurrentCall, release_id: str, asked: Annotated[Asked, Query()]) -> Response:
        """One release: what changes, the cases to look at, the decision, the history."""
        return await shown(call, release_id, done=asked.done)

    @admin.routes.post("/releases/{release_id}", dependencies=[RELEASE_ONLY])
    async def step(request: Request, call: CurrentCall, release_id: str) -> Response:
        """Does what the pressed button says, or tells why not."""
        given = await form_of(request, *EMPTY, "action")
        form = EMPTY | {name: given[name] for name in EMPTY if name in given}
        wish_of = {"action": given.get("action", ""), **{name: text for name, text in form.items() if text}}
        try:
            wish = Step.model_validate_json(json.dumps(wish_of))
        except ValidationError as error:
            return await shown(call, release_id, status=422, form=form, mistakes=mistakes_of(error))

        def stepped() -> None:
            act(desk, release_id, wish)
            rollouts.refresh()

        try:
            await run(call, stepped)
        except Refused as refused:
            may_insist = refused.may_insist
            return await shown(call, release_id, status=409, form=form, refused=str(refused), may_insist=may_insist)
        except (Conflict, RegistryError) as error:
            return await shown(call, release_id, status=409, form=form, refused=str(error))
        return RedirectResponse(f"{PATH}/{release_id}?done={wish.action}", 303)

    @admin.routes.post("/releases/frozen/{component}", dependencies=[RELEASE_ONLY])
    async def thaw(request: Request, call: CurrentCall, component: str) -> Response:
        """Lets releases of a component begin again."""
        given = await form_of(request, "who", "why")
        try:
            wish = Thaw.model_validate_json(json.dumps({name: given.get(name, "") for name in ("who", "why")}))
        except ValidationError as error:
            return await listed_page(call, status=422, mistakes=mistakes_of(error))
        if not await run(call, lambda: desk.thaw(component, who=wish.who, why=wish.why)):
            raise Problem(404, f"{component[:64]!r} is not frozen")
        return RedirectResponse(f"{PATH}?done=thawed", 303)


def _overview(desk: ReleaseDesk, rollouts: Rollouts) -> dict[str, Any]:
    live = rollouts.as_json()
    return {
        "releases": [view.row_of(release, live) for release in desk.store.listed()],
        "frozen": frozen(desk),
        "freezes": [event for event in desk.store.freeze_events()[:SHOWN_FREEZES] if event.component in desk.policies],
        "trouble": rollouts.trouble,
    }


def _page(desk: ReleaseDesk, rollouts: Rollouts, draw: Draw, release_id: str) -> dict[str, Any]:
    release = desk.store.find(release_id)
    if release is None:
        raise UnknownVersion(f"there is no release {release_id[:64]!r}")
    actions = view.actions_of(release, needs_approval=_needs_approval(desk, release))
    guarded = any(action.name in ("start", "advance") for action in actions)
    return {
        "release": view.row_of(release, rollouts.as_json()),
        "review": view.review_of(release.report, draw),
        "summary": view.summary_of(release.report),
        "findings": view.findings_of(release.report),
        "actions": actions,
        "bad_moment": desk.bad_moment(release) if guarded else None,
        "frozen": desk.store.frozen(release.component),
        "events": desk.store.events(release_id),
    }


def _needs_approval(desk: ReleaseDesk, release: ReleaseRecord) -> bool:
    policy = desk.policies.get(release.component)
    return policy is None or policy.needs_approval
