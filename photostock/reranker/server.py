"""The reranker process: a cross-encoder behind an internal API, bulk only. It holds models and nothing else."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, FastAPI, Response

from common.daily.service import model_counted
from common.incidents.service import start_noted
from common.service.app import CurrentCall, Part, Service, body_of, documented, json_response
from common.service.loading import add_loading
from common.service.model_host import ModelHost
from common.service.problems import Problem
from common.versions.registry import Registry
from common.versions.slots import ModelSlots
from common.workers import WorkerPool
from photostock.reranker.model import Reranker
from photostock.reranker.partial import rank
from photostock.reranker.turns import Turns
from photostock.reranker_contract import RankingRequest, Rankings
from photostock.settings import PhotoSettings

MOST_REQUESTS = 5  # that are computed in turn; who comes beyond them is refused


def create_app(settings: PhotoSettings, *, serves: bool = True) -> FastAPI:
    """The reranker process over `settings`; it starts without a model, and says so in `/ready`.

    Args:
        serves: whether it notes and counts; a command only reads.
    """
    service = Service("photostock reranker", version=version("murphy-ml-integration"), settings=settings)
    registry = Registry(settings.registry_dir)
    slots = ModelSlots("reranker", registry, lambda number: Reranker.load(registry.load("reranker", number)))
    host = ModelHost(slots, WorkerPool("rerank", threads=MOST_REQUESTS, queue=0))  # of which one computes at a time
    service.parts.append(Part("reranker", lambda: slots.trouble, required=True))
    service.components = slots.versions

    @asynccontextmanager
    async def upkeep() -> AsyncIterator[None]:
        async with model_counted(service, "photostock"), start_noted(service, "photostock"):
            yield

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with host.lifespan(app), upkeep() if serves else nullcontext():
            yield

    return service.app(routers=[_router(host)], lifespan=lifespan, default_budget_ms=settings.high_timeout_ms)


def _router(host: ModelHost[Reranker]) -> APIRouter:
    routes, turns = APIRouter(), Turns()

    @routes.post("/v1/rankings", response_model=Rankings, openapi_extra=documented(RankingRequest))
    async def rankings(call: CurrentCall, request: Annotated[RankingRequest, body_of(RankingRequest)]) -> Response:
        """The fused scores of each ranking's best candidates: of all of them, or of as many as there is time for."""
        number, model = await host.model(request.version, call.deadline)
        if model.encoder_version != request.encoder:
            detail = f"reranker {number} was made for encoder {model.encoder_version}, not {request.encoder}"
            raise Problem(409, detail)
        left = threading.Event()
        try:
            scores = await host.run(rank, model, request.rankings, call.deadline, turns, left, deadline=call.deadline)
        finally:
            left.set()
        return json_response(Rankings(version=number, rankings=scores))

    add_loading(routes, host)
    return routes
