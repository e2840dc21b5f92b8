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

from common.calls.client import high_timeout, low_timeout
from common.calls.upstream import Upstream
from common.chain.switches import Clock, utc_now
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
from common.panel.blocks import Block
from common.panel.health import add_health
from common.panel.health import drift as drift_block
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
from common.service.pages import Pages
from common.service.shadowing import shadow_of
from common.state.controls import Controls
from common.state.database import open_state
from common.state.overrides import OverrideStore
from common.state.snapshot import REFRESH_EVERY_MS, all_kept_fresh
from common.state.switches_page import add_switches_page
from common.state.writes import Writes
from common.versions.known_versions import KnownVersions
from common.versions.registry import Registry
from common.workers import WorkerPool
from supermegaretail import admin, api, releases, reporting
from supermegaretail.asking import ModelProcess, as_champion, difference
from supermegaretail.book import SalesBook
from supermegaretail.contract import TIERS
from supermegaretail.drift_watch import DriftWatch
from supermegaretail.end_of_life import DEPRECATED
from supermegaretail.engine import Engine
from supermegaretail.erasing import SCOPE, again, erasing_of
from supermegaretail.events.desk import EventDesk
from supermegaretail.events.page import add_events_page
from supermegaretail.features import FEATURES_VERSION
from supermegaretail.forecast import Forecaster
from supermegaretail.kept_tables import KeptTables
from supermegaretail.ledger import Ledger
from supermegaretail.model_contract import NO_CONTRIBUTIONS, NO_PREDICTIONS, Contributions, Predictions
from supermegaretail.monitoring.gauges import OutcomeGauges
from supermegaretail.monitoring.outcome_store import OutcomeStore
from supermegaretail.monitoring.outcomes import Outcomes
from supermegaretail.monitoring.partitions import Partitions
from supermegaretail.monitoring.prediction_log import PredictionLog
from supermegaretail.override_effects import OverrideEffects
from supermegaretail.override_page import add_retail_override_page
from supermegaretail.override_rules import RetailRules
from supermegaretail.overriding import Overrides
from supermegaretail.releasing.alarm_watch import AlarmWatch
from supermegaretail.replaying import RetailReplays
from supermegaretail.review.drawing import draw
from supermegaretail.rollout import CoreRollout
from supermegaretail.settings import RetailSettings

FLUSHED_WITHIN_S = 2.0  # answers that wait to be kept, before those about an erased person are looked for


