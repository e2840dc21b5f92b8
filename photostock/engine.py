"""Everything that the routes of the API process work with, made by `app.py` in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from common.calls.shadow import Shadow
from common.state.controls import Controls
from common.state.snapshot import Snapshot
from common.state.writes import Writes
from common.versions.known_versions import KnownVersions
from photostock.feedback import FeedbackStore
from photostock.hints import Hints, HintStore
from photostock.library import Library
from photostock.picture_cache import PictureCache
from photostock.reranker_contract import Rankings
from photostock.search import Searcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts of the API process."""

    searcher: Searcher
    library: Library
    versions: KnownVersions
    hints: HintStore
    active_hints: Snapshot[Hints]
    controls: Controls
    shadow: Shadow[Rankings] | None
    feedback: FeedbackStore
    pictures: PictureCache
    writes: Writes
    own_versions: Callable[[], dict[str, str]]
