"""The link from an API to its model processes: where they are, how they are called, which version is rolled out.

Each kind of call has connections and a breaker of its own, so that what is compared or explained stands in no caller's
way. All of them lead to the set, blue or green, that answers now.
"""

from __future__ import annotations

import asyncio
from functools import partial

from common.calls.upstream import Upstream
from common.lifecycle.blue_green import BlueGreen
from common.releases.desk import ReleaseDesk
from common.releases.metrics import ReleaseMetrics
from common.releases.pairs import Pairs
from common.releases.rollout import Rollouts
from common.service.foundation import Foundation
from common.service.loading import LoadedElsewhere


class ModelLink:
    """`upstream` is for callers' requests; `comparing` asks the champion what the challenger was asked.

    Args:
        process: what is called, as logs, metrics and `/ready` name it.
        component: whose versions are rolled out by shares of the traffic.
        desk: where that is decided.
        blue, green: addresses; `green` is None where there is no second set.
    """

    def __init__(
        self, base: Foundation, process: str, component: str, desk: ReleaseDesk, *, blue: str, green: str | None
    ) -> None:
        service = base.service
        self.process, self.desk, self._name = process, desk, base.name
        self.blue_green = BlueGreen(base.state, base.name, blue=blue, green=green)
        self._connect = partial(
            Upstream,
            base_url=blue,
            api_key=service.settings.outgoing_key,
            metrics=service.client_metrics,
            carrier=self.blue_green.carrier,
        )
        self._upstreams: list[Upstream] = []
        self.upstream = self.another(process)
        self.comparing = self._connect(f"{base.name}-comparing")
        self._loaded = LoadedElsewhere(self._connect(f"{base.name}-loading"))  # its thread closes it, too
        metrics = ReleaseMetrics(service.registry)
        self.pairs = Pairs(component, self.upstream, metrics)
        self.rollouts = Rollouts(
            desk,
            loaded={component: self._loaded},
            look_up_names=base.versions.snapshot.refresh,
            metrics=metrics,
        )

    def another(self, calls: str) -> Upstream:
        """For calls of another kind; closed with the rest."""
        upstream = self._connect(f"{self._name}-{calls}")
        self._upstreams.append(upstream)
        return upstream

    @property
    def trouble(self) -> str | None:
        """Why callers' requests are not sent just now."""
        state = self.upstream.breaker.state
        return None if state == "closed" else f"breaker is {state}"

    async def aclose(self) -> None:
        """Those who ask in the background first."""
        await self.pairs.aclose()
        await self.comparing.aclose()
        await asyncio.to_thread(self._loaded.close)
        for upstream in self._upstreams:
            await upstream.aclose()
