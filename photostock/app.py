"""The composition root of the API process: what it is made of, from top to bottom. Nothing is built at import."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI

from common.erasing.service import erasures_of
from common.lifecycle.pages import add_callers_page
from common.releases.pages import add_release_pages
from common.service.admin_pages import AdminPages
from common.service.app import Lifespan, Part, Service
from common.service.foundation import Foundation
from common.service.model_link import ModelLink
from common.service.operations import Operations
from common.state.snapshot import REFRESH_EVERY_MS, all_kept_fresh
from common.state.switches_page import add_switches_page
from common.versions.registry import Registry
from common.workers import WorkerPool
from photostock import admin, api, pages, releases, reporting
from photostock.catalogue import Catalogue
from photostock.end_of_life import DEPRECATED
from photostock.engine import Engine, engine_of
from photostock.erasing import SCOPE, again, erasing_of
from photostock.hints.pages import add_hint_pages
from photostock.index.graph_files import GraphFiles
from photostock.index.segment import Stop
from photostock.index.upkeep import Upkeep
from photostock.library import Library
from photostock.models import Models
from photostock.override_page import add_photo_override_page
from photostock.own_pictures.store import PictureStore
from photostock.replaying import PhotoReplays
from photostock.review.pictures import draw
from photostock.settings import PhotoSettings

ENCODER_WITHIN_MS = 5_000  # that a start waits for it: after an import it takes long, and words are searched meanwhile


def create_app(settings: PhotoSettings, *, raise_bugs: bool = False, serves: bool = True) -> FastAPI:
    """The API over `settings`; `raise_bugs` is for tests.

    Args:
        serves: whether it keeps things up: notes, counts, releases, what is too old. A command only reads.
    """
    service = Service(
        "photostock api", version=version("murphy-ml-integration"), settings=settings, pages=pages.photo_pages()
    )
    base = Foundation(
        service, SCOPE, endings=DEPRECATED, sources=reporting.sources(), components=["encoder", "reranker"]
    )
    desk = releases.desk_over(base.state, settings, incident=lambda: service.unwell("catalogue", "tiers", "reranker"))
    link = ModelLink(base, "reranker", "reranker", desk, blue=settings.upstream_url, green=settings.reranker_url_green)

    registry, picture_store = Registry(settings.registry_dir), PictureStore(settings.pictures_dir)
    catalogue, reports = Catalogue(base.state), WorkerPool("reports", threads=1, queue=4)
    library = Library(catalogue, GraphFiles(settings.index_dir))
    models = Models(registry, library, picture_store)
    forgetting, erasures = erasures_of(
        partial(erasing_of, settings, base.state, catalogue),
        again,
        in_thread=lambda: engine.forget_in_thread(),
        on_loop=lambda: engine.forget_on_loop(),
        writes=base.writes,
        reading=reports,
    )
    engine = engine_of(settings, base, link, library, models, picture_store, erasures, reports, raise_bugs=raise_bugs)
    engine.replays.replays = PhotoReplays(engine, registry)

    service.components = lambda: {
        **engine.own_versions(),
        **({"reranker": champion} if (champion := base.versions.champion("reranker")) else {}),
    }
    service.parts += [
        Part("catalogue", lambda: library.trouble),
        Part("encoder", lambda: models.trouble),
        Part("hints", lambda: engine.active_hints.trouble),
    ]
    operations = Operations(
        base,
        link,
        controls=engine.controls,
        shadow=engine.shadow,
        overrides=engine.overrides,
        replays=engine.replays,
        forgetting=forgetting,
        erasures=erasures,
    )
    operators = _operators_pages(operations, engine)
    app = service.app(
        routers=[
            api.router(engine),
            pages.router(engine, operators.pages),
            admin.router(engine, base.panel),
            operators.router(),
        ],
        lifespan=_lifespan(operations, engine, picture_store, serves=serves),
        default_budget_ms=settings.high_timeout_ms,
    )
    app.state.engine = engine  # for tests and a debugger
    return app


def _operators_pages(operations: Operations, engine: Engine) -> AdminPages:
    """In the order of the navigation."""
    operators = operations.pages()
    add_switches_page(operators, engine.controls, engine.writes)
    add_hint_pages(operators, engine)
    add_photo_override_page(operators, engine)
    add_callers_page(operators, engine.lifecycle, engine.writes)
    add_release_pages(operators, engine.desk, engine.rollout.rollouts, engine.steps, draw=draw)
    operations.add_records(operators)
    return operators


def _lifespan(operations: Operations, engine: Engine, picture_store: PictureStore, *, serves: bool) -> Lifespan:
    """The start, what is kept fresh meanwhile, and the end."""
    library, models, dictionary = engine.library, engine.models, engine.dictionary

    def follow_catalogue() -> None:
        operations.forgetting.refresh()  # first: whom an old copy of the database brings back, nobody is shown
        library.refresh()

    def follow_files() -> None:
        if dictionary.trouble is not None:
            dictionary.refresh()
        models.rerankers.refresh()

    def tidy(stop: Stop) -> None:
        library.tidy(stop)
        engine.override_truths.look(engine.overrides.live.all)

    kept = [
        (models.encode, REFRESH_EVERY_MS),
        (follow_catalogue, REFRESH_EVERY_MS),  # what another process imported takes long, too
        *operations.kept(serves=serves, after_operators=engine.active_hints.refresh),
        (follow_files, REFRESH_EVERY_MS),
    ]

    @asynccontextmanager
    async def upkeep() -> AsyncIterator[None]:
        if library.trouble is None:  # else it does not know which pictures its photos have
            await asyncio.to_thread(picture_store.sweep, library.pictures())
        with Upkeep(tidy):
            async with operations.upkeep():
                yield

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await operations.start(follow_catalogue, engine.active_hints.refresh, follow_files, serves=serves)
        try:
            async with (
                upkeep() if serves else nullcontext(),
                all_kept_fresh(*kept, first_within_ms=ENCODER_WITHIN_MS),
            ):
                yield
        finally:
            await operations.stop_asking()
            await operations.store_the_rest()
            engine.searcher.pool.close()
            engine.searcher.fallback_pool.close()
            operations.base.close_writers()
            engine.reports.close()
            engine.pictures.close()
            operations.base.state.dispose()

    return lifespan
