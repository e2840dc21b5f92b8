"""`/v1/admin/incidents`: where Alertmanager tells of alerts, and people of what they found and did."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from fastapi import APIRouter, Request, Response

from common.contract import Reason, RequestModel, Text
from common.incidents.draft import post_mortem
from common.incidents.service import Incidents
from common.incidents.store import Conflict, Incident, State
from common.incidents.webhook import Notification, plain, told
from common.panel.owner import Owner
from common.panel.roles import ALERTS_ONLY
from common.service.app import CurrentCall, body_of, documented
from common.service.problems import Problem

Action: TypeAlias = Literal["note", "mitigate", "resolve", "reopen"]
STATES: dict[str, State] = {"mitigate": State.MITIGATED, "resolve": State.RESOLVED, "reopen": State.OPEN}
MARKDOWN = "text/markdown; charset=utf-8"
T = TypeVar("T")


class NewIncident(RequestModel):
    """Something is wrong that no alert told of."""

    title: Text
    who: Owner


class Change(RequestModel):
    """A note on the time line, or a step, by whom and why."""

    action: Action
    text: Reason
    who: Owner


def add_incidents(routes: APIRouter, incidents: Incidents) -> None:
    """Hangs the routes on a service's router for operators."""

    @routes.post("/incidents/alerts", dependencies=[ALERTS_ONLY], openapi_extra=documented(Notification))
    async def alerts(
        request: Request, call: CurrentCall, sent: Annotated[Notification, body_of(Notification)]
    ) -> dict[str, Any]:
        """Alertmanager's webhook; durable once this answers 200, and told twice it counts once."""
        news = told(sent, service=incidents.service, now=incidents.store.now())
        live, changed = await incidents.writes.run(partial(incidents.store.take, news), deadline=call.deadline)
        request.state.changed = changed
        return {"incidents": live}

    @routes.get("/incidents")
    async def listed(call: CurrentCall) -> dict[str, Any]:
        """The newest first."""
        found = await incidents.writes.run(incidents.store.listed, deadline=call.deadline)
        return {"incidents": [incident.as_json() for incident in found]}

    @routes.post("/incidents", status_code=201, openapi_extra=documented(NewIncident))
    async def opened(call: CurrentCall, wish: Annotated[NewIncident, body_of(NewIncident)]) -> dict[str, Any]:
        """Opens one by hand; 409 while another one of this service is live."""
        return (await done(incidents, call, partial(open_by_hand, incidents, wish))).as_json()

    @routes.get("/incidents/{incident_id}")
    async def one(call: CurrentCall, incident_id: str) -> dict[str, Any]:
        """With its time line."""
        return await done(incidents, call, partial(_shown, incidents, incident_id))

    @routes.post("/incidents/{incident_id}", openapi_extra=documented(Change))
    async def changed(call: CurrentCall, incident_id: str, wish: Annotated[Change, body_of(Change)]) -> dict[str, Any]:
        """Adds a note, or moves it to another state."""

        def work() -> dict[str, Any]:
            change(incidents, incident_id, wish)
            return _shown(incidents, incident_id)

        return await done(incidents, call, work)

    @routes.get("/incidents/{incident_id}/post-mortem", response_class=Response)
    async def draft(call: CurrentCall, incident_id: str) -> Response:
        """The draft of a post-mortem, as Markdown."""
        return Response(await done(incidents, call, partial(drafted, incidents, incident_id)), media_type=MARKDOWN)


async def done(incidents: Incidents, call: CurrentCall, work: Callable[[], T]) -> T:
    """What `work` returns, in a thread; `Problem` 404 and 409 for what can't be."""
    try:
        return await incidents.writes.run(work, deadline=call.deadline)
    except LookupError as error:
        raise Problem(404, str(error.args[0])) from error
    except Conflict as error:
        raise Problem(409, str(error)) from error


def found(incidents: Incidents, incident_id: str) -> Incident:
    """Raises `LookupError`."""
    if (incident := incidents.store.find(incident_id)) is None:
        raise LookupError(f"there is no incident {incident_id[:64]!r}")
    return incident


def change(incidents: Incidents, incident_id: str, wish: Change) -> None:
    """Does it; raises `LookupError` and `Conflict`."""
    if wish.action == "note":
        incidents.store.add_note(incident_id, wish.text, who=wish.who)
    else:
        incidents.store.change(incident_id, STATES[wish.action], who=wish.who, why=wish.text)
    incidents.watch.live = incidents.store.live(incidents.service)


def drafted(incidents: Incidents, incident_id: str) -> str:
    """The post-mortem's draft; raises `LookupError`."""
    incident = found(incidents, incident_id)
    return post_mortem(incident, incidents.time_line(incident))


def open_by_hand(incidents: Incidents, wish: NewIncident) -> Incident:
    return incidents.store.open(incidents.service, plain(wish.title, 200), who=wish.who)


def _shown(incidents: Incidents, incident_id: str) -> dict[str, Any]:
    incident = found(incidents, incident_id)
    return {**incident.as_json(), "time_line": [moment.as_json() for moment in incidents.time_line(incident)]}
