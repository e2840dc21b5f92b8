"""The fallback chain of a forecast, to be read from top to bottom: `Forecaster.chain`.

override → core model → moving average → constant          substitutes, best first
           └ correction model                              optional stage on the core model's answer

What people decided about some days, or as a factor, floor or ceiling, is applied to what the tiers served.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import structlog

from common.chain.demotion import DemotionPolicy
from common.chain.fallback import FallbackChain, NotNeeded, OptionalStage, Refused, Served, Substitute
from common.chain.standing import Standing
from common.deadline import Deadline
from common.errors import PoolFull, TierFailed
from common.metrics import ChainMetrics
from common.outcome import Outcome, Reason
from common.workers import WorkerPool
from supermegaretail.asking import Asked, Heard, ModelProcess, Question
from supermegaretail.baseline import average_of, moving_average, plausible_maximum
from supermegaretail.baseline_spread import average_quantiles
from supermegaretail.contract import Item
from supermegaretail.demand import Demand
from supermegaretail.drift import Group
from supermegaretail.drift_watch import DriftWatch
from supermegaretail.events.feeding import ask, average_and_fed, foretold
from supermegaretail.events.planned import PlannedEvents
from supermegaretail.history import SalesHistory
from supermegaretail.judging import faults, judged
from supermegaretail.overriding import Overrides, Shape
from supermegaretail.prepared import FEW_ITEMS, Prepared, RetailReason, prepare

Floats: TypeAlias = npt.NDArray[np.float64]
Key: TypeAlias = tuple[str, str]  # store and sku

NOT_NEEDED = NotNeeded()
UNKNOWN = RetailReason.UNKNOWN_ITEM
TO_COME = Refused(Reason.BUG)  # in place of an answer that never comes
ANNOUNCING_SHARE = 0.3  # of the time that items which no row tells of may take before the chain begins
SPREAD_SHARE = 0.5  # of the moving average's time that its quantiles may take: without them it still answers
SPREAD_MS_PER_ITEM = 0.15  # they take about 0.09 on a quiet machine

log = structlog.get_logger(__name__)

# Pauses are short because every answer is checked anyway: a demoted model costs quality for longer than it was unwell.
# Even at three requests a second a tier that is well again serves within five seconds.
DEMOTION = DemotionPolicy(pause_s=1, longest_pause_s=2, probation_one_in=3, good_in_a_row=2)


@dataclass(frozen=True, slots=True)
class Forecasts:
    """The chain's answers in the order of the items, and the versions of the models that were heard."""

    served: list[Served[Demand]]
    versions: dict[str, str]
    history: SalesHistory  # that they were made from
    asked: Asked | None = None  # None where no model was heard
    events: PlannedEvents = field(default_factory=PlannedEvents)  # that were known
    overrides: Overrides = field(default_factory=Overrides)  # that were in force


