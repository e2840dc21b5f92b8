"""What every service has beside its own business, put together: its parts, what is kept fresh, its start, its end, its
pages for operators.

base = Foundation(service, ...)                   # then the service's own business, which works with both
link = ModelLink(base, ...)
operations = Operations(base, link, ...)          # then `lifespan`:
await operations.start(...)
async with operations.upkeep(), all_kept_fresh(*operations.kept(serves=True), ...):
    yield
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from common.calls.shadow import Shadow
from common.daily.pages import add_report_pages
from common.erasing.background import Finishing
from common.erasing.following import Following
from common.erasing.pages import add_erasure_pages
from common.incidents.pages import add_incident_pages
from common.overrides.desk import OverrideDesk
from common.overrides.gauges import OverrideGauges
from common.overrides.live import LOOK_EVERY_MS
from common.panel.answers_page import add_answers_page
from common.panel.health import add_health
from common.panel.operators_page import add_operators_page
from common.panel.pages import add_audit_page
from common.replay.holder import ReplayHolder
from common.replay.pages import add_replay_pages
from common.service.admin_pages import AdminPages
from common.service.app import Part
from common.service.foundation import Foundation
from common.service.model_link import ModelLink
from common.state.controls import Controls
from common.state.snapshot import REFRESH_EVERY_MS

Look: TypeAlias = Callable[[], None]


class Operations:
    """Made once the business is; `start`, `upkeep` and the ends are for the lifespan, in this order.

    Args:
        forgetting, erasures: what follows from an erasure in memory, and its long part.
    """

    def __init__(
        self,
        base: Foundation,
        link: ModelLink,
        *,
        controls: Controls,
        shadow: Shadow[Any] | None,
        overrides: OverrideDesk[Any, Any],
        replays: ReplayHolder,
        forgetting: Following,
        erasures: Finishing,
    ) -> None:
        self.base, self.link, self.forgetting = base, link, forgetting
        self._controls, self._shadow, self._overrides = controls, shadow, overrides
        self._replays, self._erasures = replays, erasures
        OverrideGauges(base.service.registry, overrides)
        base.service.parts += [
            Part("overrides", lambda: overrides.live.trouble or overrides.uses.trouble),
            Part("switches", lambda: controls.trouble),
            Part("blue_green", lambda: link.blue_green.trouble),
            Part("tiers", lambda: controls.standing.trouble),
            Part("replays", lambda: replays.log.trouble),
            Part("erasures", lambda: erasures.trouble),
            Part("versions", lambda: base.versions.snapshot.trouble),
            Part("releases", lambda: link.rollouts.trouble),
            Part(link.process, lambda: link.trouble),
        ]

    async def start(self, *own: Look, serves: bool) -> None:
        """The first look at everything, at what is the service's own, too; who was erased comes first.

        Args:
            serves: as for `create_app`; who serves nobody looks at rollouts once, and does not act on them.
        """
        self.forgetting.begin()
        first = self._follow_erasures, self.base.refresh, self._follow_operators
        for look in (*first, *own, self._overrides.live.refresh):
            await asyncio.to_thread(look)
        await asyncio.to_thread(self.link.rollouts.refresh, acts=serves)
        await self.link.upstream.warm_up()

    def kept(
        self, *, serves: bool, after_operators: Look = lambda: None, before_rollouts: Look = lambda: None
    ) -> list[tuple[Look, float]]:
        """For `all_kept_fresh`.

        Args:
            after_operators: what else people decide at any time, and is as quickly looked at as switches.
            before_rollouts: what may stop a rollout is looked at before it goes on.
        """

        def follow_operators() -> None:
            self._follow_operators()
            after_operators()

        def follow_releases() -> None:
            before_rollouts()
            self.link.rollouts.refresh()

        kept: list[tuple[Look, float]] = [
            (self.base.refresh, REFRESH_EVERY_MS),
            (self._follow_erasures, REFRESH_EVERY_MS),
            (follow_operators, LOOK_EVERY_MS),
            (self._overrides.live.refresh, LOOK_EVERY_MS),
        ]
        if serves:
            kept += [(follow_releases, REFRESH_EVERY_MS), (self.base.incidents.refresh, REFRESH_EVERY_MS)]
        return kept

    @asynccontextmanager
    async def upkeep(self) -> AsyncIterator[None]:
        """Notes and counts, for as long as the block lasts; only where somebody is served."""
        self._replays.log.start()
        self.base.lifecycle.usage.start()
        self._overrides.uses.start()
        async with self.base.daily.counting():
            yield

    async def stop_asking(self) -> None:
        """The end begins: nothing new is erased, compared, asked; a long erasure goes on until the process is gone."""
        await self._erasures.aclose()
        if self._shadow is not None:
            await self._shadow.drain()
        await self.link.aclose()

    async def store_the_rest(self) -> None:
        """What was noted and counted is written down, in threads: it takes up to five seconds each."""
        await asyncio.to_thread(self._replays.close)
        await asyncio.to_thread(self.base.lifecycle.usage.close)
        self._overrides.close()
        await asyncio.to_thread(self._overrides.uses.close)

    def pages(self) -> AdminPages:
        """The first pages: incidents, and how the service is. It adds its own, then come `add_records`."""
        pages = AdminPages(self.base.service, self.base.panel)
        add_incident_pages(pages, self.base.incidents)
        add_health(
            pages, self.base.service, recent=self.base.recent, controls=self._controls, rollouts=self.link.rollouts
        )
        return pages

    def add_records(self, pages: AdminPages) -> None:
        """The last pages: what was answered and done, and by whom."""
        add_report_pages(pages, self.base.daily)
        add_erasure_pages(pages, self._erasures)
        add_answers_page(pages, self.base.answers)
        add_replay_pages(pages, self._replays, self.base.answers)
        add_audit_page(pages)
        add_operators_page(pages)

    def _follow_erasures(self) -> None:
        self.forgetting.refresh()  # at the start first: whom an old copy of the database brings back, nobody is shown
        self._erasures.refresh()

    def _follow_operators(self) -> None:
        self._controls.refresh()
        self.link.blue_green.refresh()
