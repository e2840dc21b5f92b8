"""What came of the forecasts, for Prometheus: read when it asks, from the last report."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily as ReadGauge
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from supermegaretail.contract import TIERS
from supermegaretail.monitoring.alarms import ALARMS, added_up, figures
from supermegaretail.monitoring.outcomes import Report

LABELS = ("tier", "horizon")  # versions come and go, and would leave their numbers behind


class OutcomeGauges(Collector):
    """Per tier and horizon, over all versions of the last weeks."""

    def __init__(self, registry: CollectorRegistry, report: Callable[[], Report]) -> None:
        self._report = report
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        report = self._report()
        scored = ReadGauge("forecast_scored", "Forecasts (items × days) behind the figures.", labels=LABELS)
        wape = ReadGauge("forecast_wape", "Σ|error| ÷ Σ sold of past forecasts.", labels=LABELS)
        bias = ReadGauge("forecast_bias", "Σ error ÷ Σ sold; above 0: more was forecast than sold.", labels=LABELS)
        ratio = ReadGauge("forecast_error_to_average", "Error ÷ error of the moving average.", labels=LABELS)
        coverage = ReadGauge("forecast_coverage", "Share of days up to the quantile.", labels=("tier", "quantile"))
        for (tier, horizon), sums in added_up(report.groups, by=(0, 2)).items():
            seen = figures(sums)
            scored.add_metric((tier, horizon), seen.forecasts)
            for gauge, value in ((wape, seen.wape), (bias, seen.bias), (ratio, seen.error_to_average)):
                if value is not None:
                    gauge.add_metric((tier, horizon), value)
        for (tier,), sums in added_up(report.groups, by=(0,)).items():
            for level, share in figures(sums).coverage.items():
                coverage.add_metric((tier, level), share)
        alarm = ReadGauge("forecast_alarm", "1 while the alarm stands.", labels=("name", "tier"))
        standing = {(one.name, one.tier) for one in report.alarms}
        for name in ALARMS:
            for tier in TIERS:
                alarm.add_metric((name, tier), (name, tier) in standing)
        yield from (scored, wape, bias, ratio, coverage, alarm)