Answers: TypeAlias = list[Demand | Refused | NotNeeded]
Chain: TypeAlias = FallbackChain[Item, Demand]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecaster:
    """What forecasts are made from; shared by all requests, changed by none."""

    model: ModelProcess
    overrides: Callable[[], Overrides]
    events: Callable[[], PlannedEvents] = PlannedEvents
    pool: WorkerPool  # features: the dear part
    fallback_pool: WorkerPool  # the moving average's and of who is unannounced: they never wait behind features
    standing: Standing | None = None
    drift: DriftWatch | None = None  # without it nothing is taken for drifted
    metrics: ChainMetrics | None = None
    constant_demand: float = 0.0
    raise_bugs: bool = False

    def chain(self, run: Run) -> Chain:
        return FallbackChain(
            [
                Substitute(name="override", answer=run.override),
                Substitute(name="core", answer=run.core, leaves_ms=60, demotion=DEMOTION),
                Substitute(name="moving_average", answer=run.moving_average),
                Substitute(name="constant", answer=run.constant, at_most_ms=10),
            ],
            [
                OptionalStage(
                    name="correction",
                    after="core",
                    improve=run.correction,
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
        history, unheard = await self._announcing(items, history, deadline)
        run = Run(self, question, history, unheard)
        served = await self.chain(run).answer(items, deadline)
        run.shape(served)
        version = run.events.version
        versions = {**run.versions, "events": version} if version else run.versions
        return Forecasts(served, versions, history, run.asked, run.events, run.overrides)

    async def _announcing(
        self, items: Sequence[Item], history: SalesHistory, deadline: Deadline
    ) -> tuple[SalesHistory, Reason | None]:
        """The history in which known products are new where nobody told of them; or why it could not be made."""
        keys = [_key(item) for item in items]
        if not any(history.panel.lacks(key) for key in keys):
            return history, None
        in_time = deadline.at_most_ms(deadline.remaining_ms * ANNOUNCING_SHARE)
        try:
            return await self.fallback_pool.run(history.announcing, keys, deadline=in_time), None
        except PoolFull:
            return history, Reason.OVERLOADED
        except TimeoutError:
            return history, Reason.TIMEOUT
        except Exception:
            if self.raise_bugs:
                raise
            log.exception("fallback.bug", tier="announcing")
            return history, Reason.BUG


class Run:
    """The state of one request: each tier as a method."""

    def __init__(
        self, forecaster: Forecaster, question: Question, history: SalesHistory, unheard: Reason | None = None
    ) -> None:
        self._forecaster = forecaster
        self._question = question
        self._history = history
        self._unheard = unheard  # why known products that no row tells of in a store are unknown there, if so
        self.events, self.overrides = forecaster.events(), forecaster.overrides()
        self._corrections: dict[Key, Demand | Refused] = {}
        self._prepared: Prepared | None = None
        self._rows: dict[Key, int] = {}  # of what is prepared
        self._shapes: dict[int, Shape] = {}  # by the place of the item in the request
        self.versions: dict[str, str] = {}
        self.asked: Asked | None = None

    async def override(self, items: Sequence[Item], _deadline: Deadline) -> Answers:
        """Serves where people decided each day; what else they decided is for `shape`."""
        if not self.overrides.levels:
            return [NOT_NEEDED] * len(items)
        self._shapes = self.overrides.shapes(
            [_key(item) for item in items],
            self._history.panel,
            as_of=self._question.as_of,
            horizon_days=self._question.horizon_days,
            now_s=time.time(),
        )
        answers: Answers = [NOT_NEEDED] * len(items)
        for place, shape in self._shapes.items():
            if shape.leaves_nothing:
                days = np.zeros(self._question.horizon_days)
                answers[place] = Demand(shape.of(days), shape.id, shape=shape)
        return answers

    def shape(self, served: Sequence[Served[Demand]]) -> None:
        """Factors, floors, ceilings and single days, on top of what the tiers served."""
        for place, shape in self._shapes.items():
            one = served[place]
            if one.value is not None and one.served_by != "override":
                one.value = one.value.shaped(shape)

    async def core(self, items: Sequence[Item], deadline: Deadline) -> Answers:
        rows_asked = len(items) * self._question.horizon_days
        if (reason := self._forecaster.model.refusal(rows_asked, deadline)) is not None:
            raise TierFailed(reason)
        if (drift := self._drift("core")) is not None:
            raise TierFailed(drift)
        keys = [_key(item) for item in items]
        if len(keys) <= FEW_ITEMS and self._is_looked_up(keys):
            self._prepared = self._prepare(keys)
        else:
            self._prepared = await self._forecaster.pool.run(self._prepare, keys, deadline=deadline)
        self._rows = {key: row for row, key in enumerate(keys)}
        prepared = self._prepared
        reasons = zip(keys, prepared.not_to_ask, strict=True)
        answers: Answers = [_not_asked(self._why_unknown(key) if it == UNKNOWN else it) for key, it in reasons]
        known = [row for row, reason in enumerate(prepared.not_to_ask) if reason is None]
        why = partial(faults, prepared, self._question)
        asked = Asked(self._question.version, keys, prepared.inputs, known, deadline.remaining_ms, why)
        self.asked, started_s = asked, time.monotonic()
        model, pool = self._forecaster.model, self._forecaster.pool
        outcomes, planned = await ask(model, self._question, prepared.inputs, known, prepared.fed, deadline, pool)
        heard: list[tuple[int, Heard]] = []
        for row, outcome in zip(known, outcomes, strict=True):
            if outcome.reason is None:
                heard.append((row, outcome.value))
            else:
                answers[row] = Refused(outcome.reason)
        self.asked = replace(asked, took_ms=(time.monotonic() - started_s) * 1000, heard=heard)
        for (row, said), demand in zip(heard, self._foretold(heard, planned, "core"), strict=True):
            answers[row] = demand if self._is_of("core", said.version) else Refused(Reason.VERSION)
        corrections = zip(heard, self._foretold(heard, planned, "correction"), strict=True)
        self._corrections = {
            _key(items[row]): self._corrected(said, prepared.not_to_correct[row], demand)
            for (row, said), demand in corrections  # an item that is asked for twice may have been heard once
        }
        return answers

    async def correction(self, items: Sequence[Item], _core: Sequence[Demand], _deadline: Deadline) -> Answers:
        """The model process answered for both stages at once; here each item's correction is taken, or refused."""
        if (drift := self._drift("correction")) is not None:
            raise TierFailed(drift)
        return [self._corrections[_key(item)] for item in items]

    async def moving_average(self, items: Sequence[Item], deadline: Deadline) -> Answers:
        question, keys = self._question, [_key(item) for item in items]
        look_up = partial(average_and_fed, as_of=question.as_of, horizon_days=question.horizon_days)
        if self._prepared is not None:  # on the way to the model everything was looked up already
            rows = [self._rows[key] for key in keys]
            inputs = self._prepared.inputs
            demand = average_of(inputs.stable[rows], inputs.special[rows])
            fed = None if self._prepared.fed is None else self._prepared.fed.of(rows)
        elif self._is_looked_up(keys):
            demand, fed = look_up(self._history, keys, self.events)
        else:
            demand, fed = await self._forecaster.fallback_pool.run(
                look_up, self._history, keys, self.events, deadline=deadline
            )
        without, demand = demand, demand if fed is None else demand * fed.factors
        quantiles = await self._average_quantiles(keys, demand, deadline) if question.quantiles else [None] * len(keys)
        return [
            Demand(per_day, quantiles=spread, planned=None if fed is None else fed.planning(row, without[row]))
            if np.isfinite(per_day).all()
            else Refused(self._why_unknown(keys[row]))
            for row, (per_day, spread) in enumerate(zip(demand, quantiles, strict=True))
        ]

    async def constant(self, items: Sequence[Item], _deadline: Deadline) -> Answers:
        constant = np.full(self._question.horizon_days, self._forecaster.constant_demand)
        return [Demand(constant) for _ in items]

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

    def _why_unknown(self, key: Key) -> str:
        return self._unheard if self._unheard is not None and self._history.panel.lacks(key) else UNKNOWN

    def _is_looked_up(self, keys: Sequence[Key]) -> bool:
        """Whether it is quicker than the hop to a thread: nothing is to be worked out, and no events are looked at."""
        return not self.events.are_at(keys) and self._history.is_prepared(keys, as_of=self._question.as_of)

    def _prepare(self, keys: Sequence[Key]) -> Prepared:
        question = self._question
        return prepare(
            self._history,
            keys,
            as_of=question.as_of,
            horizon_days=question.horizon_days,
            drift=self._forecaster.drift,
            events=self.events,
        )

    def _drift(self, tier: Group) -> Reason | None:
        watch = self._forecaster.drift
        return None if watch is None else watch.refusal(tier, as_of=self._question.as_of)

    def _foretold(
        self, heard: Sequence[tuple[int, Heard]], planned: Mapping[int, Outcome[Heard]], model: Group
    ) -> list[Demand | Refused]:
        """What a model says, of items that events touch with these as its input."""
        assert self._prepared is not None
        judge = partial(judged, self._prepared, self._question, model=model)
        return foretold(heard, planned, self._prepared.fed, judge)

    def _is_of(self, model: Group, version: str) -> bool:
        """Whether it is the version that the other items were answered by: a champion may change between two pieces."""
        return self.versions.setdefault(model, version) == version

    def _corrected(self, heard: Heard, refusal: str | None, demand: Demand | Refused) -> Demand | Refused:
        if refusal is not None:
            return Refused(refusal, blameless=True)
        if heard.correction_version is None:
            return Refused(heard.correction_reason or Reason.NOT_LOADED)
        return demand if self._is_of("correction", heard.correction_version) else Refused(Reason.VERSION)


def _not_asked(reason: str | None) -> Refused:
    """Of an item that the core is not asked about for a reason; without one an answer is to come in its place."""
    return TO_COME if reason is None else Refused(reason, blameless=True)


def _key(item: Item) -> Key:
    return item.store, item.sku
