"""How PhotoStock's models are released.

reranker  a person looks at what got worse, for "a better order" is a matter of taste; then a canary by query
encoder   a person, and all at once: every photo's vector belongs to one encoder, so no request can have another one
filter    likewise: its weights are learnt for one encoder, and scores must mean the same in all answers
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Engine

from common.incidents.store import in_the_way
from common.releases.desk import ReleaseDesk
from common.releases.policy import ReleasePolicy
from common.releases.store import ReleaseStore
from common.state.database import open_state
from common.versions.registry import Registry
from photostock.settings import PhotoSettings

TOLERATED_SHIFT = 0.1  # of the length of a ranking, by which a photographer's photos may stand higher or lower


def policies(settings: PhotoSettings) -> dict[str, ReleasePolicy]:
    """By component."""
    canary = replace(settings.canary_steps, shift=TOLERATED_SHIFT)
    by_query = ReleasePolicy(needs_approval=True, canary=canary, good_hours=settings.good_hours)
    at_once = ReleasePolicy(needs_approval=True, good_hours=settings.good_hours, at_once=True)
    return {"reranker": by_query, "encoder": at_once, "filter": at_once}


def desk_over(
    state: Engine, settings: PhotoSettings, *, incident: Callable[[], str | None] = lambda: None
) -> ReleaseDesk:
    """The desk of a process that has the state database open; `incident` tells what it sees going wrong just now."""
    incident = in_the_way(state, "photostock", incident)
    return ReleaseDesk(ReleaseStore(state), Registry(settings.registry_dir), policies(settings), incident=incident)


def open_desk() -> ReleaseDesk:
    """The desk of the command line, which sees no traffic, only incidents that are open."""
    settings = PhotoSettings()
    return desk_over(open_state(settings), settings)
