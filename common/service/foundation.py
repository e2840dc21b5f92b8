"""What every service is built on: its database, its callers and operators, and the threads that write for them."""

from __future__ import annotations

from collections.abc import Sequence

from common.chain.switches import Clock, utc_now
from common.daily.service import daily_of
from common.daily.tables import Sources
from common.erasing.second_copy import SecondCopy
from common.incidents.service import incidents_of
from common.lifecycle.endings import Ending
from common.lifecycle.service import lifecycle_of
from common.panel.answers import RecentAnswers
from common.panel.service import panel_of
from common.panel.serving import Serving
from common.releases.admin import MOST_STEPS
from common.service.app import Service
from common.state.database import open_state
from common.state.writes import Writes
from common.versions.known_versions import KnownVersions


class Foundation:
    """Made before a service's own business, which works with it; `common.service.operations` keeps it up.

    Args:
        name: by which the state database knows the service.
        endings: which endpoints come to their ends, and when.
        sources: what daily reports are made of.
        components: what has versions in the registry that callers may ask for.
    """

    def __init__(
        self,
        service: Service,
        name: str,
        *,
        endings: Sequence[Ending],
        sources: Sources,
        components: Sequence[str],
        clock: Clock = utc_now,
    ) -> None:
        settings = service.settings
        self.service, self.name = service, name
        self.state = open_state(settings)
        SecondCopy(settings.var_dir, name).adopt_key(self.state)
        self.lifecycle = lifecycle_of(service, self.state, name, endings, clock=clock)
        self.panel = panel_of(service, self.state, name)
        self.daily = daily_of(service, self.state, sources)
        self.incidents = incidents_of(service, self.state, name)
        self.recent = Serving(service.registry, budget_ms=settings.high_timeout_ms)
        self.answers = RecentAnswers()
        self.versions = KnownVersions(settings.registry_dir, components)
        self.writes = Writes(queue=settings.max_in_flight)
        self.steps = Writes(queue=MOST_STEPS)  # of releases: they may wait for a lock, which a request must not

    def refresh(self) -> None:
        """For worker threads, once a second: what other processes decided, and the last minutes of this one."""
        self.panel.refresh()
        self.recent.refresh()
        self.lifecycle.end_of_life.refresh()
        self.versions.snapshot.refresh()

    def close_writers(self) -> None:
        """Ends the threads; the database is left to its owner, who disposes of it last."""
        self.writes.close()
        self.steps.close()
        self.panel.close()
        self.incidents.close()
        self.daily.close()
