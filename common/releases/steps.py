"""What can be done with a release, as it is asked for over HTTP, on a page, and on the command line."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from common.contract import Reason, RequestModel
from common.panel.owner import Owner
from common.releases.desk import ReleaseDesk
from common.releases.store import ReleaseRecord
from common.versions.registry import UnknownVersion

Action = Literal["approve", "reject", "start", "advance", "pause", "resume", "promote", "roll_back"]


class Step(RequestModel):
    """What is to be done with a release, by whom and why; `insist` gives the reason to do it at a bad moment."""

    action: Action
    who: Owner
    why: Reason
    insist: Reason | None = None


class Thaw(RequestModel):
    who: Owner
    why: Reason


class Acting(Protocol):
    def __call__(self, release_id: str, *, who: str, why: str) -> ReleaseRecord: ...


def act(desk: ReleaseDesk, release_id: str, step: Step) -> ReleaseRecord:
    """Does it; raises what the desk raises."""
    guarded = {"start": desk.start, "advance": desk.advance, "promote": desk.promote}
    if step.action in guarded:
        return guarded[step.action](release_id, who=step.who, why=step.why, insist=step.insist)
    actions: dict[str, Acting] = {
        "approve": desk.approve,
        "reject": desk.reject,
        "pause": desk.pause,
        "resume": desk.resume,
        "roll_back": desk.roll_back,
    }
    return actions[step.action](release_id, who=step.who, why=step.why)


def shown(desk: ReleaseDesk, release_id: str) -> dict[str, Any]:
    """A release with all that happened to it; `UnknownVersion` if there is none."""
    release = desk.store.find(release_id)
    if release is None:
        raise UnknownVersion(f"there is no release {release_id[:64]!r}")
    return {**release.as_json(), "events": [event.as_json() for event in desk.store.events(release_id)]}


def frozen(desk: ReleaseDesk) -> dict[str, str]:
    """Why, of each component that no release may begin of."""
    return {name: why for name in desk.policies if (why := desk.store.frozen(name)) is not None}
