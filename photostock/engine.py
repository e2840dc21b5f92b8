"""Everything that the routes of the API process work with, made by `app.py` in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from common.calls.shadow import Shadow
from common.lifecycle.blue_green import BlueGreen
from common.lifecycle.service import Lifecycle
from common.releases.desk import ReleaseDesk
from common.state.controls import Controls
from common.state.snapshot import Snapshot
from common.state.writes import Writes
from common.versions.known_versions import KnownVersions
from common.workers import WorkerPool
from photostock.feedback.store import FeedbackStore
from photostock.hints import Hints, HintStore
from photostock.hints.recent import RecentQueries
from photostock.library import Library
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
    controls: Controls
    shadow: Shadow[Rankings] | None
    desk: ReleaseDesk
    rollout: RerankerRollout
    feedback: FeedbackStore
    pictures: PictureCache
    own_pictures: OwnPictures
    lifecycle: Lifecycle
    blue_green: BlueGreen
    writes: Writes
    steps: Writes  # of releases: they may wait for a lock, which a request must not
    reports: WorkerPool  # what operators ask for and takes seconds
    own_versions: Callable[[], dict[str, str]]
