"""A misspelt query parameter must not pass silently, just as a misspelt field of a body must not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams

from common.service.gateway import OPEN_TO_ALL
from common.service.problems import Problem, invalid_query

MOST_PARAMETERS = 100
Model = TypeVar("Model", bound=BaseModel)


async def refuse_unknown_query(request: Request) -> None:
    """A dependency of every route: `Problem` 422 for a parameter that the route does not declare."""
    if not request.scope["query_string"]:
        return
    route = request.scope.get("route")
    declared = _declared(route) if isinstance(route, APIRoute) and route.path not in OPEN_TO_ALL else None
    if declared is None:
        return
    _refuse([name for name in request.query_params if name not in declared])


def refuse_every_query(query_string: bytes) -> None:
    """For a route that has no parameters: `Problem` 422 for any."""
    if query_string:
        _refuse(list(QueryParams(query_string)))


def query_reader_of(model: type[Model]) -> Callable[[bytes], Model]:
    """Reads a query string; raises `Problem` 422 for what the model does not take, and for a parameter given twice."""

    def read(query_string: bytes) -> Model:
        try:
            pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
        except ValueError as error:
            raise Problem(422, f"query: more than {MOST_PARAMETERS} parameters") from error
        values = dict(pairs)
        if len(values) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            _refuse([name for name, count in counts.items() if count > 1], "it is given more than once")
        try:
            return model.model_validate(values)
        except ValidationError as error:
            raise invalid_query(error) from error

    return read


def _refuse(names: Sequence[str], what: str = "there is no such parameter") -> None:
    if names:
        errors = [{"where": f"query.{name[:128]}", "what": what} for name in names[:20]]
        raise Problem(422, f"{errors[0]['where']}: {errors[0]['what']}", errors=errors)


def _declared(route: APIRoute) -> frozenset[str] | None:
    """The names of a route's query parameters; None if a model of its own looks after them."""
    fields = _query_fields(route.dependant)
    if any(isinstance(kind := field.field_info.annotation, type) and issubclass(kind, BaseModel) for field in fields):
        return None
    return frozenset(field.alias for field in fields)


def _query_fields(dependant: Dependant) -> list[ModelField]:
    return [*dependant.query_params, *(field for part in dependant.dependencies for field in _query_fields(part))]
