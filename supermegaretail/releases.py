"""How the forecaster's models are released.

The core goes by itself: the gates before it are strict, every answer is checked anyway, and its canary is judged by
numbers. With the core goes the correction that was made for it: the model process serves a core and its correction as
one, so a correction has no traffic of its own, and a new one comes with a new version of its core.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine

from common.incidents.store import in_the_way
from common.releases.desk import ReleaseDesk
from common.releases.policy import ReleasePolicy
from common.releases.store import ReleaseStore
from common.state.database import open_state
from common.versions.registry import Registry
from supermegaretail.settings import RetailSettings


def policies(settings: RetailSettings) -> dict[str, ReleasePolicy]:
    """By component."""
    core = ReleasePolicy(needs_approval=False, canary=settings.canary_steps, good_hours=settings.good_hours)
    return {"core": core}


def desk_over(
    state: Engine, settings: RetailSettings, *, incident: Callable[[], str | None] = lambda: None
) -> ReleaseDesk:
    """The desk of a process that has the state database open; `incident` tells what it sees going wrong just now."""
    incident = in_the_way(state, "supermegaretail", incident)
    return ReleaseDesk(ReleaseStore(state), Registry(settings.registry_dir), policies(settings), incident=incident)


def open_desk() -> ReleaseDesk:
    """The desk of the command line, which sees no traffic, only incidents that are open."""
    settings = RetailSettings()
    return desk_over(open_state(settings), settings)


def promoted() -> None:
    """After `release promote`: the new champion is asked which overrides may go."""
    from supermegaretail.label_command import propose_of_champion

    propose_of_champion(RetailSettings())
