"""What both services share: the same first lines of `create_app`, the same endpoints for operators, the same errors.

service = Service("supermegaretail api", version=API_VERSION, settings=settings)
app = service.app(routers=[...], lifespan=...)
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from common.errors import NobodyAnswered
from common.lifecycle.endings import EndOfLife
from common.lifecycle.usage import Usage
from common.metrics import ChainMetrics, ClientMetrics, HttpMetrics, LogMetrics, ShadowMetrics
from common.service.admission import Admission
from common.service.auth import Callers
from common.service.described import Described
from common.service.drain import Drain
from common.service.gateway import CALL, Call, Gateway
from common.service.loop_watch import watching_loop
from common.service.pages import Pages
from common.service.problems import PROBLEM_FORM, Problem, ProblemForm, as_json, invalid, nobody_answered
from common.service.query import refuse_unknown_query
from common.service.routes import Routes, reader_of
from common.service.routes import documented as documented
from common.service.vitals import Vitals
from common.service.watchdog import Watchdog
from common.settings import ServiceSettings
from common.tracing import spans_sent, tracing_of

# What can be asked for, and by which method of a route it is answered.
METHODS = {"GET": "GET", "HEAD": "GET", "POST": "POST", "PUT": "PUT", "PATCH": "PATCH", "DELETE": "DELETE"}
Model = TypeVar("Model", bound=BaseModel)
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the service that can be unwell. `reason()` says why, or None; only a required one makes it unready."""

    name: str
    reason: Callable[[], str | None]
    required: bool = False


@dataclass
class Service:
    """The parts that every service has, made before its own."""

    name: str
    version: str
    settings: ServiceSettings
    parts: list[Part] = field(default_factory=list)
    components: Callable[[], dict[str, str]] = dict  # versions of everything that shapes an answer
    pages: Pages | None = None  # for browsers
    usage: Usage | None = None  # counts who calls what
    end_of_life: EndOfLife | None = None
    before_listening: Callable[[], None] = lambda: None  # the last thing of a start

    def __post_init__(self) -> None:
        self.registry = CollectorRegistry()
        self.http_metrics = HttpMetrics(self.registry)
        self.client_metrics = ClientMetrics(self.registry)
        self.chain_metrics = ChainMetrics(self.registry)
        self.shadow_metrics = ShadowMetrics(self.registry)
        LogMetrics(self.registry)
        self.vitals = Vitals(self.registry, lambda: self.parts, self.settings.var_dir)
        self.watchdog = Watchdog()
        self.tracing = tracing_of(self.name, self.version, self.settings, self.registry)
        self.callers = Callers(self.settings.api_keys)
        self.drain = Drain()
        self.admission = Admission(most=self.settings.max_in_flight, callers=self.callers)

    def app(self, *, routers: Sequence[APIRouter], lifespan: Lifespan, default_budget_ms: int) -> FastAPI:
        """The application: the shared endpoints, then the service's own, behind the gateway."""
        strict = [Depends(refuse_unknown_query)]
        app = Described(title=self.name, version=self.version, lifespan=self._whole(lifespan), dependencies=strict)
        app.state.service = self  # what `common.service.serve` needs of it
        static = [self.pages.routes()] if self.pages is not None else []
        for router in [self._operations(), *static, *routers]:
            app.include_router(router)
        app.add_exception_handler(Problem, _answer_problem)
        app.add_exception_handler(NobodyAnswered, _answer_nobody)
        app.add_exception_handler(RequestValidationError, _answer_validation)
        app.add_exception_handler(HTTPException, _answer_http)
        app.add_middleware(
            Gateway,
            callers=self.callers,
            metrics=self.http_metrics,
            drain=self.drain,
            admission=self.admission,
            default_budget_ms=default_budget_ms,
            direct={
                (route.method, route.path): route
                for router in routers
                if isinstance(router, Routes)
                for route in router.direct
            },
            pages=self.pages,
            usage=self.usage,
            end_of_life=self.end_of_life,
            tracing=self.tracing,
        )
        return app

    def unwell(self, *names: str) -> str | None:
        """What is wrong with these parts just now; None if nothing is."""
        told = [f"{part.name}: {reason}" for part in self.parts if part.name in names and (reason := part.reason())]
        return "; ".join(told) or None

    def _whole(self, lifespan: Lifespan) -> Lifespan:
        """Watched, and with routes that are ready: FastAPI builds them at the first request that looks for one."""

        @asynccontextmanager
        async def whole(app: FastAPI) -> AsyncIterator[None]:
            admitting = watching_loop(self.admission, self.http_metrics, self.vitals)
            async with self.vitals.watched(), spans_sent(self.tracing), lifespan(app), admitting:
                for route in app.routes:
                    route.matches({"type": "http", "method": "GET", "path": "/", "root_path": "", "headers": []})
                self.before_listening()
                async with self.watchdog.watching():  # from now on a block makes somebody wait
                    yield

        return whole

    def _operations(self) -> APIRouter:
        router = APIRouter(tags=["operations"])

        @router.get("/live")
        async def live() -> dict[str, bool]:
            """The process answers."""
            return {"live": True}

        @router.get("/ready", responses={503: {"description": "they can't"}})
        async def ready() -> Response:
            """Whether requests can be answered, with a reason for each part that is unwell."""
            all_parts = [*self.parts, Part("process", self.drain.reason, required=True)]
            reasons = {part.name: part.reason() for part in all_parts}
            able = all(reasons[part.name] is None for part in all_parts if part.required)
            parts = {name: {"ok": reason is None, "reason": reason} for name, reason in reasons.items()}
            document = {"ready": able, "parts": parts}
            return Response(json.dumps(document), 200 if able else 503, media_type="application/json")

        @router.get("/version")
        async def version() -> dict[str, Any]:
            """The version of the service and of everything that shapes its answers."""
            return {"service": self.name, "version": self.version, "components": self.components()}

        @router.get("/metrics", responses={200: {"content": {"text/plain": {}}}})
        async def metrics() -> Response:
            """Numbers for Prometheus."""
            return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)

        return router


