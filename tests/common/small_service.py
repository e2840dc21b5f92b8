"""A small service as a program of its own, for tests that need a real process: `python small_service.py`."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Response
from pydantic import Field

from common.contract import AnswerModel, RequestModel
from common.service.app import CurrentCall, Service, body_of, json_response
from common.service.serve import serve
from common.settings import ServiceSettings
from loadtests.processes import Program, free_port


class Sum(RequestModel):
    numbers: Annotated[list[float], Field(max_length=100)]


class Total(AnswerModel):
    total: float


def create_app(settings: ServiceSettings) -> FastAPI:
    service = Service("small", version="1", settings=settings)
    routes = APIRouter()

    @routes.get("/v1/wait")
    async def wait(ms: Annotated[int, Query()] = 0) -> Response:
        await asyncio.sleep(ms / 1000)
        return json_response(Total(total=ms))

    @routes.post("/v1/sums")
    async def add(call: CurrentCall, request: Annotated[Sum, body_of(Sum)]) -> Response:
        return json_response(Total(total=sum(request.numbers)))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        print("the lifespan has ended", file=sys.stderr)

    return service.app(routers=[routes], lifespan=lifespan, default_budget_ms=3_000)


def program(**environment: object) -> Program:
    """The service on a free port; settings by name."""
    port = free_port()
    settings = {name.upper(): str(value) for name, value in environment.items()}
    root = str(Path(__file__).resolve().parents[2])
    return Program("small", (__file__,), port, environment={"PORT": str(port), "PYTHONPATH": root, **settings})


if __name__ == "__main__":
    if most_files := int(os.environ.get("MOST_FILES", "0")):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most_files // 2, most_files))
    settings = ServiceSettings()
    serve(lambda: create_app(settings), settings, port=int(os.environ["PORT"]))
