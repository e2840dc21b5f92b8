"""Everything that the routes of the API process work with, made by `app.py` in one place."""

from __future__ import annotations

from dataclasses import dataclass

from common.calls.shadow import Shadow
from common.lifecycle.blue_green import BlueGreen
from common.lifecycle.service import Lifecycle
from common.releases.desk import ReleaseDesk
from common.state.controls import Controls
from common.state.overrides import Override, OverrideStore
from common.state.snapshot import Snapshot
from common.state.writes import Writes
from common.versions.known_versions import KnownVersions
from common.workers import WorkerPool
from supermegaretail.book import SalesBook
from supermegaretail.drift_watch import DriftWatch
from supermegaretail.forecast import Forecaster
from supermegaretail.model_contract import Predictions
from supermegaretail.monitoring.outcomes import Outcomes
from supermegaretail.monitoring.prediction_log import PredictionLog
from supermegaretail.rollout import CoreRollout


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts of the API process."""

    forecaster: Forecaster
    book: SalesBook
    versions: KnownVersions
    overrides: OverrideStore
    active_overrides: Snapshot[dict[str, Override]]
    controls: Controls
    drift: DriftWatch
    shadow: Shadow[Predictions] | None
    desk: ReleaseDesk
    rollout: CoreRollout
    writes: Writes
    steps: Writes  # of releases: they may wait for a lock, which a request must not
    predictions: PredictionLog
    outcomes: Outcomes
    log_reading: WorkerPool
    lifecycle: Lifecycle
    blue_green: BlueGreen
    own_versions: dict[str, str]
