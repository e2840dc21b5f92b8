"""Forecasts made again as they were: by the models, the sales, the plans and the overrides of then.

What is kept of an answer is its request, the place in the ledger up to which sales were known, the versions that were
heard, the ids of the overrides that shaped it or would have without these and of the events at its stores, and what
came of each tier.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from fastapi import Response
from pydantic import ValidationError

from common.chain.fallback import FallbackChain, Served
from common.deadline import Deadline
from common.outcome import Outcome, Reason
from common.replay.again import Changes, Gone, Made
from common.replay.log import Noted, ReplayLog, Telling
from common.replay.script import Script, told_of
from common.replay.store import Record
from common.service.gateway import Call
from common.state.overrides import Override
from common.versions.registry import Registry, RegistryError
from common.workers import WorkerPool
from supermegaretail.asking import (
    NOTHING_TOLD,
    Heard,
    ModelProcess,
    Question,
    Told,
    heard_in,
    request_of,
    told_in,
)
from supermegaretail.book import Known, history_of
from supermegaretail.contract import ForecastAnswer, ForecastRequest
from supermegaretail.demand import Demand
from supermegaretail.engine import Engine
from supermegaretail.events.planned import PlannedEvents
from supermegaretail.forecast import Forecaster, Forecasts, Run
from supermegaretail.history import ModelInputs, SalesHistory
from supermegaretail.kept_tables import KeptTables
from supermegaretail.ledger import Ledger, Position
from supermegaretail.model_answers import explain, predict
from supermegaretail.models import Models, read
from supermegaretail.overriding import Overrides
from supermegaretail.settings import RetailSettings

MODELS = ("core", "correction")
MOST_HISTORIES, MOST_MODELS = 2, 2  # in memory: the last ones that were needed


def note(
    log: ReplayLog,
    call: Call,
    request: ForecastRequest,
    known: Known,
    forecasts: Forecasts,
    made: ForecastAnswer,
    response: Response,
    *,
    endpoint: str,
    version: str,
) -> None:
    """Keeps an answer for replays; takes microseconds. `version` of the core was to be asked, though it may not be."""
    now = datetime.now(UTC)
    served, events = forecasts.served, forecasts.events  # and no history: one of its own would wait with each answer
    keys = dict.fromkeys((item.store, item.sku) for item in request.items)
    in_force = forecasts.overrides.concerning(keys, forecasts.history.panel, now_s=now.timestamp())
    table, position = known.table, known.position

    def tell(_telling: Telling) -> dict[str, Any]:
        stores = dict.fromkeys(item.store for item in request.items)
        planned = [one for store in stores for one in events.by_store.get(store, ())]
        decided = {one.id: None for it in served if it.value and it.value.shape for one in it.value.shape.decisions}
        return {
            "request": request.model_dump(mode="json"),
            "as_of": made.as_of.isoformat(),
            "versions": made.versions,
            "core": version,
            "table": table,
            "position": [position.folds, position.applied, *position.beyond],
            "overrides": list(decided),
            "hidden": [one.id for one in in_force if one.id not in decided],
            "events": [one.id for one in planned],
            "earlier_events": [one.id for event in planned for one in events.occasions.get(event.id, ())],
            "no_quantiles": [place for place, one in enumerate(made.forecasts) if one.quantiles is None],
            "explained": [one.explanation is not None and (one.explanation.reason or "") for one in made.forecasts]
            if request.explain
            else [],
            "unexplained": [one.explanation_reason for one in made.forecasts] if request.explain else [],
            **told_of(served),
        }

    log.put(Noted(call.request_id, now, call.caller, endpoint, bytes(response.body), tell))


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecasterOfThen(Forecaster):
    """The chain, playing what came of its tiers then."""

    script: Script
    no_quantiles: frozenset[int]  # places of items that had none

    def chain(self, run: Run) -> FallbackChain[Any, Any]:
        return self.script.chain(Forecaster.chain(self, run))

    async def forecast(
        self, items: Sequence[Any], question: Question, *, history: SalesHistory, deadline: Deadline
    ) -> Forecasts:
        made = await Forecaster.forecast(self, items, question, history=history, deadline=deadline)
        for place in self.no_quantiles:
            one: Served[Demand] = made.served[place]
            if one.value is not None:
                one.value = replace(one.value, quantiles=None)
        return made


class ModelsOfThen:
    """A `ModelProcess` whose work is done here, by versions of then.

    Args:
        explained: by item, why an explanation could not be found out; "" where it could.
    """

    def __init__(self, models: Callable[[], Models], pool: WorkerPool, explained: Sequence[Any]) -> None:
        self._models, self._pool, self._explained = models, pool, explained

    def refusal(self, _rows: int, _deadline: Deadline) -> Reason | None:
        return None

    async def predict(
        self, question: Question, inputs: ModelInputs, rows: Sequence[int], deadline: Deadline
    ) -> list[Outcome[Heard]]:
        if not rows:
            return []
        request = request_of(question, inputs, {str(row): row for row in rows})
        answer = await self._pool.run(lambda: predict(self._models(), request), deadline=deadline)
        heard = dict(heard_in(answer))
        return [Outcome(value=heard[str(row)], reason=None) for row in rows]

    async def explain(
        self, question: Question, inputs: ModelInputs, rows: Sequence[int], deadline: Deadline
    ) -> list[Outcome[Told]]:
        request = request_of(replace(question, quantiles=()), inputs, {str(row): row for row in rows})
        answer = await self._pool.run(lambda: explain(self._models(), request), deadline=deadline)
        told = dict(told_in(answer))
        reasons = {
            row: str(self._explained[row]) for row in rows if row < len(self._explained) and self._explained[row]
        }
        return [
            Outcome(value=NOTHING_TOLD, reason=Reason(reasons[row]))
            if row in reasons
            else Outcome(value=told[str(row)], reason=None)
            for row in rows
        ]


class RetailReplays:
    """Makes forecasts again; the work is done on `pool`, never on the event loop."""

    def __init__(self, engine: Engine, ledger: Ledger, kept: KeptTables, settings: RetailSettings) -> None:
        self._engine, self._ledger, self._kept = engine, ledger, kept
        self._registry = Registry(settings.registry_dir)
        self._pool = engine.replays.pool
        self._days = settings.replay_log_days
        self._history = lru_cache(MOST_HISTORIES)(self._read_history)
        self._model = lru_cache(MOST_MODELS)(self._read_model)

    async def again(self, record: Record, changes: Changes, deadline: Deadline) -> Made:
        """The answer of then, or what it would have been; `Gone` where what it was made of is not there any more."""
        from supermegaretail.api import forecasts_of, in_form

        told, engine = record.told, self._engine
        tiers = ("override", "core", "correction")
        changes.only(versions=MODELS, kinds=("override", "event"), tiers=tiers)
        overriding = [*told["overrides"], *told.get("hidden", ())]
        changes.of_this(override=overriding, event=[*told.get("events", ()), *told.get("earlier_events", ())])
        changes = await self._pool.run(changes.resolved, self._registry, deadline=deadline)
        request = _request({**told["request"], "as_of": told["as_of"]})
        history = await self._pool.run(self._history, told["table"], tuple(told["position"]), deadline=deadline)
        left_out = changes.without.get("override", ())
        ids = [one for one in (overriding if left_out else told["overrides"]) if one not in left_out]
        overrides = await self._pool.run(self._overrides, ids, deadline=deadline)
        known, earlier = (
            {one for one in told.get(name, ()) if one not in changes.without.get("event", ())}
            for name in ("events", "earlier_events")
        )
        version = told["versions"].get("events", "")
        events = await self._pool.run(self._events, known, earlier - known, version, deadline=deadline)
        versions = {**told["versions"], **changes.versions}
        if "core" in changes.versions and "correction" not in changes.versions:
            versions.pop("correction", None)  # the one that was made for that core
        core = versions.get("core") or told["core"]
        needed = bool(told["versions"].get("core"))
        await self._pool.run(self._load, core, versions.get("correction"), needed, deadline=deadline)
        explained = told["explained"] if not changes else []
        models = ModelsOfThen(lambda: self._model(core, versions.get("correction")), self._pool, explained)
        forecaster = ForecasterOfThen(
            model=cast(ModelProcess, models),
            overrides=lambda: overrides,
            events=lambda: events,
            pool=engine.forecaster.pool,
            fallback_pool=engine.forecaster.fallback_pool,
            constant_demand=engine.forecaster.constant_demand,
            raise_bugs=True,
            script=Script.of(told, request.items, left_out=changes.tiers),
            no_quantiles=frozenset(told["no_quantiles"] if request.quantiles and not changes else ()),
        )
        made = await forecasts_of(
            replace(engine, forecaster=forecaster),
            request,
            history,
            version=core,
            request_id=record.request_id,
            deadline=deadline,
        )
        now = made.versions
        if not changes:  # a model that was heard, but nowhere served, is not asked again
            now = {name: now.get(name, number) for name, number in told["versions"].items()}
        # Other code, as after an update, is told beside the answer: only numbers that it changed are a difference.
        shown = {name: number if name in MODELS else told["versions"].get(name, number) for name, number in now.items()}
        made = made.model_copy(update={"versions": shown})
        for place, one in enumerate(explained):
            if one is False:  # there was no time to explain it
                reason = told["unexplained"][place] if "unexplained" in told else None  # a record of before it was told
                made.forecasts[place] = replace(made.forecasts[place], explanation=None, explanation_reason=reason)
        return Made(bytes(in_form(record.endpoint, made).body), now)

    async def now(self, record: Record, caller: str, deadline: Deadline) -> Made:
        """The same request as this caller would be answered now; neither logged nor counted."""
        from supermegaretail.api import forecasts_of, in_form

        request = _request(record.told["request"])
        engine = replace(self._engine, forecaster=replace(self._engine.forecaster, metrics=None))
        assigned = engine.rollout.assign(request.version, caller, request.items)
        version = assigned.version if assigned.arm else engine.versions.resolve("core", request.version)
        made = await forecasts_of(
            engine, request, engine.book.history, version=version, request_id=record.request_id, deadline=deadline
        )
        return Made(bytes(in_form(record.endpoint, made).body), made.versions)

    def tidy(self) -> None:
        """Drops what no record that is kept can need."""
        self._kept.tidy()
        self._ledger.forget_past(until=datetime.now(UTC) - timedelta(days=self._days))

    def _read_history(self, table: str | None, position: tuple[int, ...]) -> SalesHistory:
        path = None if table is None else self._kept.find(table)
        if table is not None and path is None:
            raise Gone("the table of sales that was known then is not kept any more")
        folds, applied, *beyond = position
        return history_of(path, self._ledger.at(Position(folds, applied, tuple(beyond))))

    def _overrides(self, ids: Sequence[str]) -> Overrides:
        """Those of then, as if they had no end: they were in force."""
        found: list[Override] = self._engine.overrides.live.store.named(ids)
        if len(found) < len(ids):
            raise Gone("an override that shaped it is not on record any more")
        return Overrides.of(found, for_ever=True)

    def _events(self, ids: set[str], earlier: set[str], version: str) -> PlannedEvents:
        """Those of then, under the name of all that were known then."""
        all_ids = [*ids, *earlier]
        found: list[Override] = self._engine.events.live.store.named(all_ids) if all_ids else []
        if len(found) < len(all_ids):
            raise Gone("an event that it was made with is not on record any more")
        past = [one for one in found if one.id in earlier]
        return replace(PlannedEvents.of([one for one in found if one.id in ids], past), version=version)

    def _load(self, core: str, correction: str | None, needed: bool) -> None:
        if needed:
            self._model(core, correction)

    def _read_model(self, core: str, correction: str | None) -> Models:
        try:
            return read(self._registry, core, corrected_by=correction)
        except (RegistryError, ValueError) as error:
            raise Gone(f"core {core} can't be loaded any more: {error}") from error


def _request(told: dict[str, Any]) -> ForecastRequest:
    try:
        return ForecastRequest.model_validate_json(json.dumps(told))
    except ValidationError as error:
        raise Gone("its request is none that this release takes") from error
