"""What a service counts about its rollouts."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge


class ReleaseMetrics:
    """For one service."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._share = Gauge(
            "release_share",
            "The part of the traffic that meets the challenger, 0 without a rollout.",
            ("component",),
            registry=registry,
        )
        self.rollbacks = Counter(
            "release_rollbacks_total", "Rollouts that were taken back.", ("component",), registry=registry
        )
        self.pairs = Counter(
            "release_pairs_total",
            "Requests of the challenger that the champion was asked, too, by what came of it.",
            ("component", "fate"),
            registry=registry,
        )

    def watch(self, component: str, share: Callable[[], float]) -> None:
        """From now on the gauge shows what is, whenever somebody looks."""
        self._share.labels(component).set_function(share)
        self.rollbacks.labels(component)
