"""The other side of `bench-throughput`: FastAPI with a service's own request model, and an answer that was made before.

`python -m loadtests.bench.validating_server PORT METHOD MODEL FILE [METHOD MODEL FILE ...]`: the first three serve
`/0`, the next `/1`, …; METHOD is GET (a query string) or POST (a JSON body), MODEL is `package.module:Model`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Query, Response
from pydantic import BaseModel

Route = tuple[str, type[BaseModel], bytes]  # method, what is asked, the answer


def create_app(routes: Sequence[Route]) -> FastAPI:
    """Validates what is asked, as FastAPI's own documentation would write it, and does nothing else."""
    app = FastAPI()
    for number, (method, model, answer) in enumerate(routes):
        app.add_api_route(f"/{number}", _route(method, model, answer), methods=[method], response_model=None)

    @app.get("/ready")
    async def ready() -> dict[str, Any]:
        return {"parts": {}}

    return app


def _route(method: str, model: type[BaseModel], answer: bytes) -> Callable[[BaseModel], Coroutine[Any, Any, Response]]:
    async def route(asked: BaseModel) -> Response:
        return Response(answer, media_type="application/json")

    # As objects: FastAPI can't look up names that are local to nothing it knows.
    route.__annotations__ = {"asked": Annotated[model, Query()] if method == "GET" else model, "return": Response}
    return route


def _routes(words: Sequence[str]) -> list[Route]:
    threes = zip(words[::3], words[1::3], words[2::3], strict=True)
    return [(method, resolve_name(model), Path(file).read_bytes()) for method, model, file in threes]


if __name__ == "__main__":
    app = create_app(_routes(sys.argv[2:]))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