async def _call_of(request: Request) -> Call:  # async, for FastAPI would send a plain function to a thread
    call: Call = request.scope[CALL]
    return call


CurrentCall = Annotated[Call, Depends(_call_of)]


def body_of(model: type[Model]) -> Any:
    """A dependency that reads the body by `reader_of`."""
    read_json = reader_of(model)

    async def read(request: Request) -> Model:
        return read_json(await request.body())

    return Depends(read)


def json_response(model: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Serialised once, by pydantic; FastAPI would validate and convert it a second time."""
    return Response(model.model_dump_json(), status, headers, "application/json")


def provenance_headers(served_by: list[str], *, degraded: bool) -> dict[str, str]:
    """`X-Served-By` names each tier that served a part of the answer, best first."""
    return {"X-Served-By": ",".join(served_by), "X-Degraded": "true" if degraded else "false"}


def _problem_response(request: Request, problem: Problem) -> Response:
    call = request.scope.get(CALL)
    form: ProblemForm = request.scope.get(PROBLEM_FORM, as_json)
    return form(problem, call.request_id if call else "")


async def _answer_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _problem_response(request, error)


async def _answer_nobody(request: Request, error: Exception) -> Response:
    assert isinstance(error, NobodyAnswered)
    return _problem_response(request, nobody_answered(error))


async def _answer_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _problem_response(request, invalid(list(error.errors())))


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods_at(request.app.routes, request.scope))
    return _problem_response(request, Problem(error.status_code, str(error.detail), headers=headers))


def _methods_at(routes: Sequence[BaseRoute], scope: Scope) -> list[str]:
    """What can be done there; Starlette would name the methods of one of several routes."""
    return [
        asked
        for asked, method in METHODS.items()
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    ]
