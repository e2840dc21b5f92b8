"""The model process: LightGBM behind an internal API, bulk only. It holds versions and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TypeVar

from fastapi import FastAPI, Response

from common.daily.service import model_counted
from common.incidents.service import start_noted
from common.service.app import Part, Service, json_response
from common.service.gateway import Call
from common.service.loading import add_loading
from common.service.model_host import ModelHost
from common.service.problems import Problem
from common.service.routes import Routes
from common.versions.registry import Registry
from common.versions.slots import CHAMPION, ModelSlots
from common.workers import WorkerPool
from supermegaretail.features import FEATURES_VERSION
from supermegaretail.model_answers import explain
from supermegaretail.model_answers import predict as predict
from supermegaretail.model_contract import Contributions, PredictionRequest, Predictions
from supermegaretail.models import Models, model_slots
from supermegaretail.settings import RetailSettings

Answer = TypeVar("Answer", Predictions, Contributions)


def create_app(settings: RetailSettings) -> FastAPI:
    """The model process over `settings`; it starts without a single model, and says so in `/ready`."""
    service = Service("supermegaretail model", version=version("murphy-ml-integration"), settings=settings)
    slots = model_slots(Registry(settings.registry_dir))
    host = ModelHost(slots, WorkerPool("predict", threads=2, queue=8))
    explaining = WorkerPool("explain", threads=1, queue=4)  # of their own: no forecast ever waits behind them
    service.parts += [
        Part("core", lambda: slots.trouble, required=True),
        Part("correction", lambda: _correction_trouble(slots)),
    ]
    service.components = lambda: _versions(slots)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with (
                host.lifespan(app),
                model_counted(service, "supermegaretail"),
                start_noted(service, "supermegaretail"),
            ):
                yield
        finally:
            explaining.close()

    routers = [_router(host, ModelHost(slots, explaining))]
    return service.app(routers=routers, lifespan=lifespan, default_budget_ms=settings.high_timeout_ms)


def _router(predicting: ModelHost[Models], explaining: ModelHost[Models]) -> Routes:
    """The routes; both hosts have the same models, and each has threads of its own."""
    routes = Routes()

    @routes.json_post("/v1/predictions", PredictionRequest, answer=Predictions)
    async def predictions(call: Call, request: PredictionRequest) -> Response:
        """Core and correction for every item, or a plain reason why not."""
        return json_response(await _worked_out(predict, predicting, request, call))

    add_loading(routes, predicting)

    @routes.json_post("/v1/contributions", PredictionRequest, answer=Contributions)
    async def contributions(call: Call, request: PredictionRequest) -> Response:
        """What each feature adds to the logarithm of these predictions."""
        return json_response(await _worked_out(explain, explaining, request, call))

    return routes


async def _worked_out(
    work: Callable[[Models, PredictionRequest], Answer], host: ModelHost[Models], request: PredictionRequest, call: Call
) -> Answer:
    """What the version that is asked for makes of a request, in a thread."""
    if request.features_version != FEATURES_VERSION:
        raise Problem(409, f"this model reads features {FEATURES_VERSION}, not {request.features_version}")
    _version, models = await host.model(request.version, call.deadline)
    try:
        return await host.run(work, models, request, deadline=call.deadline)
    except (ValueError, OverflowError) as error:  # features of another shape, days beyond the calendar
        raise Problem(422, str(error)) from error


def _correction_trouble(slots: ModelSlots[Models]) -> str | None:
    """Why the core serves alone, if so."""
    serving = slots.get(CHAMPION)
    return None if serving is None else serving[1].correction_trouble


def _versions(slots: ModelSlots[Models]) -> dict[str, str]:
    serving = slots.get(CHAMPION)
    if serving is None:
        return {}
    core_version, models = serving
    correction = models.correction_version
    return {"core": core_version} | ({"correction": correction} if correction else {})
