"""Routes for the calls that come most often: JSON in, JSON out, answered without the web framework.

Its routing and its dependencies take nearly half a millisecond, more than the gateway with all its checks. What keeps a
service safe is done by the gateway and by `JsonPost`, so nothing is lost; the framework still knows these routes, for
the documentation and for whoever comes with another method.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeAlias, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ValidationError
from starlette.types import Receive, Scope, Send

from common.errors import NobodyAnswered
from common.json_limits import holds_more_values, most_values, whole_schema
from common.service.gateway import CALL, Call
from common.service.problems import Problem, invalid_body, nobody_answered
from common.service.query import refuse_every_query

QUICKLY_READ = 10_000  # JSON values; up to so many a model says more exactly what is wrong with them
Model = TypeVar("Model", bound=BaseModel)
Handler: TypeAlias = Callable[[Call, Model], Awaitable[Response]]


class JsonPost(Generic[Model]):
    """One route as an ASGI application. The gateway has read the body already: it comes in one piece."""

    def __init__(self, path: str, model: type[Model], handler: Handler[Model]) -> None:
        self.path = path
        self._read = reader_of(model)
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self  # its path names it in logs and metrics
        refuse_every_query(scope["query_string"])
        response = await self._answer(scope[CALL], (await receive())["body"])
        await response(scope, receive, send)

    async def endpoint(self, request: Request) -> Response:
        """The same for the framework."""
        return await self._answer(request.scope[CALL], await request.body())

    async def _answer(self, call: Call, body: bytes) -> Response:
        request = self._read(body)
        try:
            return await self._handler(call, request)
        except NobodyAnswered as error:
            raise nobody_answered(error) from error


class Routes(APIRouter):
    """A router that has such routes, too."""

    def __init__(self) -> None:
        super().__init__()
        self.posts: list[JsonPost[Any]] = []

    def json_post(
        self, path: str, request: type[Model], *, answer: type[BaseModel]
    ) -> Callable[[Handler[Model]], Handler[Model]]:
        """`POST path` with a body in `request`; the documentation promises an `answer`."""

        def added(handler: Handler[Model]) -> Handler[Model]:
            post = JsonPost(path, request, handler)
            self.posts.append(post)
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
