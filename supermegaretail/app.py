"""The composition root of the API process: what it is made of, from top to bottom. Nothing is built at import."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version

from fastapi import FastAPI
from prometheus_client import Counter

from common.calls.client import high_timeout, low_timeout
from common.calls.upstream import Upstream
from common.service.app import Part, Service
from common.service.shadowing import shadow_of
from common.state.controls import Controls
from common.state.database import open_state
from common.state.overrides import Override, OverrideStore
from common.state.snapshot import Snapshot, kept_fresh
from common.state.writes import Writes
from common.versions.known_versions import KnownVersions
from common.versions.registry import Registry
from common.workers import WorkerPool
from supermegaretail import admin, api
from supermegaretail.asking import ModelProcess, as_champion, difference
from supermegaretail.book import SalesBook
from supermegaretail.contract import TIERS
from supermegaretail.drift_watch import DriftWatch
from supermegaretail.engine import Engine
from supermegaretail.features import FEATURES_VERSION
from supermegaretail.forecast import Forecaster
from supermegaretail.ledger import Ledger
from supermegaretail.model_contract import NO_CONTRIBUTIONS, NO_PREDICTIONS, Contributions, Predictions
from supermegaretail.monitoring.gauges import OutcomeGauges
from supermegaretail.monitoring.outcome_store import OutcomeStore
from supermegaretail.monitoring.outcomes import Outcomes
from supermegaretail.monitoring.partitions import Partitions
from supermegaretail.monitoring.prediction_log import PredictionLog
from supermegaretail.settings import RetailSettings


def create_app(settings: RetailSettings, *, raise_bugs: bool = False) -> FastAPI:
    """The API over `settings`; `raise_bugs` is for tests."""
    own_versions = {"features": FEATURES_VERSION, "api": version("murphy-ml-integration")}
    service = Service("supermegaretail api", version=own_versions["api"], settings=settings)
    state = open_state(settings)
    pool = WorkerPool("forecast", threads=2, queue=settings.max_in_flight)
    fallback_pool = WorkerPool("fallback", threads=1, queue=settings.max_in_flight)
    writes = Writes(queue=settings.max_in_flight)
    versions = KnownVersions(settings.registry_dir, ["core", "correction"])
    store = OverrideStore(state, "supermegaretail")
    overrides: Snapshot[dict[str, Override]] = Snapshot(
        "overrides", lambda: store.active(now=datetime.now(UTC)), first={}
    )
    book = SalesBook(settings.table_path, Ledger(state))
    partitions = Partitions(
        settings.predictions_dir,
        most_bytes=settings.prediction_log_mb * 2**20,
        most_days=settings.prediction_log_days,
    )
    predictions = PredictionLog(partitions, service.registry)
    outcomes = Outcomes(OutcomeStore(state), predictions, lambda: book.history)
    OutcomeGauges(service.registry, lambda: outcomes.report)
    log_reading = WorkerPool("log-reading", threads=1, queue=4)
    upstream = Upstream(
        "supermegaretail-model", settings.upstream_url, api_key=settings.outgoing_key, metrics=service.client_metrics
    )
    controls = Controls(
        state,
        "supermegaretail",
        tiers=TIERS,
        required={"constant": "it is the last tier, and without it there would be no answer"},
        breakers={upstream.name: upstream.breaker},
        registry=service.registry,
    )
    shadow = shadow_of(
        service,
        "supermegaretail-shadow",
        settings.shadow_url,
        answer=Predictions,
        prepare=as_champion,
        difference=difference,
    )
    explaining = Upstream(
        "supermegaretail-explanations",
        settings.upstream_url,
        api_key=settings.outgoing_key,
        metrics=service.client_metrics,
    )
    low, high = (
        client.endpoint("/v1/predictions", answer=Predictions, default=NO_PREDICTIONS, mirror=shadow)
        for client in (
            low_timeout(upstream, timeout_ms=settings.low_timeout_ms),
            high_timeout(upstream, timeout_ms=settings.high_timeout_ms),
        )
    )
    contributions = high_timeout(explaining, timeout_ms=settings.high_timeout_ms).endpoint(
        "/v1/contributions", answer=Contributions, default=NO_CONTRIBUTIONS
    )
    model = ModelProcess(low, high, contributions)
    drift = DriftWatch(
        Registry(settings.registry_dir), lambda: book.history, controls.switches, metrics=service.registry
    )
    engine = Engine(
        forecaster=Forecaster(
            model=model,
            overrides=lambda: overrides.value,
            pool=pool,
            fallback_pool=fallback_pool,
            standing=controls.standing,
            drift=drift,
            metrics=service.chain_metrics,
            constant_demand=settings.constant_demand,
            raise_bugs=raise_bugs,
        ),
        book=book,
        versions=versions,
        overrides=store,
        active_overrides=overrides,
        controls=controls,
        drift=drift,
        shadow=shadow,
        writes=writes,
        predictions=predictions,
        outcomes=outcomes,
        log_reading=log_reading,
        deprecated_calls=Counter(
            "deprecated_calls_total", "Calls of old endpoints.", ("route", "caller"), registry=service.registry
        ),
        own_versions=own_versions,
    )
    service.components = lambda: {
        **{name: number for name in ("core", "correction") if (number := versions.champion(name))},
        **own_versions,
    }
    service.parts += [
        Part("sales", lambda: book.trouble),
        Part("overrides", lambda: overrides.trouble),
        Part("switches", lambda: controls.trouble),
        Part("tiers", lambda: controls.standing.trouble),
        Part("drift", lambda: drift.trouble),
        Part("prediction_log", lambda: predictions.trouble),
        Part("outcomes", lambda: outcomes.trouble),
        Part("versions", lambda: versions.snapshot.trouble),
        Part("model", lambda: None if upstream.breaker.state == "closed" else f"breaker is {upstream.breaker.state}"),
    ]

    def refresh() -> None:
        overrides.refresh()
        controls.refresh()
        versions.snapshot.refresh()
        news = book.refresh()
        if news.reloaded:
            outcomes.look_again()
        elif news.sold:
            outcomes.arrived(news.sold)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        refresh()
        engine.forecaster.warm_up(book.history)
        await upstream.warm_up()
        predictions.start()
        outcomes.start()
        try:
            async with kept_fresh(refresh), kept_fresh(drift.refresh):
                yield
        finally:
            if shadow is not None:
                await shadow.drain()
            await upstream.aclose()
            await explaining.aclose()
            await asyncio.to_thread(outcomes.close)
            await asyncio.to_thread(predictions.close)
            log_reading.close()
            pool.close()
            fallback_pool.close()
            writes.close()
            state.dispose()

    routers = [api.router(engine), admin.router(engine, settings)]
    app = service.app(routers=routers, lifespan=lifespan, default_budget_ms=settings.high_timeout_ms)
    app.state.engine = engine  # for tests and a debugger
    return app
