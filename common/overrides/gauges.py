"""Overrides for Prometheus: the numbers of the last count, so that asking costs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily as ReadGauge
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from common.overrides.desk import OverrideDesk
from common.overrides.report import CONCERNS


class OverrideGauges(Collector):
    """How many are in force, and how many of them need a look and why."""

    def __init__(self, registry: CollectorRegistry, desk: OverrideDesk[Any, Any]) -> None:
        self._desk = desk
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        counts = self._desk.counts
        yield ReadGauge("overrides_in_force", "Overrides in force.", counts["in_force"])
        gauge = ReadGauge("overrides_to_look_at", "Overrides in force that need a look.", labels=("why",))
        for name in CONCERNS:
            gauge.add_metric((name,), counts[name])
        yield gauge
