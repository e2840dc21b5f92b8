"""The reranker process: a cross-encoder behind an internal API, bulk only. It holds models and nothing else."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, FastAPI, Response

from common.deadline import Deadline
from common.service.app import CurrentCall, Part, Service, body_of, documented, json_response
from common.service.model_host import ModelHost
from common.service.problems import Problem
from common.versions.registry import Registry
from common.versions.slots import ModelSlots
from common.workers import WorkerPool
from photostock.reranker.model import Reranker
from photostock.reranker_contract import Ranking, RankingRequest, Rankings, Score
from photostock.settings import PhotoSettings


def create_app(settings: PhotoSettings) -> FastAPI:
    """The reranker process over `settings`; it starts without a model, and says so in `/ready`."""
    service = Service("photostock reranker", version=version("murphy-ml-integration"), settings=settings)
    registry = Registry(settings.registry_dir)
    slots = ModelSlots("reranker", registry, lambda number: Reranker.load(registry.load("reranker", number)))
    host = ModelHost(slots, WorkerPool("rerank", threads=1, queue=4))
    service.parts.append(Part("reranker", lambda: slots.trouble, required=True))
    service.components = slots.versions
    return service.app(routers=[_router(host)], lifespan=host.lifespan, default_budget_ms=settings.high_timeout_ms)


def _router(host: ModelHost[Reranker]) -> APIRouter:
    routes = APIRouter()

    @routes.post("/v1/rankings", response_model=Rankings, openapi_extra=documented(RankingRequest))
    async def rankings(call: CurrentCall, request: Annotated[RankingRequest, body_of(RankingRequest)]) -> Response:
        """The fused score of every candidate of every ranking that there is time for."""
        number, model = await host.model(request.version, call.deadline)
        if model.encoder_version != request.encoder:
            detail = f"reranker {number} was made for encoder {model.encoder_version}, not {request.encoder}"
            raise Problem(409, detail)
        scores = await host.run(rank, model, request.rankings, call.deadline, deadline=call.deadline)
        return json_response(Rankings(version=number, rankings=scores))

    return routes


def rank(model: Reranker, rankings: list[Ranking], deadline: Deadline) -> list[list[Score] | None]:
    """Scores ranking after ranking; None for those that the remaining time does not suffice for."""
    return [_rank(model, ranking, deadline) for ranking in rankings]


def _rank(model: Reranker, ranking: Ranking, deadline: Deadline) -> list[Score] | None:
    documents = ranking.documents
    if not model.pace.suffices(len(documents), deadline):
        return None
    texts, cosines = [d.text for d in documents], [d.retrieval_score for d in documents]
    fused = model.score(ranking.query, texts, cosines)
    return [Score(id=d.id, score=score) for d, score in zip(documents, fused.tolist(), strict=True)]