def create_app(
    settings: RetailSettings, *, raise_bugs: bool = False, clock: Clock = utc_now, serves: bool = True
) -> FastAPI:
    """The API over `settings`.

    Args:
        raise_bugs: for tests, as is `clock`, by which endpoints come to their ends.
        serves: whether it keeps things up: notes, counts, releases, what is too old. A command only reads.
    """
    own_versions = {"features": FEATURES_VERSION, "api": version("murphy-ml-integration")}
    pages = Pages(Path(__file__).parent, site="Supermegaretail")
    service = Service("supermegaretail api", version=own_versions["api"], settings=settings, pages=pages)
    state = open_state(settings)
    SecondCopy(settings.var_dir, SCOPE).adopt_key(state)
    lifecycle = lifecycle_of(service, state, "supermegaretail", DEPRECATED, clock=clock)
    panel = panel_of(service, state, "supermegaretail")
    daily = daily_of(service, state, reporting.sources())
    recent = Serving(service.registry, budget_ms=settings.high_timeout_ms)
    pool = WorkerPool("forecast", threads=2, queue=settings.max_in_flight)
    fallback_pool = WorkerPool("fallback", threads=1, queue=settings.max_in_flight)
    writes = Writes(queue=settings.max_in_flight)
    steps = Writes(queue=MOST_STEPS)
    versions = KnownVersions(settings.registry_dir, ["core", "correction"])
    overrides = LiveOverrides(OverrideStore(state, "supermegaretail"), Overrides.of)
    override_uses = OverrideUses(overrides.store)
    events = EventDesk(state)
    ledger = Ledger(state)
    limits = {"most_bytes": settings.replay_log_mb * 2**20, "most_days": settings.replay_log_days}
    kept_tables = KeptTables(settings.replays_dir / "tables", **limits)
    book = SalesBook(settings.table_path, ledger, kept_tables)
    partitions = Partitions(
        settings.predictions_dir,
        most_bytes=settings.prediction_log_mb * 2**20,
        most_days=settings.prediction_log_days,
    )
    predictions = PredictionLog(partitions, service.registry)
    outcomes = Outcomes(OutcomeStore(state), predictions, lambda: book.history)
    OutcomeGauges(service.registry, lambda: outcomes.report)
    log_reading = WorkerPool("log-reading", threads=1, queue=4)
    blue_green = BlueGreen(state, "supermegaretail", blue=settings.upstream_url, green=settings.model_url_green)
    upstream = Upstream(
        "supermegaretail-model",
        settings.upstream_url,
        api_key=settings.outgoing_key,
        metrics=service.client_metrics,
        carrier=blue_green.carrier,
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
        carrier=blue_green.carrier,
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
    has_correction = partial(versions.is_published, "correction")
    model = ModelProcess(low, high, contributions, has_correction)
    release_metrics = ReleaseMetrics(service.registry)
    desk = releases.desk_over(state, settings, incident=lambda: service.unwell("sales", "tiers", "drift", "model"))
    incidents = incidents_of(service, state, "supermegaretail")
    comparing, loading = (
        Upstream(
            name,
            settings.upstream_url,
            api_key=settings.outgoing_key,
            metrics=service.client_metrics,
            carrier=blue_green.carrier,
        )
        for name in ("supermegaretail-comparing", "supermegaretail-loading")
    )
    core_loaded = LoadedElsewhere(loading)
    alarm_watch = AlarmWatch(desk, Registry(settings.registry_dir), state, lambda: outcomes.report.alarms)
    rollouts = Rollouts(
        desk,
        loaded={"core": core_loaded},
        look_up_names=versions.snapshot.refresh,
        metrics=release_metrics,
    )
    compared = low_timeout(comparing, timeout_ms=settings.low_timeout_ms).endpoint(  # as long as the challenger has
        "/v1/predictions", answer=Predictions, default=NO_PREDICTIONS
    )
    pairs = Pairs("core", upstream, release_metrics)
    rollout = CoreRollout(rollouts, pairs, ModelProcess(compared, compared, None, has_correction), lambda: book.history)
    drift = DriftWatch(
        Registry(settings.registry_dir), lambda: book.history, controls.switches, metrics=service.registry
    )
    forecaster = Forecaster(
        model=model,
        overrides=lambda: overrides.value,
        events=lambda: events.live.value,
        pool=pool,
        fallback_pool=fallback_pool,
        standing=controls.standing,
        drift=drift,
        metrics=service.chain_metrics,
        constant_demand=settings.constant_demand,
        raise_bugs=raise_bugs,
    )
    effects = OverrideEffects(state, forecaster, override_uses)
    rules = RetailRules(lambda: book.history.panel)
    override_desk = OverrideDesk(overrides, override_uses, rules, truths=lambda: effects.truths)
    OverrideGauges(service.registry, override_desk)
    replays = replays_of(service, "supermegaretail", "core", settings.replays_dir, also_tidy=lambda: remade.tidy())
    answers = RecentAnswers()

    def forget_in_thread() -> None:
        overrides.read_afresh()  # first: what is answered from here on tells the other names
        events.live.read_afresh()
        lifecycle.usage.flush()
        predictions.flush(FLUSHED_WITHIN_S)
        replays.log.flush(FLUSHED_WITHIN_S)

    erasing = erasing_of(settings, state, lambda: forgetting.forget())
    forgetting = Following(
        erasing.store,
        at_start=lambda: erasing.restore(again(erasing.store)),
        in_thread=forget_in_thread,
        on_loop=answers.forget,
    )
    erasures = Finishing(erasing, writes, log_reading)
    engine = Engine(
        forecaster=forecaster,
        book=book,
        versions=versions,
        overrides=override_desk,
        override_effects=effects,
        events=events,
        controls=controls,
        drift=drift,
        shadow=shadow,
        desk=desk,
        rollout=rollout,
        writes=writes,
        steps=steps,
        predictions=predictions,
        outcomes=outcomes,
        log_reading=log_reading,
        lifecycle=lifecycle,
        answers=answers,
        replays=replays,
        incidents=incidents,
        daily=daily,
        erasures=erasures,
        blue_green=blue_green,
        own_versions=own_versions,
    )
    remade = RetailReplays(engine, ledger, kept_tables, settings)
    replays.replays = remade
    service.components = lambda: {
        **{name: number for name in ("core", "correction") if (number := versions.champion(name))},
        **own_versions,
    }
    service.parts += [
        Part("sales", lambda: book.trouble),
        Part("overrides", lambda: overrides.trouble or override_uses.trouble),
        Part("events", lambda: events.live.trouble),
        Part("switches", lambda: controls.trouble),
        Part("blue_green", lambda: blue_green.trouble),
        Part("tiers", lambda: controls.standing.trouble),
        Part("drift", lambda: drift.trouble),
        Part("prediction_log", lambda: predictions.trouble),
        Part("outcomes", lambda: outcomes.trouble),
        Part("replays", lambda: replays.log.trouble),
        Part("erasures", lambda: erasures.trouble),
        Part("versions", lambda: versions.snapshot.trouble),
        Part("releases", lambda: rollouts.trouble),
        Part("alarms", lambda: alarm_watch.trouble),
        Part("model", lambda: None if upstream.breaker.state == "closed" else f"breaker is {upstream.breaker.state}"),
    ]

    def follow_operators() -> None:
        controls.refresh()
        blue_green.refresh()

    def follow_erasures() -> None:
        forgetting.refresh()  # at the start first: whom an old copy of the database brings back, nobody is shown
        erasures.refresh()

    def refresh() -> None:
        panel.refresh()
        recent.refresh()
        lifecycle.end_of_life.refresh()
        versions.snapshot.refresh()

    def follow_sales() -> None:
        news = book.refresh()
        if news.reloaded:
            outcomes.look_again()
        elif news.sold:
            outcomes.arrived(news.sold)
            rollout.sold(news.sold)

    def follow_releases() -> None:
        alarm_watch.refresh()
        rollouts.refresh()

    @asynccontextmanager
    async def upkeep() -> AsyncIterator[None]:
        predictions.start()
        replays.log.start()
        lifecycle.usage.start()
        override_uses.start()
        outcomes.start()
        async with daily.counting(), effects.watching(lambda: book.history):
            yield

    kept = [
        (refresh, REFRESH_EVERY_MS),
        (follow_erasures, REFRESH_EVERY_MS),
        (follow_operators, LOOK_EVERY_MS),
        (follow_sales, REFRESH_EVERY_MS),  # a new table takes long
        (overrides.refresh, LOOK_EVERY_MS),
        (events.live.refresh, LOOK_EVERY_MS),
        (drift.refresh, REFRESH_EVERY_MS),
    ]
    if serves:
        kept += [(follow_releases, REFRESH_EVERY_MS), (incidents.refresh, REFRESH_EVERY_MS)]

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        forgetting.begin()
        follow_erasures()
        refresh()
        follow_operators()
        follow_sales()
        overrides.refresh()
        events.live.refresh()
        await asyncio.to_thread(rollouts.refresh, acts=serves)
        engine.forecaster.warm_up(book.history)
        await upstream.warm_up()
        try:
            async with upkeep() if serves else nullcontext(), all_kept_fresh(*kept):
                yield
        finally:
            await erasures.aclose()
            if shadow is not None:
                await shadow.drain()
            await pairs.aclose()
            await comparing.aclose()
            await asyncio.to_thread(core_loaded.close)
            await upstream.aclose()
            await explaining.aclose()
            await asyncio.to_thread(outcomes.close)
            await asyncio.to_thread(predictions.close)
            await asyncio.to_thread(replays.close)
            await asyncio.to_thread(lifecycle.usage.close)
            override_desk.close()
            await asyncio.to_thread(override_uses.close)
            log_reading.close()
            pool.close()
            fallback_pool.close()
            writes.close()
            steps.close()
            panel.close()
            incidents.close()
            daily.close()
            state.dispose()

    def drifted() -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = drift.as_json()["groups"]
        return groups

    operators = AdminPages(service, panel)
    add_incident_pages(operators, incidents)
    add_health(operators, service, recent=recent, controls=controls, rollouts=rollouts)
    operators.add_block(Block("Drift", "/admin/switches", lambda: drift_block(drifted)))
    add_switches_page(operators, controls, writes, drift=drifted)
    add_release_pages(operators, desk, rollouts, steps, draw=draw)
    add_callers_page(operators, lifecycle, writes)
    add_retail_override_page(operators, engine)
    add_events_page(operators, engine)
    add_report_pages(operators, daily)
    add_erasure_pages(operators, erasures)
    add_answers_page(operators, engine.answers)
    add_replay_pages(operators, engine.replays, engine.answers)
    add_audit_page(operators)
    add_operators_page(operators)
    routers = [api.router(engine), admin.router(engine, panel), operators.router()]
    app = service.app(routers=routers, lifespan=lifespan, default_budget_ms=settings.high_timeout_ms)
    app.state.engine = engine  # for tests and a debugger
    return app
