"""The fallback chain of a forecast, to be read from top to bottom: `Forecaster.chain`.

override → core model → moving average → constant          substitutes, best first
           └ correction model                              optional stage on the core model's answer
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from common.chain.demotion import DemotionPolicy
from common.chain.fallback import FallbackChain, NotNeeded, OptionalStage, Refused, Served, Substitute
from common.chain.standing import Standing
from common.deadline import Deadline
from common.errors import PoolFull, TierFailed
from common.metrics import ChainMetrics
from common.outcome import Outcome, Reason
from common.state.overrides import Override
from common.workers import WorkerPool
from supermegaretail.asking import Heard, ModelProcess, Question
from supermegaretail.baseline import average_of, moving_average, plausible_maximum
from supermegaretail.baseline_spread import average_quantiles
from supermegaretail.contract import Item
from supermegaretail.demand import WIDEST, Demand, demand_of, too_uncertain
from supermegaretail.drift import Group
from supermegaretail.drift_watch import DriftWatch
from supermegaretail.features import STABLE
from supermegaretail.history import SalesHistory
from supermegaretail.prepared import Prepared, RetailReason, prepare

Floats: TypeAlias = npt.NDArray[np.float64]
Key: TypeAlias = tuple[str, str]  # store and sku

# To look up so few takes half a millisecond; the hop to a thread would add 0.7, a sixth of what such a request costs.
FEW_ITEMS = 4
SPREAD_SHARE = 0.5  # of the moving average's time that its quantiles may take: without them it still answers
SPREAD_MS_PER_ITEM = 0.15  # they take about 0.09 on a quiet machine

# Pauses are short because every answer is checked anyway: a demoted model costs quality for longer than it was unwell.
DEMOTION = DemotionPolicy(pause_s=1, longest_pause_s=8, probation_one_in=5, good_in_a_row=3)


@dataclass(frozen=True, slots=True)
class Forecasts:
    """The chain's answers in the order of the items, and the versions of the models that were heard."""

    served: list[Served[Demand]]
    versions: dict[str, str]


Answers: TypeAlias = list[Demand | Refused | NotNeeded]
Chain: TypeAlias = FallbackChain[Item, Demand]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecaster:
    """What forecasts are made from; shared by all requests, changed by none."""

    model: ModelProcess
    overrides: Callable[[], dict[str, Override]]
    pool: WorkerPool  # features: the dear part
    fallback_pool: WorkerPool  # the moving average's own, so that it never waits behind features
    standing: Standing | None = None
    drift: DriftWatch | None = None  # without it nothing is taken for drifted
    metrics: ChainMetrics | None = None
    constant_demand: float = 0.0
    raise_bugs: bool = False

    def chain(self, run: Run) -> Chain:
        return FallbackChain(
            [
                Substitute(name="override", answer=run.override),
                Substitute(name="core", answer=run.core, accept=run.acceptable, leaves_ms=60, demotion=DEMOTION),
                Substitute(name="moving_average", answer=run.moving_average),
                Substitute(name="constant", answer=run.constant, at_most_ms=10),
            ],
            [
                OptionalStage(
                    name="correction",
                    after="core",
                    improve=run.correction,
                    accept=run.acceptable,
                    leaves_ms=10,
                    demotion=DEMOTION,
                )
            ],
            standing=self.standing,
            metrics=self.metrics,
            raise_bugs=self.raise_bugs,
        )

    def warm_up(self, history: SalesHistory) -> None:
        """Makes the first request as fast as the later ones: polars and numpy compile and allocate at first use."""
        if history.last_day is None:
            return
        items = [next(iter(history.panel.places))]
        for day in (history.last_day, history.last_day - timedelta(days=1)):  # prepared state, and computed on demand
            history.inputs(items, as_of=day, horizon_days=28)
            plausible_maximum(history, items, as_of=day)
            average = moving_average(history, items, as_of=day, horizon_days=28)
            average_quantiles(history, items, average, as_of=day, levels=(0.5,))

    async def forecast(
        self, items: Sequence[Item], question: Question, *, history: SalesHistory, deadline: Deadline
    ) -> Forecasts:
        """One answer per item, in order, whatever happens to the model."""
        run = Run(self, question, history)
        served = await self.chain(run).answer(items, deadline)
        return Forecasts(served, run.versions)


