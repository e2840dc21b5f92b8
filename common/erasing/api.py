"""`/v1/admin/erasures`: who was forgotten, and how to forget somebody."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter

from common.contract import Reason, RequestModel, Text
from common.erasing.background import Finishing
from common.erasing.journal import Certificate
from common.panel.owner import Owner
from common.panel.roles import RELEASE_ONLY
from common.service.app import CurrentCall, body_of, documented
from common.service.problems import Problem


class NewErasure(RequestModel):
    """A person to be forgotten, on whose wish, and why."""

    user_id: Text
    owner: Owner
    reason: Reason


def add_erasures(routes: APIRouter, finishing: Finishing) -> None:
    """Hangs the routes on the service's router for operators."""

    @routes.get("/erasures")
    async def erasures(call: CurrentCall) -> dict[str, Any]:
        """Who was forgotten, as keyed hashes, newest first; and which erasures are under way."""
        lines = await finishing.read(finishing.erasing.store.all, deadline=call.deadline)
        pending = await finishing.read(finishing.erasing.pending, deadline=call.deadline)
        return {"erasures": [line.as_json() for line in lines], "pending": [one.person for one in pending]}

    @routes.get("/erasures/{person}")
    async def certificate(call: CurrentCall, person: str) -> dict[str, Any]:
        """What was removed where, what must be trained anew, and what a search for the rest found."""
        return (await certificate_of(finishing, call, person)).as_json()

    @routes.post("/erasures", dependencies=[RELEASE_ONLY], openapi_extra=documented(NewErasure))
    async def erase(call: CurrentCall, wish: Annotated[NewErasure, body_of(NewErasure)]) -> dict[str, Any]:
        """Forgets a person: the rows are gone, durably, with the answer; the certificate tells whether all is done.

        Again is safe. What they did until now is dropped when it is sent once more.
        """
        done = await finishing.erase(wish.user_id, owner=wish.owner, reason=wish.reason, deadline=call.deadline)
        line = {name: getattr(done.certificate, name) for name in ("person", "owner", "reason")}
        line |= {"erased_at": done.certificate.begun_at, "rows": done.events_in_all}
        return {
            "erasure": line,
            "events_erased": done.events,
            "events_erased_in_all": done.events_in_all,
            "certificate": done.certificate.as_json(),
        }


async def certificate_of(finishing: Finishing, call: CurrentCall, person: str) -> Certificate:
    """`Problem` 404 for a hash that nobody has."""
    found = await finishing.find(person, deadline=call.deadline)
    if found is None:
        raise Problem(404, "nobody with this hash was erased")
    return found
