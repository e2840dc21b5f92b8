"""The composition root of the API process: what it is made of, from top to bottom. Nothing is built at import."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from importlib.metadata import version

from fastapi import FastAPI

from common.calls.client import low_timeout
from common.calls.upstream import Upstream
from common.daily.pages import add_report_pages
from common.daily.service import daily_of
from common.erasing.background import Finishing
from common.erasing.following import Following
from common.erasing.pages import add_erasure_pages
from common.erasing.second_copy import SecondCopy
from common.incidents.pages import add_incident_pages
from common.incidents.service import incidents_of
from common.lifecycle.blue_green import BlueGreen
from common.lifecycle.pages import add_callers_page
from common.lifecycle.service import lifecycle_of
from common.overrides.desk import OverrideDesk
from common.overrides.gauges import OverrideGauges
from common.overrides.live import LOOK_EVERY_MS, LiveOverrides
from common.overrides.uses import OverrideUses
from common.panel.answers import RecentAnswers
from common.panel.answers_page import add_answers_page
from common.panel.health import add_health
from common.panel.operators_page import add_operators_page
from common.panel.pages import add_audit_page
from common.panel.service import panel_of
from common.panel.serving import Serving
from common.releases.admin import MOST_STEPS
from common.releases.metrics import ReleaseMetrics
from common.releases.pages import add_release_pages
from common.releases.pairs import Pairs
from common.releases.rollout import Rollouts
from common.replay.holder import replays_of
from common.replay.pages import add_replay_pages
from common.service.admin_pages import AdminPages
from common.service.app import Part, Service
from common.service.loading import LoadedElsewhere
from common.service.shadowing import shadow_of
from common.state.controls import Controls
from common.state.database import open_state
from common.state.overrides import OverrideStore
from common.state.snapshot import REFRESH_EVERY_MS, Snapshot, all_kept_fresh
from common.state.switches_page import add_switches_page
from common.state.writes import Writes
from common.versions.known_versions import KnownVersions
from common.versions.registry import Registry
from common.versions.slots import CHAMPION, ModelSlots
from common.workers import WorkerPool
from photostock import admin, api, pages, releases, reporting
from photostock.catalogue import Catalogue
from photostock.contract import TIERS
from photostock.end_of_life import DEPRECATED
from photostock.engine import Engine
from photostock.erasing import SCOPE, again, erasing_of
from photostock.feedback.override_truths import OverrideTruths
from photostock.feedback.store import FeedbackStore
from photostock.filter.relevance import Relevance
from photostock.hints import Hints, HintStore
from photostock.hints.dictionary import english_words
from photostock.hints.pages import add_hint_pages
from photostock.hints.recent import RecentQueries
from photostock.hints.spelling import Speller
from photostock.index.encoder import OnnxEncoder
from photostock.index.graph_files import GraphFiles
from photostock.index.segment import Stop
from photostock.index.upkeep import Upkeep
from photostock.index.vectors import INDEX_VERSION
from photostock.library import Library
from photostock.override_page import add_photo_override_page
from photostock.override_rules import PhotoRules
from photostock.overriding import PhotoOverrides
from photostock.own_pictures.keeping import OwnPictures
from photostock.own_pictures.store import PictureStore
from photostock.picture_cache import PictureCache
from photostock.replaying import PhotoReplays
from photostock.reranker.released import Released, reader
from photostock.reranker.trust import Trust
from photostock.reranker_contract import NO_RANKINGS, Rankings, as_champion, difference
from photostock.review.pictures import draw
from photostock.rollout import RerankerRollout
from photostock.search import Searcher, filter_version
from photostock.settings import PhotoSettings

ENCODER_WITHIN_MS = 5_000  # that a start waits for it: after an import it takes long, and words are searched meanwhile
FLUSHED_WITHIN_S = 2.0  # answers that wait to be kept, before those about an erased person are looked for


def create_app(settings: PhotoSettings, *, raise_bugs: bool = False, serves: bool = True) -> FastAPI:
    """The API over `settings`; `raise_bugs` is for tests.

    Args:
        serves: whether it keeps things up: notes, counts, releases, what is too old. A command only reads.
    """
    api_version = version("murphy-ml-integration")
    service = Service("photostock api", version=api_version, settings=settings, pages=pages.photo_pages())
    state = open_state(settings)
    SecondCopy(settings.var_dir, SCOPE).adopt_key(state)
    lifecycle = lifecycle_of(service, state, "photostock", DEPRECATED)
    panel = panel_of(service, state, "photostock")
    daily = daily_of(service, state, reporting.sources())
    recent = Serving(service.registry, budget_ms=settings.high_timeout_ms)
    pool = WorkerPool("search", threads=2, queue=settings.max_in_flight)
    fallback_pool = WorkerPool("fallback", threads=1, queue=settings.max_in_flight)
    writes = Writes(queue=settings.max_in_flight)
    steps = Writes(queue=MOST_STEPS)
    reports = WorkerPool("reports", threads=1, queue=4)
    versions = KnownVersions(settings.registry_dir, ["encoder", "reranker"])
    catalogue = Catalogue(state)
    library = Library(catalogue, GraphFiles(settings.index_dir))
    registry = Registry(settings.registry_dir)
    picture_store = PictureStore(settings.pictures_dir)

    def load_encoder(number: str) -> OnnxEncoder:
        return OnnxEncoder.load(registry.load("encoder", number), pictures=picture_store.read)

    encoders = ModelSlots("encoder", registry, load_encoder)
    filters = ModelSlots("filter", registry, lambda number: Relevance.load(registry.load("filter", number)))
    rerankers = Snapshot[Mapping[str, Released]]("reranker releases", reader(registry), first={})
    overrides = LiveOverrides(OverrideStore(state, "photostock"), PhotoOverrides.of)
    override_uses = OverrideUses(overrides.store)
    override_truths = OverrideTruths(state)
    override_desk = OverrideDesk(overrides, override_uses, PhotoRules(), truths=lambda: override_truths.found)
    OverrideGauges(service.registry, override_desk)
    library.banned = lambda: overrides.value.banned
    hints = HintStore(state)
    active_hints = Snapshot("hints", lambda: hints.all(active_hints.value), first=Hints())
    dictionary = Snapshot[frozenset[str]]("dictionary", english_words, first=frozenset())
    pictures = PictureCache(picture_store)
    blue_green = BlueGreen(state, "photostock", blue=settings.upstream_url, green=settings.reranker_url_green)
    upstream = Upstream(
        "photostock-reranker",
        settings.upstream_url,
        api_key=settings.outgoing_key,
        metrics=service.client_metrics,
        carrier=blue_green.carrier,
    )
    controls = Controls(
        state,
        "photostock",
        tiers=("filter", *TIERS),
        required={
            "filter": "it enforces licence, safety and erasure, and an unfiltered photo is worse than no answer",
            "popular": "it is the last tier, and without it there would be no answer",
        },
        breakers={upstream.name: upstream.breaker},
        registry=service.registry,
    )

    def relevance() -> Relevance | None:
        """The filter's weights, if they were learnt for the encoder that serves."""
        serving = filters.get(CHAMPION)
        if serving is None or library.encoder is None or serving[1].encoder_version != library.encoder.version:
            return None
        return serving[1]

    def released(version: str) -> Released | None:
        return rerankers.value.get(version)

    def own_versions() -> dict[str, str]:
        return {
            "index": INDEX_VERSION,
            "encoder": library.encoder.version if library.encoder else "none",
            "hints": active_hints.value.version,
            "filter": filter_version(relevance()),
            "api": api_version,
        }

    shadow = shadow_of(
        service,
        "photostock-shadow",
        settings.shadow_url,
        answer=Rankings,
        prepare=as_champion,
        difference=difference,
    )
    release_metrics = ReleaseMetrics(service.registry)
    desk = releases.desk_over(state, settings, incident=lambda: service.unwell("catalogue", "tiers", "reranker"))
    incidents = incidents_of(service, state, "photostock")
    comparing, loading = (
        Upstream(
            name,
            settings.upstream_url,
            api_key=settings.outgoing_key,
            metrics=service.client_metrics,
            carrier=blue_green.carrier,
        )
        for name in ("photostock-comparing", "photostock-loading")
    )
    reranker_loaded = LoadedElsewhere(loading)
    rollouts = Rollouts(
        desk,
        loaded={"reranker": reranker_loaded},
        look_up_names=versions.snapshot.refresh,
        metrics=release_metrics,
    )
    compared = low_timeout(comparing, timeout_ms=settings.low_timeout_ms).endpoint(
        "/v1/rankings", answer=Rankings, default=NO_RANKINGS
    )
    recent_queries, answers = RecentQueries(), RecentAnswers()
    feedback = FeedbackStore(state, keep_days=settings.feedback_days, keep_rows=settings.feedback_rows)

    def forget_on_loop() -> None:
        recent_queries.forget()
        answers.forget()
        pictures.forget_all()

    def forget_in_thread() -> None:
        overrides.read_afresh()
        library.recheck()
        engine.replays.log.flush(FLUSHED_WITHIN_S)

    erasing = erasing_of(settings, state, catalogue, lambda: forgetting.forget())
    forgetting = Following(
        erasing.store,
        at_start=lambda: erasing.restore(again(erasing.store)),
        in_thread=forget_in_thread,
        on_loop=forget_on_loop,
    )
    erasures = Finishing(erasing, writes, reports)
    pairs, trust = Pairs("reranker", upstream, release_metrics), Trust(released)
    engine = Engine(
        searcher=Searcher(
            library=library,
            rerank=low_timeout(upstream, timeout_ms=settings.low_timeout_ms).endpoint(
                "/v1/rankings", answer=Rankings, default=NO_RANKINGS, mirror=shadow
            ),
            trust=trust,
            released=released,
            hints=lambda: active_hints.value,
            overrides=lambda: overrides.value,
            speller=Speller(library.lexical.vocabulary, lambda: dictionary.value),
            relevance=relevance,
            pool=pool,
            fallback_pool=fallback_pool,
            standing=controls.standing,
            metrics=service.chain_metrics,
            raise_bugs=raise_bugs,
        ),
        library=library,
        versions=versions,
        hints=hints,
        active_hints=active_hints,
        recent_queries=recent_queries,
        overrides=override_desk,
        controls=controls,
        shadow=shadow,
        desk=desk,
        rollout=RerankerRollout(rollouts, pairs, compared, trust, library),
        feedback=feedback,
        erasures=erasures,
        pictures=pictures,
        own_pictures=OwnPictures(library, picture_store),
        lifecycle=lifecycle,
        answers=answers,
        replays=replays_of(service, "photostock", "reranker", settings.replays_dir, gone=library.gone),
        incidents=incidents,
        daily=daily,
        blue_green=blue_green,
        writes=writes,
        steps=steps,
        reports=reports,
        own_versions=own_versions,
    )
    engine.replays.replays = PhotoReplays(engine, registry)
    service.components = lambda: {
        **own_versions(),
        **({"reranker": champion} if (champion := versions.champion("reranker")) else {}),
    }

    def encoder_trouble() -> str | None:
        return encoders.trouble or library.preparing or (None if library.encoder else "photos are being encoded")

    service.parts += [
        Part("catalogue", lambda: library.trouble),
        Part("encoder", encoder_trouble),
        Part("hints", lambda: active_hints.trouble),
        Part("replays", lambda: engine.replays.log.trouble),
        Part("erasures", lambda: erasures.trouble),
        Part("overrides", lambda: overrides.trouble or override_uses.trouble),
        Part("switches", lambda: controls.trouble),
        Part("blue_green", lambda: blue_green.trouble),
        Part("tiers", lambda: controls.standing.trouble),
        Part("versions", lambda: versions.snapshot.trouble),
        Part("releases", lambda: rollouts.trouble),
        Part(
            "reranker", lambda: None if upstream.breaker.state == "closed" else f"breaker is {upstream.breaker.state}"
        ),
    ]

    def follow_operators() -> None:
        controls.refresh()
        blue_green.refresh()
        active_hints.refresh()

    def refresh() -> None:
        erasures.refresh()
        panel.refresh()
        recent.refresh()
        lifecycle.end_of_life.refresh()
        if dictionary.trouble is not None:
            dictionary.refresh()
        versions.snapshot.refresh()
        rerankers.refresh()

    def follow_catalogue() -> None:
        forgetting.refresh()  # first: whom an old copy of the database brings back, nobody is shown
        library.refresh()

    def encode() -> None:
        """After an import this takes long, and meanwhile words are searched."""
        encoders.refresh()
        filters.refresh()
        if (serving := encoders.get(CHAMPION)) is not None:
            library.use_encoder(serving[1])

    def tidy(stop: Stop) -> None:
        library.tidy(stop)
        override_truths.look(overrides.all)

    @asynccontextmanager
    async def upkeep() -> AsyncIterator[None]:
        if library.trouble is None:  # else it does not know which pictures its photos have
            await asyncio.to_thread(picture_store.sweep, library.pictures())
        lifecycle.usage.start()
        engine.replays.log.start()
        override_uses.start()
        with Upkeep(tidy):
            async with daily.counting():
                yield

    kept = [
        (encode, REFRESH_EVERY_MS),
        (follow_catalogue, REFRESH_EVERY_MS),
        (forgetting.refresh, REFRESH_EVERY_MS),  # what another process imported takes long, too
        (follow_operators, LOOK_EVERY_MS),
        (refresh, REFRESH_EVERY_MS),
        (overrides.refresh, LOOK_EVERY_MS),
    ]
    if serves:
        kept += [(rollouts.refresh, REFRESH_EVERY_MS), (incidents.refresh, REFRESH_EVERY_MS)]

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        forgetting.begin()
        for first in (follow_catalogue, follow_operators, refresh):
            await asyncio.to_thread(first)
        await asyncio.to_thread(overrides.refresh)
        await asyncio.to_thread(rollouts.refresh, acts=serves)
        await upstream.warm_up()
        try:
            async with (
                upkeep() if serves else nullcontext(),
                all_kept_fresh(*kept, first_within_ms=ENCODER_WITHIN_MS),
            ):
                yield
        finally:
            await erasures.aclose()
            if shadow is not None:
                await shadow.drain()
            await pairs.aclose()
            await comparing.aclose()
            await asyncio.to_thread(reranker_loaded.close)
            await upstream.aclose()
            pool.close()
            fallback_pool.close()
            writes.close()
            steps.close()
            panel.close()
            incidents.close()
            daily.close()
            reports.close()
            pictures.close()
            await asyncio.to_thread(engine.replays.close)
            await asyncio.to_thread(lifecycle.usage.close)
            override_desk.close()
            await asyncio.to_thread(override_uses.close)
            state.dispose()

    operators = AdminPages(service, panel)
    add_incident_pages(operators, incidents)
    add_health(operators, service, recent=recent, controls=controls, rollouts=rollouts)
    add_switches_page(operators, controls, writes)
    add_hint_pages(operators, engine)
    add_photo_override_page(operators, engine)
    add_callers_page(operators, lifecycle, writes)
    add_release_pages(operators, desk, rollouts, steps, draw=draw)
    add_report_pages(operators, daily)
    add_erasure_pages(operators, erasures)
    add_answers_page(operators, engine.answers)
    add_replay_pages(operators, engine.replays, engine.answers)
    add_audit_page(operators)
    add_operators_page(operators)
    routers = [
        api.router(engine),
        pages.router(engine, operators.pages),
        admin.router(engine, panel),
        operators.router(),
    ]
    app = service.app(routers=routers, lifespan=lifespan, default_budget_ms=settings.high_timeout_ms)
    app.state.engine = engine  # for tests and a debugger
    return app
