"""The composition root of the API process: what it is made of, from top to bottom. Nothing is built at import."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from common.chain.switches import Clock, utc_now
from common.erasing.service import erasures_of
from common.lifecycle.pages import add_callers_page
from common.overrides.live import LOOK_EVERY_MS
from common.panel.blocks import Block
from common.panel.health import drift as drift_block
from common.releases.pages import add_release_pages
from common.replay.holder import replays_of
from common.service.admin_pages import AdminPages
from common.service.app import Lifespan, Part, Service
from common.service.foundation import Foundation
from common.service.model_link import ModelLink
from common.service.operations import Operations
from common.service.pages import Pages
from common.state.snapshot import REFRESH_EVERY_MS, all_kept_fresh
from common.state.switches_page import add_switches_page
from common.versions.registry import Registry
from common.workers import WorkerPool
from supermegaretail import admin, api, releases, reporting
from supermegaretail.book import SalesBook
from supermegaretail.end_of_life import DEPRECATED
from supermegaretail.engine import Engine, engine_of
from supermegaretail.erasing import SCOPE, again, erasing_of
from supermegaretail.events.page import add_events_page
from supermegaretail.kept_tables import KeptTables
from supermegaretail.ledger import Ledger
from supermegaretail.override_page import add_retail_override_page
from supermegaretail.releasing.alarm_watch import AlarmWatch
from supermegaretail.replaying import RetailReplays
from supermegaretail.review.drawing import draw
from supermegaretail.settings import RetailSettings

MODELS = ("core", "correction")  # whose versions callers may ask for


def create_app(
    settings: RetailSettings, *, raise_bugs: bool = False, clock: Clock = utc_now, serves: bool = True
) -> FastAPI:
    """The API over `settings`.

    Args:
        raise_bugs: for tests, as is `clock`, by which endpoints come to their ends.
        serves: whether it keeps things up: notes, counts, releases, what is too old. A command only reads.
    """
    pages = Pages(Path(__file__).parent, site="Supermegaretail")
    service = Service("supermegaretail api", version=version("murphy-ml-integration"), settings=settings, pages=pages)
    base = Foundation(service, SCOPE, endings=DEPRECATED, sources=reporting.sources(), components=MODELS, clock=clock)
    desk = releases.desk_over(base.state, settings, incident=lambda: service.unwell("sales", "tiers", "drift", "model"))
    link = ModelLink(base, "model", "core", desk, blue=settings.upstream_url, green=settings.model_url_green)

    limits = {"most_bytes": settings.replay_log_mb * 2**20, "most_days": settings.replay_log_days}
    ledger, kept_tables = Ledger(base.state), KeptTables(settings.replays_dir / "tables", **limits)
    book = SalesBook(settings.table_path, ledger, kept_tables)
    replays = replays_of(service, SCOPE, "core", settings.replays_dir, also_tidy=lambda: remade.tidy())
    log_reading = WorkerPool("log-reading", threads=1, queue=4)
    forgetting, erasures = erasures_of(
        partial(erasing_of, settings, base.state),
        again,
        in_thread=lambda: engine.forget_in_thread(),
        on_loop=lambda: engine.forget_on_loop(),
        writes=base.writes,
        reading=log_reading,
    )
    engine = engine_of(settings, base, link, book, replays, erasures, log_reading, raise_bugs=raise_bugs)
    replays.replays = remade = RetailReplays(engine, ledger, kept_tables, settings)
    alarms = AlarmWatch(desk, Registry(settings.registry_dir), base.state, lambda: engine.outcomes.report.alarms)

    service.components = lambda: {
        **{name: number for name in MODELS if (number := base.versions.champion(name))},
        **engine.own_versions,
    }
    service.parts += [
        Part("sales", lambda: book.trouble),
        Part("events", lambda: engine.events.live.trouble),
        Part("drift", lambda: engine.drift.trouble),
        Part("prediction_log", lambda: engine.predictions.trouble),
        Part("outcomes", lambda: engine.outcomes.trouble),
        Part("alarms", lambda: alarms.trouble),
    ]
    operations = Operations(
        base,
        link,
        controls=engine.controls,
        shadow=engine.shadow,
        overrides=engine.overrides,
        replays=replays,
        forgetting=forgetting,
        erasures=erasures,
    )
    operators = _operators_pages(operations, engine)
    app = service.app(
        routers=[api.router(engine), admin.router(engine, base.panel), operators.router()],
        lifespan=_lifespan(operations, engine, alarms, serves=serves),
        default_budget_ms=settings.high_timeout_ms,
    )
    app.state.engine = engine  # for tests and a debugger
    return app


def _operators_pages(operations: Operations, engine: Engine) -> AdminPages:
    """In the order of the navigation."""

    def drifted() -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = engine.drift.as_json()["groups"]
        return groups

    operators = operations.pages()
    operators.add_block(Block("Drift", "/admin/switches", lambda: drift_block(drifted)))
    add_switches_page(operators, engine.controls, engine.writes, drift=drifted)
    add_release_pages(operators, engine.desk, engine.rollout.rollouts, engine.steps, draw=draw)
    add_callers_page(operators, engine.lifecycle, engine.writes)
    add_retail_override_page(operators, engine)
    add_events_page(operators, engine)
    operations.add_records(operators)
    return operators


def _lifespan(operations: Operations, engine: Engine, alarms: AlarmWatch, *, serves: bool) -> Lifespan:
    """The start, what is kept fresh meanwhile, and the end."""
    book, events, outcomes, forecaster = engine.book, engine.events, engine.outcomes, engine.forecaster

    def follow_sales() -> None:
        news = book.refresh()
        if news.reloaded:
            outcomes.look_again()
        elif news.sold:
            outcomes.arrived(news.sold)
            engine.rollout.sold(news.sold)

    kept = [
        *operations.kept(serves=serves, before_rollouts=alarms.refresh),
        (follow_sales, REFRESH_EVERY_MS),  # a new table takes long
        (events.live.refresh, LOOK_EVERY_MS),
        (engine.drift.refresh, REFRESH_EVERY_MS),
    ]

    @asynccontextmanager
    async def upkeep() -> AsyncIterator[None]:
        engine.predictions.start()
        outcomes.start()
        async with operations.upkeep(), engine.override_effects.watching(lambda: book.history):
            yield

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await operations.start(follow_sales, events.live.refresh, serves=serves)
        forecaster.warm_up(book.history)
        try:
            async with upkeep() if serves else nullcontext(), all_kept_fresh(*kept):
                yield
        finally:
            await operations.stop_asking()
            await asyncio.to_thread(outcomes.close)
            await asyncio.to_thread(engine.predictions.close)
            await operations.store_the_rest()
            for pool in (engine.log_reading, forecaster.pool, forecaster.fallback_pool):
                pool.close()
            operations.base.close_writers()
            operations.base.state.dispose()

    return lifespan
