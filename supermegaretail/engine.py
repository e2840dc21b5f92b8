"""Everything that the routes of the API process work with, and how it is put together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from common.calls.client import high_timeout, low_timeout
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
from common.replay.holder import ReplayHolder
from common.service.foundation import Foundation
from common.service.model_link import ModelLink
from common.service.shadowing import shadow_of
from common.state.controls import Controls
from common.state.overrides import OverrideStore
from common.state.writes import Writes
from common.versions.known_versions import KnownVersions
from common.versions.registry import Registry
from common.workers import WorkerPool
from supermegaretail.asking import ModelProcess, as_champion, difference
from supermegaretail.book import SalesBook
from supermegaretail.contract import TIERS, NewOverride
from supermegaretail.drift_watch import DriftWatch
from supermegaretail.erasing import SCOPE
from supermegaretail.events.desk import EventDesk
from supermegaretail.features import FEATURES_VERSION
from supermegaretail.forecast import Forecaster
from supermegaretail.model_contract import NO_CONTRIBUTIONS, NO_PREDICTIONS, Contributions, Predictions
from supermegaretail.monitoring.gauges import OutcomeGauges
from supermegaretail.monitoring.outcome_store import OutcomeStore
from supermegaretail.monitoring.outcomes import Outcomes
from supermegaretail.monitoring.partitions import Partitions
from supermegaretail.monitoring.prediction_log import PredictionLog
from supermegaretail.override_effects import OverrideEffects
from supermegaretail.override_rules import RetailRules
from supermegaretail.overriding import Overrides
from supermegaretail.rollout import CoreRollout
from supermegaretail.settings import RetailSettings

FLUSHED_WITHIN_S = 2.0  # answers that wait to be kept, before those about an erased person are looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts of the API process."""

    forecaster: Forecaster
    book: SalesBook
    versions: KnownVersions
    overrides: OverrideDesk[Overrides, NewOverride]
    override_effects: OverrideEffects
    events: EventDesk
    controls: Controls
    drift: DriftWatch
    shadow: Shadow[Predictions] | None
    desk: ReleaseDesk
    rollout: CoreRollout
    writes: Writes
    steps: Writes  # of releases: they may wait for a lock, which a request must not
    predictions: PredictionLog
    outcomes: Outcomes
    log_reading: WorkerPool
    lifecycle: Lifecycle
    answers: RecentAnswers
    replays: ReplayHolder
    incidents: Incidents
    daily: Daily
    erasures: Finishing
    blue_green: BlueGreen
    own_versions: dict[str, str]

    def forget_in_thread(self) -> None:
        """After an erasure: compares with the database what is in memory, and stores what waits."""
        self.overrides.live.read_afresh()  # first: what is answered from here on tells the other names
        self.events.live.read_afresh()
        self.lifecycle.usage.flush()
        self.predictions.flush(FLUSHED_WITHIN_S)
        self.replays.log.flush(FLUSHED_WITHIN_S)

    def forget_on_loop(self) -> None:
        """After an erasure: empties what belongs to the event loop."""
        self.answers.forget()


def engine_of(
    settings: RetailSettings,
    base: Foundation,
    link: ModelLink,
    book: SalesBook,
    replays: ReplayHolder,
    erasures: Finishing,
    log_reading: WorkerPool,
    *,
    raise_bugs: bool,
) -> Engine:
    """Forecasts over `book` and the models behind `link`, what people know better, and what became of both."""
    state, service = base.state, base.service
    controls = _controls(base, link)
    shadow = _shadow(settings, base)
    model, compared_model = _models(settings, base, link, shadow)
    drift = DriftWatch(
        Registry(settings.registry_dir),
        lambda: None if book.lacks_table else book.history,  # the few sales that arrived would look drifted
        controls.switches,
        metrics=service.registry,
    )
    overrides, events = LiveOverrides(OverrideStore(state, SCOPE), Overrides.of), EventDesk(state)
    forecaster = Forecaster(
        model=model,
        overrides=lambda: overrides.value,
        events=lambda: events.live.value,
        pool=WorkerPool("forecast", threads=2, queue=settings.max_in_flight),
        fallback_pool=WorkerPool("fallback", threads=1, queue=settings.max_in_flight),
        standing=controls.standing,
        drift=drift,
        metrics=service.chain_metrics,
        constant_demand=settings.constant_demand,
        raise_bugs=raise_bugs,
    )
    uses = OverrideUses(overrides.store)
    effects = OverrideEffects(state, forecaster, uses)
    rules = RetailRules(lambda: book.history.panel)
    predictions = _prediction_log(settings, base)
    outcomes = Outcomes(OutcomeStore(state), predictions, lambda: book.history)
    OutcomeGauges(service.registry, lambda: outcomes.report)
    return Engine(
        forecaster=forecaster,
        book=book,
        versions=base.versions,
        overrides=OverrideDesk(overrides, uses, rules, truths=lambda: effects.truths),
        override_effects=effects,
        events=events,
        controls=controls,
        drift=drift,
        shadow=shadow,
        desk=link.desk,
        rollout=CoreRollout(link.rollouts, link.pairs, compared_model, lambda: book.history),
        writes=base.writes,
        steps=base.steps,
        predictions=predictions,
        outcomes=outcomes,
        log_reading=log_reading,
        lifecycle=base.lifecycle,
        answers=base.answers,
        replays=replays,
        incidents=base.incidents,
        daily=base.daily,
        erasures=erasures,
        blue_green=link.blue_green,
        own_versions={"features": FEATURES_VERSION, "api": service.version},
    )


def _controls(base: Foundation, link: ModelLink) -> Controls:
    return Controls(
        base.state,
        SCOPE,
        tiers=TIERS,
        required={"constant": "it is the last tier, and without it there would be no answer"},
        breakers={link.upstream.name: link.upstream.breaker},
        registry=base.service.registry,
    )


def _shadow(settings: RetailSettings, base: Foundation) -> Shadow[Predictions] | None:
    return shadow_of(
        base.service,
        "supermegaretail-shadow",
        settings.shadow_url,
        answer=Predictions,
        prepare=as_champion,
        difference=difference,
    )


def _models(
    settings: RetailSettings, base: Foundation, link: ModelLink, shadow: Shadow[Predictions] | None
) -> tuple[ModelProcess, ModelProcess]:
    """The model as callers' requests ask it, and as it is asked in the background, to compare two versions."""
    has_correction = partial(base.versions.is_published, "correction")
    low, high = (
        client.endpoint("/v1/predictions", answer=Predictions, default=NO_PREDICTIONS, mirror=shadow)
        for client in (
            low_timeout(link.upstream, timeout_ms=settings.low_timeout_ms),
            high_timeout(link.upstream, timeout_ms=settings.high_timeout_ms),
        )
    )
    explaining = high_timeout(link.another("explanations"), timeout_ms=settings.high_timeout_ms)
    why = explaining.endpoint("/v1/contributions", answer=Contributions, default=NO_CONTRIBUTIONS)
    comparing = low_timeout(link.comparing, timeout_ms=settings.low_timeout_ms)  # as long as the challenger has
    compared = comparing.endpoint("/v1/predictions", answer=Predictions, default=NO_PREDICTIONS)
    return ModelProcess(low, high, why, has_correction), ModelProcess(compared, compared, None, has_correction)


def _prediction_log(settings: RetailSettings, base: Foundation) -> PredictionLog:
    partitions = Partitions(
        settings.predictions_dir,
        most_bytes=settings.prediction_log_mb * 2**20,
        most_days=settings.prediction_log_days,
    )
    return PredictionLog(partitions, base.service.registry)
