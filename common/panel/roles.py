"""Who acts, and what that lets them do: read < operate < release, and `alert` beside them for Alertmanager."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from fastapi import Depends

Role: TypeAlias = Literal["alert", "read", "operate", "release"]
ROLES: tuple[Role, ...] = get_args(Role)
MAY: Mapping[Role, frozenset[Role]] = {
    "alert": frozenset({"alert"}),  # tell of alerts, and see nothing
    "read": frozenset({"read"}),
    "operate": frozenset({"alert", "read", "operate"}),
    "release": frozenset(ROLES),
}
READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Actor:
    """An operator. `stamp` tells two tokens of one name apart, so that a session ends with its token."""

    name: str
    role: Role
    stamp: str

    def may(self, needed: Role) -> bool:
        return needed in MAY[self.role]


class Demand:
    """Marks a route that is not as its method says; read by `AdminRoute`, which comes before everything.

    Args:
        if_changed: it is noted afterwards, if the handler set `request.state.changed`; else nothing was done.
    """

    def __init__(self, role: Role, *, if_changed: bool = False) -> None:
        self.role: Role = role
        self.if_changed = if_changed

    async def __call__(self) -> None:
        """FastAPI wants to call it; nothing is left to be checked."""


RELEASE_ONLY = Depends(Demand("release"))  # `dependencies=[RELEASE_ONLY]` of a route
PREVIEW = Depends(Demand("operate", if_changed=True))
ALERTS_ONLY = Depends(Demand("alert", if_changed=True))
