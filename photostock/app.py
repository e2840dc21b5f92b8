"""The composition root of the API process: what it is made of, from top to bottom. Nothing is built at import."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from common.calls.client import low_timeout
from common.calls.upstream import Upstream
from common.service.app import Part, Service
from common.service.shadowing import shadow_of
from common.state.controls import Controls
from common.state.database import open_state
from common.state.snapshot import Snapshot, kept_fresh
from common.state.writes import Writes
from common.versions.known_versions import KnownVersions
from common.versions.registry import Registry
from common.versions.slots import CHAMPION, ModelSlots
from common.workers import WorkerPool
from photostock import admin, api
from photostock.catalogue import Catalogue
from photostock.contract import TIERS
from photostock.engine import Engine
from photostock.feedback import FeedbackStore
from photostock.filter.filter import FILTER_VERSION
from photostock.hints import Hints, HintStore
from photostock.index.encoder import OnnxEncoder
from photostock.index.vectors import INDEX_VERSION
from photostock.library import Library
from photostock.picture_cache import PictureCache
from photostock.reranker_contract import NO_RANKINGS, Rankings, as_champion, difference
from photostock.search import Searcher
from photostock.settings import PhotoSettings


def create_app(settings: PhotoSettings, *, raise_bugs: bool = False) -> FastAPI:
    """The API over `settings`; `raise_bugs` is for tests."""
    api_version = version("murphy-ml-integration")
    service = Service("photostock api", version=api_version, settings=settings)
    state = open_state(settings)
    pool = WorkerPool("search", threads=2, queue=settings.max_in_flight)
    fallback_pool = WorkerPool("fallback", threads=1, queue=settings.max_in_flight)
    writes = Writes(queue=settings.max_in_flight)
    versions = KnownVersions(settings.registry_dir, ["encoder", "reranker"])
    library = Library(Catalogue(state))
    registry = Registry(settings.registry_dir)
    encoders = ModelSlots("encoder", registry, lambda number: OnnxEncoder.load(registry.load("encoder", number)))
    hints = HintStore(state)
    active_hints = Snapshot("hints", hints.all, first=Hints())
    pictures = PictureCache()
    upstream = Upstream(
        "photostock-reranker", settings.upstream_url, api_key=settings.outgoing_key, metrics=service.client_metrics
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

    def own_versions() -> dict[str, str]:
        return {
            "index": INDEX_VERSION,
            "encoder": library.encoder.version if library.encoder else "none",
            "hints": active_hints.value.version,
            "filter": FILTER_VERSION,
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
    engine = Engine(
        searcher=Searcher(
            library=library,
            rerank=low_timeout(upstream, timeout_ms=settings.low_timeout_ms).endpoint(
                "/v1/rankings", answer=Rankings, default=NO_RANKINGS, mirror=shadow
            ),
            hints=lambda: active_hints.value,
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
        controls=controls,
        shadow=shadow,
        feedback=FeedbackStore(state),
        pictures=pictures,
        writes=writes,
        own_versions=own_versions,
    )
    service.components = lambda: {
        **own_versions(),
        **({"reranker": champion} if (champion := versions.champion("reranker")) else {}),
    }
    service.parts += [
        Part("catalogue", lambda: library.trouble),
        Part("encoder", lambda: encoders.trouble or (None if library.encoder else "photos are being encoded")),
        Part("hints", lambda: active_hints.trouble),
        Part("switches", lambda: controls.trouble),
        Part("tiers", lambda: controls.standing.trouble),
        Part("versions", lambda: versions.snapshot.trouble),
        Part(
            "reranker", lambda: None if upstream.breaker.state == "closed" else f"breaker is {upstream.breaker.state}"
        ),
    ]

    def refresh() -> None:
        active_hints.refresh()
        controls.refresh()
        versions.snapshot.refresh()
        library.refresh()

    def refresh_all() -> None:
        """With the encoder: after an import this takes long, and meanwhile words are searched."""
        refresh()
        encoders.refresh()
        if (serving := encoders.get(CHAMPION)) is not None:
            library.use_encoder(serving[1])

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(refresh)
        await upstream.warm_up()
        try:
            async with kept_fresh(refresh_all):
                yield
        finally:
            if shadow is not None:
                await shadow.drain()
            await upstream.aclose()
            pool.close()
            fallback_pool.close()
            writes.close()
            pictures.close()
            state.dispose()

    routers = [api.router(engine), admin.router(engine, settings)]
    app = service.app(routers=routers, lifespan=lifespan, default_budget_ms=settings.high_timeout_ms)
    app.state.engine = engine  # for tests and a debugger
    return app
