"""Everything that the routes of the API process work with, made by `app.py` in one place."""

from __future__ import annotations

from collections.abc import Callable
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
from common.state.snapshot import Snapshot
from common.state.writes import Writes
from common.versions.known_versions import KnownVersions
from common.workers import WorkerPool
from photostock.contract import NewPhotoOverride
from photostock.feedback.store import FeedbackStore
from photostock.hints import Hints, HintStore
from photostock.hints.recent import RecentQueries
from photostock.library import Library
from photostock.overriding import PhotoOverrides
from photostock.own_pictures.keeping import OwnPictures
from photostock.picture_cache import PictureCache
from photostock.reranker_contract import Rankings
from photostock.rollout import RerankerRollout
from photostock.search import Searcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts of the API process."""

    searcher: Searcher
    library: Library
    versions: KnownVersions
    hints: HintStore
    active_hints: Snapshot[Hints]
    recent_queries: RecentQueries
    overrides: OverrideDesk[PhotoOverrides, NewPhotoOverride]
    controls: Controls
    shadow: Shadow[Rankings] | None
    desk: ReleaseDesk
    rollout: RerankerRollout
    feedback: FeedbackStore
    erasures: Finishing
    pictures: PictureCache
    own_pictures: OwnPictures
    lifecycle: Lifecycle
    answers: RecentAnswers
    replays: ReplayHolder
    incidents: Incidents
    daily: Daily
    blue_green: BlueGreen
    writes: Writes
    steps: Writes  # of releases: they may wait for a lock, which a request must not
    reports: WorkerPool  # what operators ask for and takes seconds
    own_versions: Callable[[], dict[str, str]]
