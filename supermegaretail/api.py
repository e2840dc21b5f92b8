"""The routes of the API process: JSON in, JSON out. What is decided is decided in `forecast.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Annotated, TypeVar, cast

import numpy as np
from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from common.chain.fallback import Served
from common.contract import Text
from common.deadline import Deadline
from common.service.app import CurrentCall, body_of, documented, json_response, provenance_headers
from common.service.gateway import Call
from common.service.heavy import HeavyWork
from common.service.problems import Problem
from common.service.routes import Routes
from common.state.joint_writes import JointWrites
from supermegaretail.answer_story import remember
from supermegaretail.asking import Question
from supermegaretail.contract import (
    MAX_HORIZON_DAYS,
    TIERS,
    Accepted,
    Explanation,
    Forecast,
    ForecastAnswer,
    ForecastRequest,
    Item,
    Levels,
    OldPrediction,
    OldPredictions,
    Plan,
    Plans,
    Sale,
    SalesReport,
    Tier,
    VersionName,
)
from supermegaretail.demand import Demand
from supermegaretail.engine import Engine
from supermegaretail.explanation import MAX_EXPLAINED, explained
from supermegaretail.features import Floats
from supermegaretail.forecast import Forecasts
from supermegaretail.history import SalesHistory
from supermegaretail.monitoring.looking_up import told_before
from supermegaretail.monitoring.records import Answered
from supermegaretail.monitoring.replay import LoggedItem
from supermegaretail.prepared import RetailReason
from supermegaretail.replaying import note
from supermegaretail.told_rows import BadRows

Told = TypeVar("Told", Sale, Plan)
DEMAND_DECIMALS = 4
FORECASTS, PREDICTIONS = "/v1/forecasts", "/predictions"
MAX_NUMBERS = 200_000  # in one answer: what is written at once holds up the event loop
NUMBERS_OF_AN_ITEM, NUMBERS_OF_AN_EXPLANATION = 10, 300  # which they take as long as
LIGHT_NUMBERS = 2_000  # of a request that stands in no line: a week of 117 items
GUESS_MS = 0.01  # for each


class OneItem(BaseModel):
    """`GET /v1/forecasts`: the bulk request for one item, as a query string."""

    model_config = ConfigDict(extra="forbid")

    store: Text
    sku: Text
    horizon_days: Annotated[int, Field(ge=1, le=MAX_HORIZON_DAYS)] = 7
    as_of: date | None = None
    version: VersionName = "champion"
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0
    explain: bool = False
    quantiles: Levels = ()

    def as_request(self) -> ForecastRequest:
        fields = self.model_dump(exclude={"store", "sku"})
        return ForecastRequest(items=[Item(store=self.store, sku=self.sku)], **fields)


class OldQuery(BaseModel):
    """`GET /predictions`, as it was before `/v1`."""

    model_config = ConfigDict(extra="forbid")

    sku: Text
    entity_id: Text
    version: VersionName = "champion"
    limit: Annotated[int, Field(ge=1, le=MAX_HORIZON_DAYS)] = 7
    request_id: str | None = None


def router(engine: Engine) -> Routes:
    """The routes over one engine."""
    routes = Routes()
    sold: JointWrites[Sale] = JointWrites(engine.writes, partial(_record_sales, engine), thing=_day, bad=BadRows)
    planned: JointWrites[Plan] = JointWrites(engine.writes, engine.book.record_plans, thing=_day, bad=BadRows)
    heavy = HeavyWork(light=LIGHT_NUMBERS, guess_ms=GUESS_MS)

    @routes.json_post("/v1/forecasts", ForecastRequest, answer=ForecastAnswer)
    async def forecasts(call: Call, request: ForecastRequest) -> Response:
        """Forecasts for up to 1,000 items: the main call."""
        async with heavy.place(_weight(request), call):
            return await answer(engine, request, call, endpoint=FORECASTS)

    @routes.get("/v1/forecasts", response_model=ForecastAnswer)
    async def forecast(call: CurrentCall, query: Annotated[OneItem, Query()]) -> Response:
        """The same for one item."""
        return await answer(engine, query.as_request(), call, endpoint=FORECASTS)

    @routes.get("/predictions", response_model=OldPredictions, deprecated=True)
    async def predictions(call: CurrentCall, query: Annotated[OldQuery, Query()]) -> Response:
        """The old API: call `POST /v1/forecasts` instead. With `request_id`: what was told under it."""
        item = Item(store=query.entity_id, sku=query.sku)
        if query.request_id is not None:
            limit = query.limit if "limit" in query.model_fields_set else MAX_HORIZON_DAYS
            forecast = await told_before(engine, query.request_id, item, call)
        else:
            request = ForecastRequest(items=[item], horizon_days=query.limit, version=query.version)
            return await answer(engine, request, call, endpoint=PREDICTIONS)
        return _in_old_form(forecast, limit)

    @routes.post("/v1/sales", response_model=Accepted, status_code=201, openapi_extra=documented(SalesReport))
    async def sales(call: CurrentCall, report: Annotated[SalesReport, body_of(SalesReport)]) -> Response:
        """Sales that were observed: durable, and used by the next forecast, once this answers 201."""
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)  # it may be tomorrow already where they were sold
        for place, sale in enumerate(report.sales):
            if sale.date > tomorrow:
                raise Problem(422, f"sales.{place}.date: what was sold on {sale.date} can't be known yet")
        await _recorded(sold, report.sales, call)
        engine.outcomes.sold(report.sales)
        return json_response(Accepted(accepted=len(report.sales), request_id=call.request_id), 201)

    @routes.post("/v1/plans", response_model=Accepted, status_code=201, openapi_extra=documented(Plans))
    async def plans(call: CurrentCall, request: Annotated[Plans, body_of(Plans)]) -> Response:
        """Prices, promotions and events that are known ahead."""
        await _recorded(planned, request.plans, call)
        return json_response(Accepted(accepted=len(request.plans), request_id=call.request_id), 201)

    return routes


def _numbers_of(request: ForecastRequest) -> int:
    """How many its answer has; `Problem` 422 where they are too many."""
    numbers = len(request.items) * request.horizon_days * (1 + len(request.quantiles))
    if numbers > MAX_NUMBERS:
        raise Problem(422, f"quantiles: {numbers} numbers are too many for one answer: {MAX_NUMBERS} at most")
    return numbers


def _weight(request: ForecastRequest) -> int:
    """How much work a request is, in numbers of its answer."""
    items = len(request.items)
    explained = min(items, MAX_EXPLAINED // request.horizon_days) if request.explain else 0
    return _numbers_of(request) + items * NUMBERS_OF_AN_ITEM + explained * NUMBERS_OF_AN_EXPLANATION


def _record_sales(engine: Engine, sales: Sequence[Sale]) -> None:
    engine.book.record_sales(sales)
    engine.rollout.sold([(sale.store, sale.sku, sale.date) for sale in sales])


def _day(row: Sale | Plan) -> tuple[str, str, date]:
    return row.store, row.sku, row.date


async def _recorded(writes: JointWrites[Told], rows: Sequence[Told], call: Call) -> None:
    try:
        await writes.run(rows, deadline=call.deadline)
    except BadRows as error:
        raise Problem(422, str(error)) from error


async def answer(engine: Engine, request: ForecastRequest, call: Call, *, endpoint: str) -> Response:
    """The whole of a forecast request; what it is told is logged."""
    known = engine.book.known
    assigned = engine.rollout.assign(request.version, call.caller, request.items)
    version = assigned.version if assigned.arm else engine.versions.resolve("core", request.version)
    watch_rollout, told = engine.rollout.watch(assigned), list[Forecasts]()

    def watch(question: Question, forecasts: Forecasts) -> None:
        told.append(forecasts)
        watch_rollout(question, forecasts)
        engine.override_effects.note(request.items, forecasts.served, question)
        remember(engine.answers, request, question, forecasts, engine.own_versions, call)

    made = await forecasts_of(
        engine,
        request,
        known.history,
        version=version,
        request_id=call.request_id,
        deadline=call.deadline,
        watch=watch,
    )
    engine.predictions.put(Answered(made, request.version, call.caller, datetime.now(UTC), known.history))
    response = in_form(endpoint, made)
    note(engine.replays.log, call, request, known, told[0], made, response, endpoint=endpoint, version=version)
    return response


async def forecasts_of(
    engine: Engine,
    request: ForecastRequest,
    history: SalesHistory,
    *,
    version: str,
    request_id: str,
    deadline: Deadline,
    watch: Callable[[Question, Forecasts], None] | None = None,
) -> ForecastAnswer:
    """What a request is answered from that history and by that version of the core; `watch` is told what was made."""
    as_of = request.as_of or history.last_day or datetime.now(UTC).date()
    try:
        dates = [as_of + timedelta(days=ahead) for ahead in range(1, request.horizon_days + 1)]
    except OverflowError as error:
        raise Problem(422, f"as_of: {as_of} leaves no days to forecast") from error
    question = Question(as_of=as_of, horizon_days=request.horizon_days, version=version, quantiles=request.quantiles)
    made = await engine.forecaster.forecast(request.items, question, history=history, deadline=deadline)
    if watch is not None:
        watch(question, made)
    explanations: list[Explanation | str | None] = [None] * len(request.items)  # or why there is none
    if request.explain:
        explanations = [RetailReason.TOO_MANY] * len(request.items)
        first = slice(MAX_EXPLAINED // len(dates))
        explanations[first] = await explained(
            engine.forecaster,
            request.items[first],
            made.served[first],
            question,
            history=made.history,
            versions=made.versions,
            deadline=deadline,
        )
    forecasts = _forecasts(request, made.served, dates, explanations)
    return ForecastAnswer.model_construct(
        forecasts=forecasts,
        as_of=as_of,
        seed=request.seed,
        versions={**made.versions, **engine.own_versions},
        degraded=any(forecast.degraded for forecast in forecasts),
        request_id=request_id,
    )


def _forecasts(
    request: ForecastRequest,
    served: Sequence[Served[Demand]],
    dates: list[date],
    explanations: Sequence[Explanation | str | None],
) -> list[Forecast]:
    """What is told of each item; the numbers of all are rounded at once."""
    told = [cast(Demand, one.value) for one in served]
    demand = np.round([one.per_day for one in told], DEMAND_DECIMALS).tolist()
    return [
        Forecast(
            store=item.store,
            sku=item.sku,
            dates=dates,
            demand=per_day,
            quantiles=None if one.quantiles is None else _by_level(request.quantiles, one.quantiles),
            served_by=cast(Tier, answer.served_by),
            degraded=answer.degraded,
            reason=answer.reason,
            override_id=one.override_id,
            explanation=explanation if isinstance(explanation, Explanation) else None,
            explanation_reason=explanation if isinstance(explanation, str) else None,
            override_ids=None if one.shape is None else [decision.id for decision in one.shape.decisions],
        )
        for item, answer, one, per_day, explanation in zip(
            request.items, served, told, demand, explanations, strict=True
        )
    ]


def _by_level(levels: Sequence[float], quantiles: Floats) -> dict[str, list[float]]:
    rounded = np.round(quantiles, DEMAND_DECIMALS).tolist()
    return {str(level): days for level, days in zip(levels, rounded, strict=True)}


def in_form(endpoint: str, made: ForecastAnswer) -> Response:
    """A forecast as the callers of that endpoint get it."""
    if endpoint == PREDICTIONS:
        return _in_old_form(made.forecasts[0], len(made.forecasts[0].dates))
    tiers = {forecast.served_by for forecast in made.forecasts}
    headers = provenance_headers([tier for tier in TIERS if tier in tiers], degraded=made.degraded)
    return json_response(made, headers=headers)


def _in_old_form(forecast: Forecast | LoggedItem, limit: int) -> Response:
    old = [
        OldPrediction(sku=forecast.sku, demand=demand, entity=forecast.store, period=day.isoformat())
        for day, demand in zip(forecast.dates[:limit], forecast.demand[:limit], strict=True)
    ]
    headers = provenance_headers([forecast.served_by], degraded=forecast.degraded)
    return json_response(OldPredictions(predictions=old), headers=headers)
