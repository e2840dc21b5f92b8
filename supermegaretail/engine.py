"""Everything that the routes of the API process work with, made by `app.py` in one place."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import Counter

from common.controls import Controls
from common.known_versions import KnownVersions
from common.overrides import Override, OverrideStore
from common.snapshot import Snapshot
from common.writes import Writes
from supermegaretail.book import SalesBook
from supermegaretail.forecast import Forecaster


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts of the API process."""

    forecaster: Forecaster
    book: SalesBook
    versions: KnownVersions
    overrides: OverrideStore
    active_overrides: Snapshot[dict[str, Override]]
    controls: Controls
    writes: Writes
    deprecated_calls: Counter
    own_versions: dict[str, str]

    def count_deprecated_call(self, caller: str) -> None:
        self.deprecated_calls.labels("/predictions", caller).inc()
