"""`/v1/admin/releases`: how every release stands, and what an operator can do to it.

A version is proposed on the command line (`python -m SERVICE release propose`), because that runs both versions over
the evaluation set, which takes minutes of CPU that no API process has to give away.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter

from common.panel.roles import RELEASE_ONLY
from common.releases.desk import Refused, ReleaseDesk
from common.releases.rollout import Rollouts
from common.releases.steps import Step, Thaw, act, frozen, shown
from common.releases.store import Conflict
from common.service.app import CurrentCall, body_of, documented
from common.service.problems import Problem
from common.state.writes import Writes
from common.versions.registry import RegistryError, UnknownVersion

MOST_STEPS = 16  # that wait at the same time


def add_releases(routes: APIRouter, desk: ReleaseDesk, rollouts: Rollouts, steps: Writes) -> None:
    """Hangs the routes on a service's router for operators.

    Args:
        steps: threads of their own, for a step may wait for a lock of the registry or for a model process.
    """

    async def told(call: CurrentCall, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            return await steps.run(work, deadline=call.deadline)
        except UnknownVersion as error:
            raise Problem(404, str(error)) from error
        except (Conflict, Refused, RegistryError) as error:
            raise Problem(409, str(error)) from error

    @routes.get("/releases")
    async def listed(call: CurrentCall) -> dict[str, Any]:
        """The newest first, without their reports; what is rolled out now, with the evidence; what is frozen."""
        return await told(call, partial(_overview, desk, rollouts))

    @routes.get("/releases/{release_id}")
    async def one(call: CurrentCall, release_id: str) -> dict[str, Any]:
        """One release with its report and its story."""
        return await told(call, partial(shown, desk, release_id))

    @routes.post("/releases/{release_id}", dependencies=[RELEASE_ONLY], openapi_extra=documented(Step))
    async def step(call: CurrentCall, release_id: str, wish: Annotated[Step, body_of(Step)]) -> dict[str, Any]:
        """Durable once this answers 200; in force here at once, on other replicas within a second."""

        def stepped() -> dict[str, Any]:
            act(desk, release_id, wish)
            rollouts.refresh()
            return shown(desk, release_id)

        return await told(call, stepped)

    @routes.post("/releases/frozen/{component}", dependencies=[RELEASE_ONLY], openapi_extra=documented(Thaw))
    async def thaw(call: CurrentCall, component: str, wish: Annotated[Thaw, body_of(Thaw)]) -> dict[str, Any]:
        """Lets releases of a component begin again after one was taken back."""

        def thawed() -> dict[str, Any]:
            if not desk.thaw(component, who=wish.who, why=wish.why):
                raise UnknownVersion(f"{component[:64]!r} is not frozen")
            return _overview(desk, rollouts)

        return await told(call, thawed)


def _overview(desk: ReleaseDesk, rollouts: Rollouts) -> dict[str, Any]:
    releases = [{**release.as_json(), "report": None} for release in desk.store.listed()]
    freezes = [event.as_json() for event in desk.store.freeze_events() if event.component in desk.policies]
    return {"releases": releases, "rollouts": rollouts.as_json(), "frozen": frozen(desk), "freezes": freezes}
