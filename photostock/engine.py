"""Everything that the routes of the API process work with, and how it is put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from common.calls.client import Endpoint, low_timeout
from common.calls.shadow import Shadow
from common.daily.service import Daily
from common.erasing.background import Finishing
from common.incidents.service import Incidents
from common.lifecycle.blue_green import BlueGreen
from common.lifecycle.service import Lifecycle
from common.overrides.desk import OverrideDesk
from common.overrides.live import LiveOverrides
from common.overrides.uses import OverrideUses
from common.panel.answers import RecentAnswers
from common.releases.desk import ReleaseDesk
from common.replay.holder import ReplayHolder, replays_of
from common.service.app import Service
from common.service.foundation import Foundation
from common.service.model_link import ModelLink
from common.service.shadowing import shadow_of
from common.state.controls import Controls
from common.state.overrides import OverrideStore
from common.state.snapshot import Snapshot
from common.state.writes import Writes
from common.versions.known_versions import KnownVersions
from common.workers import WorkerPool
from photostock.contract import TIERS, NewPhotoOverride
from photostock.erasing import SCOPE
from photostock.feedback.override_truths import OverrideTruths
from photostock.feedback.store import FeedbackStore
from photostock.hints import Hints, HintStore
from photostock.hints.dictionary import english_words
from photostock.hints.recent import RecentQueries
from photostock.hints.spelling import Speller
from photostock.index.vectors import INDEX_VERSION
from photostock.library import Library
from photostock.models import Models
from photostock.override_rules import PhotoRules
from photostock.overriding import PhotoOverrides
from photostock.own_pictures.keeping import OwnPictures
from photostock.own_pictures.store import PictureStore
from photostock.picture_cache import PictureCache
from photostock.reranker.trust import Trust
from photostock.reranker_contract import NO_RANKINGS, Rankings, as_champion, difference
from photostock.rollout import RerankerRollout
from photostock.search import Searcher, filter_version
from photostock.settings import PhotoSettings

FLUSHED_WITHIN_S = 2.0  # answers that wait to be kept, before those about an erased person are looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts of the API process."""

    searcher: Searcher
    library: Library
    models: Models
    versions: KnownVersions
    hints: HintStore
    active_hints: Snapshot[Hints]
    dictionary: Snapshot[frozenset[str]]  # for spelling
    recent_queries: RecentQueries
    overrides: OverrideDesk[PhotoOverrides, NewPhotoOverride]
    override_truths: OverrideTruths
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

    def forget_in_thread(self) -> None:
        """After an erasure: compares with the database what is in memory."""
        self.overrides.live.read_afresh()
        self.library.recheck()
        self.replays.log.flush(FLUSHED_WITHIN_S)

    def forget_on_loop(self) -> None:
        """After an erasure: empties what belongs to the event loop."""
        self.recent_queries.forget()
        self.answers.forget()
        self.pictures.forget_all()


def engine_of(
    settings: PhotoSettings,
    base: Foundation,
    link: ModelLink,
    library: Library,
    models: Models,
    picture_store: PictureStore,
    erasures: Finishing,
    reports: WorkerPool,
    *,
    raise_bugs: bool,
) -> Engine:
    """Searches in `library` by `models` and by the reranker behind `link`, and what people know better."""
    state, service = base.state, base.service
    controls, shadow = _controls(base, link), _shadow(settings, base)
    overrides = LiveOverrides(OverrideStore(state, SCOPE), PhotoOverrides.of)
    library.banned = lambda: overrides.value.banned
    uses, truths = OverrideUses(overrides.store), OverrideTruths(state)
    hints = HintStore(state)
    active_hints = Snapshot("hints", lambda: hints.all(active_hints.value), first=Hints())
    dictionary = Snapshot[frozenset[str]]("dictionary", english_words, first=frozenset())
    rerank, compared = _rerankers(settings, link, shadow)
    trust = Trust(models.released)
    searcher = Searcher(
        library=library,
        rerank=rerank,
        trust=trust,
        released=models.released,
        hints=lambda: active_hints.value,
        overrides=lambda: overrides.value,
        speller=Speller(library.lexical.vocabulary, lambda: dictionary.value),
        relevance=models.relevance,
        pool=WorkerPool("search", threads=2, queue=settings.max_in_flight),
        fallback_pool=WorkerPool("fallback", threads=1, queue=settings.max_in_flight),
        standing=controls.standing,
        metrics=service.chain_metrics,
        raise_bugs=raise_bugs,
    )
    return Engine(
        searcher=searcher,
        library=library,
        models=models,
        versions=base.versions,
        hints=hints,
        active_hints=active_hints,
        dictionary=dictionary,
        recent_queries=RecentQueries(),
        overrides=OverrideDesk(overrides, uses, PhotoRules(), truths=lambda: truths.found),
        override_truths=truths,
        controls=controls,
        shadow=shadow,
        desk=link.desk,
        rollout=RerankerRollout(link.rollouts, link.pairs, compared, trust, library),
        feedback=FeedbackStore(state, keep_days=settings.feedback_days, keep_rows=settings.feedback_rows),
        erasures=erasures,
        pictures=PictureCache(picture_store),
        own_pictures=OwnPictures(library, picture_store),
        lifecycle=base.lifecycle,
        answers=base.answers,
        replays=replays_of(service, SCOPE, "reranker", settings.replays_dir, gone=library.gone),
        incidents=base.incidents,
        daily=base.daily,
        blue_green=link.blue_green,
        writes=base.writes,
        steps=base.steps,
        reports=reports,
        own_versions=lambda: _own_versions(service, library, models, active_hints.value),
    )


def _controls(base: Foundation, link: ModelLink) -> Controls:
    return Controls(
        base.state,
        SCOPE,
        tiers=("filter", *TIERS),
        required={
            "filter": "it enforces licence, safety and erasure, and an unfiltered photo is worse than no answer",
            "popular": "it is the last tier, and without it there would be no answer",
        },
        breakers={link.upstream.name: link.upstream.breaker},
        registry=base.service.registry,
    )


def _shadow(settings: PhotoSettings, base: Foundation) -> Shadow[Rankings] | None:
    return shadow_of(
        base.service,
        "photostock-shadow",
        settings.shadow_url,
        answer=Rankings,
        prepare=as_champion,
        difference=difference,
    )


def _rerankers(
    settings: PhotoSettings, link: ModelLink, shadow: Shadow[Rankings] | None
) -> tuple[Endpoint[Rankings], Endpoint[Rankings]]:
    """The reranker as callers' requests ask it, and as it is asked in the background, to compare two versions."""
    asked, compared = (
        low_timeout(upstream, timeout_ms=settings.low_timeout_ms) for upstream in (link.upstream, link.comparing)
    )
    return (
        asked.endpoint("/v1/rankings", answer=Rankings, default=NO_RANKINGS, mirror=shadow),
        compared.endpoint("/v1/rankings", answer=Rankings, default=NO_RANKINGS),
    )


def _own_versions(service: Service, library: Library, models: Models, hints: Hints) -> dict[str, str]:
    """Of what shapes answers here, the reranker apart."""
    return {
        "index": INDEX_VERSION,
        "encoder": library.encoder.version if library.encoder else "none",
        "hints": hints.version,
        "filter": filter_version(models.relevance()),
        "api": service.version,
    }