class Run:
    """The state of one request: each tier as a method."""

    def __init__(self, forecaster: Forecaster, question: Question, history: SalesHistory) -> None:
        self._forecaster = forecaster
        self._question = question
        self._history = history
        self._corrections: dict[Key, Demand | Refused] = {}
        self._prepared: Prepared | None = None
        self._rows: dict[Key, int] = {}  # of what is prepared
        self.versions: dict[str, str] = {}

    async def override(self, items: Sequence[Item], _deadline: Deadline) -> Answers:
        overrides, now = self._forecaster.overrides(), datetime.now(UTC)
        found = [overrides.get(override_target(item.store, item.sku)) for item in items]
        return [
            self._constant(float(entry.value["demand_per_day"]), entry.id)
            if entry is not None and entry.active(now)
            else NotNeeded()
            for entry in found
        ]

    async def core(self, items: Sequence[Item], deadline: Deadline) -> Answers:
        rows_asked = len(items) * self._question.horizon_days
        if (reason := self._forecaster.model.refusal(rows_asked, deadline)) is not None:
            raise TierFailed(reason)
        if (drift := self._drift("core")) is not None:
            raise TierFailed(drift)
        keys = [_key(item) for item in items]
        if len(keys) <= FEW_ITEMS and self._history.is_prepared(keys, as_of=self._question.as_of):
            self._prepared = self._prepare(keys)
        else:
            self._prepared = await self._forecaster.pool.run(self._prepare, keys, deadline=deadline)
        self._rows = {key: row for row, key in enumerate(keys)}
        inputs, not_to_ask = self._prepared.inputs, self._prepared.not_to_ask
        answers: Answers = [Refused(reason or Reason.BUG, blameless=reason is not None) for reason in not_to_ask]
        known = [row for row, reason in enumerate(not_to_ask) if reason is None]
        outcomes = await self._forecaster.model.predict(self._question, inputs, known, deadline) if known else []
        for row, outcome in zip(known, outcomes, strict=True):
            answers[row] = self._core(outcome)
            if outcome.reason is None:  # an item that is asked for twice may have been heard once
                refusal = self._prepared.not_to_correct[row]
                self._corrections[_key(items[row])] = self._corrected(outcome.value, refusal)
        return answers

    async def correction(self, items: Sequence[Item], _core: Sequence[Demand], _deadline: Deadline) -> Answers:
        """The model process answered for both stages at once; here each item's correction is taken, or refused."""
        if (drift := self._drift("correction")) is not None:
            raise TierFailed(drift)
        return [self._corrections[_key(item)] for item in items]

    async def moving_average(self, items: Sequence[Item], deadline: Deadline) -> Answers:
        question, keys = self._question, [_key(item) for item in items]
        average = partial(moving_average, as_of=question.as_of, horizon_days=question.horizon_days)
        if self._prepared is not None:  # on the way to the model everything was looked up already
            rows = [self._rows[key] for key in keys]
            inputs = self._prepared.inputs
            demand = average_of(inputs.stable[rows], inputs.special[rows])
        elif self._history.is_prepared(keys, as_of=question.as_of):  # a lookup: quicker than the hop to a thread
            demand = average(self._history, keys)
        else:
            demand = await self._forecaster.fallback_pool.run(average, self._history, keys, deadline=deadline)
        quantiles = await self._average_quantiles(keys, demand, deadline) if question.quantiles else [None] * len(keys)
        return [
            Demand(row, quantiles=spread) if np.isfinite(row).all() else Refused(RetailReason.UNKNOWN_ITEM)
            for row, spread in zip(demand, quantiles, strict=True)
        ]

    async def constant(self, items: Sequence[Item], _deadline: Deadline) -> Answers:
        return [self._constant(self._forecaster.constant_demand, None) for _ in items]

    def acceptable(self, item: Item, demand: Demand) -> str | Refused | None:
        """Refuses what no shop sells, negative demand or many times the most that was ever sold here; and a guess."""
        assert self._prepared is not None
        row = self._rows[_key(item)]
        most = self._prepared.maxima.item(row)
        if not all(0 <= units <= most for units in demand.per_day.tolist()):  # for so few days quicker than numpy
            return Reason.OUT_OF_RANGE
        if demand.width is not None:
            level = self._prepared.inputs.stable.item(row, STABLE.index("level"))
            if too_uncertain(demand.width, level, limit=WIDEST):
                return Refused(Reason.UNCERTAIN, blameless=True)  # about this item
        return None

    async def _average_quantiles(
        self, keys: Sequence[Key], demand: Floats, deadline: Deadline
    ) -> Sequence[Floats | None]:
        """The moving average's [levels, horizon] of each item; none where a thread or the time for it is lacking."""
        question = self._question
        in_time = deadline.at_most_ms(deadline.remaining_ms * SPREAD_SHARE)
        if in_time.remaining_ms < SPREAD_MS_PER_ITEM * len(keys):  # rather no quantiles than no forecast
            return [None] * len(keys)
        work = partial(average_quantiles, as_of=question.as_of, levels=question.quantiles)
        try:
            return list(await self._forecaster.fallback_pool.run(work, self._history, keys, demand, deadline=in_time))
        except (PoolFull, TimeoutError):
            return [None] * len(keys)

    def _prepare(self, keys: Sequence[Key]) -> Prepared:
        question = self._question
        return prepare(
            self._history,
            keys,
            as_of=question.as_of,
            horizon_days=question.horizon_days,
            drift=self._forecaster.drift,
        )

    def _drift(self, tier: Group) -> Reason | None:
        watch = self._forecaster.drift
        return None if watch is None else watch.refusal(tier, as_of=self._question.as_of)

    def _core(self, outcome: Outcome[Heard]) -> Demand | Refused:
        if outcome.reason is not None:
            return Refused(outcome.reason)
        if self.versions.setdefault("core", outcome.value.version) != outcome.value.version:
            return Refused(Reason.VERSION)  # the champion changed between two pieces of this request
        return demand_of(outcome.value.prediction, "core", self._question.quantiles)

    def _corrected(self, heard: Heard, refusal: str | None) -> Demand | Refused:
        if refusal is not None:
            return Refused(refusal, blameless=True)
        if heard.correction_version is None:
            return Refused(heard.correction_reason or Reason.NOT_LOADED)
        if self.versions.setdefault("correction", heard.correction_version) != heard.correction_version:
            return Refused(Reason.VERSION)
        return demand_of(heard.prediction, "correction", self._question.quantiles)

    def _constant(self, demand_per_day: float, override_id: str | None) -> Demand:
        return Demand(np.full(self._question.horizon_days, demand_per_day), override_id)


def override_target(store: str, sku: str) -> str:
    """The name under which an override of an item is stored."""
    return f"{store}\n{sku}"  # neither part can hold a control character


def _key(item: Item) -> Key:
    return item.store, item.sku
