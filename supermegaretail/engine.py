"""Everything that the routes of the API process work with, made by `app.py` in one place."""

from __future__ import annotations

from dataclasses import dataclass

from common.calls.shadow import Shadow
from common.daily.service import Daily
from common.erasing.background import Finishing
from common.incidents.service import Incidents
from common.lifecycle.blue_green import BlueGreen
from common.lifecycle.service import Lifecycle
from common.overrides.desk import OverrideDesk
from common.panel.answers import RecentAnswers
from common.releases.desk import ReleaseDesk
from common.replay.holder import ReplayHolder
from common.state.controls import Controls
from common.state.writes import Writes
from common.versions.known_versions import KnownVersions
from common.workers import WorkerPool
from supermegaretail.book import SalesBook
from supermegaretail.contract import NewOverride
from supermegaretail.drift_watch import DriftWatch
from supermegaretail.events.desk import EventDesk
from supermegaretail.forecast import Forecaster
from supermegaretail.model_contract import Predictions
from supermegaretail.monitoring.outcomes import Outcomes
from supermegaretail.monitoring.prediction_log import PredictionLog
from supermegaretail.override_effects import OverrideEffects
from supermegaretail.overriding import Overrides
from supermegaretail.rollout import CoreRollout


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts of the API process."""

    forecaster: Forecaster
    book: SalesBook
    versions: KnownVersions
    overrides: OverrideDesk[Overrides, NewOverride]
    override_effects: OverrideEffects
    events: EventDesk
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
    answers: RecentAnswers
    replays: ReplayHolder
    incidents: Incidents
    daily: Daily
    erasures: Finishing
    blue_green: BlueGreen
    own_versions: dict[str, str]
