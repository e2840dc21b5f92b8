"""Two small services as one program: a model, and, with UPSTREAM set, an API in front of it with a chain of tiers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, FastAPI, Response

from common.calls.client import high_timeout
from common.calls.upstream import Upstream
from common.chain.fallback import FallbackChain, Refused, Substitute
from common.contract import AnswerModel, RequestModel
from common.deadline import Deadline
from common.service.app import CurrentCall, Service, body_of, json_response
from common.service.serve import serve
from common.settings import ServiceSettings
from loadtests.processes import Program, free_port


class Number(RequestModel):
    number: float


class Doubled(AnswerModel):
    number: float
    version: str


def create_app(settings: ServiceSettings, upstream_url: str) -> FastAPI:
    service = Service("traced api" if upstream_url else "traced model", version="1", settings=settings)
    upstream = Upstream("traced-model", upstream_url or "http://127.0.0.1:9")
    double = high_timeout(upstream).endpoint("/v1/numbers", answer=Doubled, default=Doubled(number=0, version="none"))
    routes = APIRouter()

    async def ask_model(items: Sequence[float], deadline: Deadline) -> list[float | Refused]:
        outcome = await double(Number(number=items[0]), deadline=deadline)
        return [outcome.value.number if outcome.reason is None else Refused(outcome.reason)]

    async def add_here(items: Sequence[float], _deadline: Deadline) -> list[float | Refused]:
        return [item + item for item in items]

    chain = FallbackChain[float, float](
        [Substitute(name="model", answer=ask_model), Substitute(name="sum", answer=add_here)]
    )

    @routes.post("/v1/numbers")
    async def numbers(call: CurrentCall, request: Annotated[Number, body_of(Number)]) -> Response:
        if not upstream_url:
            return json_response(Doubled(number=2 * request.number, version="7.1"))
        [served] = await chain.answer([request.number], call.deadline)
        return json_response(Doubled(number=served.value or 0, version=served.served_by))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await upstream.aclose()

    return service.app(routers=[routes], lifespan=lifespan, default_budget_ms=3_000)


def program(name: str, *, upstream: str = "", **environment: object) -> Program:
    """One of them on a free port; settings by name."""
    port = free_port()
    settings = {key.upper(): str(value) for key, value in environment.items()} | {"UPSTREAM": upstream}
    root = str(Path(__file__).resolve().parents[2])
    return Program(name, (__file__,), port, environment={"PORT": str(port), "PYTHONPATH": root, **settings})


if __name__ == "__main__":
    settings = ServiceSettings()
    serve(lambda: create_app(settings, os.environ["UPSTREAM"]), settings, port=int(os.environ["PORT"]))
