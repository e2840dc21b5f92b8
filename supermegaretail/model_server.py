"""The model process: LightGBM behind an internal API, bulk only. It holds versions and nothing else."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import numpy as np
from fastapi import APIRouter, FastAPI, Response

from common.service.app import CurrentCall, Part, Service, body_of, documented, json_response
from common.service.model_host import ModelHost
from common.service.problems import Problem
from common.versions.registry import Registry
from common.versions.slots import CHAMPION, ModelSlots
from common.workers import WorkerPool
from supermegaretail.features import FEATURES_VERSION
from supermegaretail.model_contract import Prediction, PredictionRequest, Predictions
from supermegaretail.models import Models, model_slots
from supermegaretail.settings import RetailSettings


def create_app(settings: RetailSettings) -> FastAPI:
    """The model process over `settings`; it starts without a single model, and says so in `/ready`."""
    service = Service("supermegaretail model", version=version("murphy-ml-integration"), settings=settings)
    slots = model_slots(Registry(settings.registry_dir))
    host = ModelHost(slots, WorkerPool("predict", threads=2, queue=8))
    service.parts.append(Part("core", lambda: slots.trouble, required=True))
    service.components = lambda: _versions(slots)
    return service.app(routers=[_router(host)], lifespan=host.lifespan, default_budget_ms=settings.high_timeout_ms)


def _router(host: ModelHost[Models]) -> APIRouter:
    routes = APIRouter()

    @routes.post("/v1/predictions", response_model=Predictions, openapi_extra=documented(PredictionRequest))
    async def predictions(
        call: CurrentCall, request: Annotated[PredictionRequest, body_of(PredictionRequest)]
    ) -> Response:
        """Core and correction for every item, or a plain reason why not."""
        if request.features_version != FEATURES_VERSION:
            raise Problem(409, f"this model reads features {FEATURES_VERSION}, not {request.features_version}")
        _version, models = await host.model(request.version, call.deadline)
        try:
            answer = await host.run(predict, models, request, deadline=call.deadline)
        except (ValueError, OverflowError) as error:  # features of another shape, days beyond the calendar
            raise Problem(422, str(error)) from error
        return json_response(answer)

    return routes


def _versions(slots: ModelSlots[Models]) -> dict[str, str]:
    serving = slots.get(CHAMPION)
    if serving is None:
        return {}
    core_version, models = serving
    correction = models.correction_version
    return {"core": core_version} | ({"correction": correction} if correction else {})


def predict(models: Models, request: PredictionRequest) -> Predictions:
    """Runs both models. Raises `ValueError` for features of another shape."""
    as_of, horizon_days = request.as_of, request.horizon_days
    stable = _matrix([item.stable for item in request.items])
    core = models.core.predict(stable, as_of=as_of, horizon_days=horizon_days)
    wanted = [place for place, item in enumerate(request.items) if item.extended is not None]
    corrected: dict[int, list[float] | None] = {}
    if models.correction is not None and wanted:
        extended = _matrix([request.items[place].extended for place in wanted])
        demand = models.correction.predict(
            stable[wanted], extended, core[wanted], as_of=as_of, horizon_days=horizon_days
        )
        corrected = {place: _finite(row) for place, row in zip(wanted, demand, strict=True)}
    return Predictions(
        version=models.core_version,
        correction_version=models.correction_version,
        correction_reason=models.correction_reason,
        predictions=[
            Prediction(id=item.id, core=_finite(core[place]), correction=corrected.get(place))
            for place, item in enumerate(request.items)
        ],
    )


def _matrix(rows: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(rows, dtype=np.float64)  # None becomes NaN


def _finite(row: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[float] | None:
    """A model that has no number for an item says so; JSON has no NaN."""
    return row.tolist() if np.isfinite(row).all() else None
