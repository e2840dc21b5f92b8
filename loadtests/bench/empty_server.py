"""What any FastAPI service costs: takes a forecast request or a search, and answers with bytes that it was given.

`python -m loadtests.bench.empty_server PORT FILE [FILE ...]`: `POST /0` answers with the first file, `/1` the second, …
`GET /0?query=…` likewise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel


class Item(BaseModel):
    """One item, without a rule."""

    store: str
    sku: str


class Asked(BaseModel):
    """The body of `POST /v1/forecasts`."""

    items: list[Item]
    horizon_days: int = 7
    as_of: date | None = None


def create_app(answers: Sequence[bytes]) -> FastAPI:
    """One route for each answer, as FastAPI's own documentation would write it."""
    app = FastAPI()
    for number, answer in enumerate(answers):
        app.post(f"/{number}")(_route(answer))
        app.get(f"/{number}")(_search_route(answer))

    @app.get("/ready")
    async def ready() -> dict[str, Any]:
        return {"parts": {}}

    return app


def _route(answer: bytes) -> Callable[[Asked], Coroutine[Any, Any, Response]]:
    async def route(asked: Asked) -> Response:
        assert asked.items
        return Response(answer, media_type="application/json")

    # The annotation as an object: FastAPI can't look up a name that is local to nothing it knows.
    route.__annotations__ = {"asked": Asked, "return": Response}
    return route


def _search_route(answer: bytes) -> Callable[[str], Coroutine[Any, Any, Response]]:
    async def route(query: str) -> Response:
        assert query
        return Response(answer, media_type="application/json")

    route.__annotations__ = {"query": str, "return": Response}
    return route


if __name__ == "__main__":
    files = [Path(name).read_bytes() for name in sys.argv[2:]]
    uvicorn.run(create_app(files), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
