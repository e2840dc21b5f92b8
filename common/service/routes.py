"""Routes for the calls that come most often: JSON in, JSON out, answered without the web framework.

Its routing and its dependencies take nearly half a millisecond, more than the gateway with all its checks. What keeps a
service safe is done by the gateway and by the classes here, so nothing is lost; the framework still knows these routes,
for the documentation and for whoever comes with another method.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, ClassVar, Generic, TypeAlias, TypeVar

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ValidationError
from starlette.types import Receive, Scope, Send

from common.errors import NobodyAnswered
from common.json_limits import holds_more_values, most_values, whole_schema
from common.service.gateway import CALL, VERSION_ASKED, Call
from common.service.problems import Problem, invalid_body, nobody_answered
from common.service.query import query_reader_of, refuse_every_query

QUICKLY_READ = 10_000  # JSON values; up to so many a model says more exactly what is wrong with them
Model = TypeVar("Model", bound=BaseModel)
Handler: TypeAlias = Callable[[Call, Model], Awaitable[Response]]


class JsonPost(Generic[Model]):
    """One route as an ASGI application. The gateway has read the body already: it comes in one piece."""

    method: ClassVar = "POST"

    def __init__(self, path: str, model: type[Model], handler: Handler[Model]) -> None:
        self.path = path
        self._read = reader_of(model)
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self  # its path names it in logs and metrics
        refuse_every_query(scope["query_string"])
        response = await self._answer(scope, (await receive())["body"])
        await response(scope, receive, send)

    async def endpoint(self, request: Request) -> Response:
        """The same for the framework."""
        return await self._answer(request.scope, await request.body())

    async def _answer(self, scope: Scope, body: bytes) -> Response:
        request = self._read(body)
        scope[VERSION_ASKED] = getattr(request, "version", "")
        return await _handled(self._handler, scope[CALL], request)


class JsonGet(Generic[Model]):
    """The same for a route that is asked by a query string, each parameter a field of the model."""

    method: ClassVar = "GET"

    def __init__(self, path: str, model: type[Model], handler: Handler[Model]) -> None:
        self.path = path
        self._read = query_reader_of(model)
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self  # its path names it in logs and metrics
        response = await _handled(self._handler, scope[CALL], self._read(scope["query_string"]))
        await response(scope, receive, send)

    async def endpoint(self, request: Request) -> Response:
        """The same for the framework."""
        return await _handled(self._handler, request.scope[CALL], self._read(request.scope["query_string"]))


async def _handled(handler: Handler[Model], call: Call, request: Model) -> Response:
    try:
        return await handler(call, request)
    except NobodyAnswered as error:
        raise nobody_answered(error) from error


class Routes(APIRouter):
    """A router that has such routes, too."""

    def __init__(self) -> None:
        super().__init__()
        self.direct: list[JsonPost[Any] | JsonGet[Any]] = []

    def json_post(
        self, path: str, request: type[Model], *, answer: type[BaseModel]
    ) -> Callable[[Handler[Model]], Handler[Model]]:
        """`POST path` with a body in `request`; the documentation promises an `answer`."""

        def added(handler: Handler[Model]) -> Handler[Model]:
            post = JsonPost(path, request, handler)
            self.direct.append(post)
            self.add_api_route(
                path,
                post.endpoint,
                methods=["POST"],
                name=handler.__name__,
                description=handler.__doc__,
                response_model=answer,
                openapi_extra=documented(request),
            )
            return handler

        return added

    def json_get(
        self, path: str, query: type[Model], *, answer: type[BaseModel]
    ) -> Callable[[Handler[Model]], Handler[Model]]:
        """`GET path` with a query string in `query`; the documentation promises an `answer`."""

        def added(handler: Handler[Model]) -> Handler[Model]:
            get = JsonGet(path, query, handler)
            self.direct.append(get)

            async def endpoint(request: Request, fields: Model) -> Response:
                return await get.endpoint(request)

            # As objects: the framework documents the parameters by them, and can't look up what is local to nothing.
            endpoint.__annotations__ = {"request": Request, "fields": Annotated[query, Query()], "return": Response}
            self.add_api_route(
                path,
                endpoint,
                methods=["GET"],
                name=handler.__name__,
                description=handler.__doc__,
                response_model=answer,
            )
            return handler

        return added


def reader_of(model: type[Model]) -> Callable[[bytes], Model]:
    """Reads a body as strict JSON, no NaN, no numbers in strings, no unknown fields; raises `Problem` 422.

    Reading blocks the event loop, and pydantic reads on after a mistake: so it is not even given a body with more
    values than the model has room for.
    """
    most = max(most_values(model), QUICKLY_READ)

    def read(body: bytes) -> Model:
        if holds_more_values(body, most):
            what = f"more than {most:.0f} values, and no valid request has so many"
            raise Problem(422, f"body: {what}", errors=[{"where": "body", "what": what}])
        try:
            return model.model_validate_json(body)
        except ValidationError as error:
            raise invalid_body(error) from error

    return read


def documented(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` for a route that reads its body itself."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": whole_schema(model)}}}}
