"""The same two models behind a plain FastAPI application, as most people would write it: predict in the handler.

`python -m loadtests.overload.plain_server PORT REGISTRY`. It makes up the rows (features are not what is compared) and
answers in the shape of the contract's main fields.
"""

import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from loadtests.bench.bare_predict import BarePredict


class Item(BaseModel):
    """One item."""

    store: str
    sku: str


class Asked(BaseModel):
    """The body of `POST /v1/forecasts`."""

    items: list[Item]
    horizon_days: int = 7


def create_app(models: BarePredict) -> FastAPI:
    """One route, in the framework's pool of threads."""
    app = FastAPI()

    @app.post("/v1/forecasts")
    def forecasts(asked: Asked) -> dict[str, Any]:
        demand = iter(models.predict(len(asked.items) * asked.horizon_days))
        return {
            "forecasts": [
                {**item.model_dump(), "demand": [next(demand) for _ in range(asked.horizon_days)]}
                for item in asked.items
            ]
        }

    @app.get("/ready")
    def ready() -> dict[str, Any]:
        return {"parts": {}}

    return app


if __name__ == "__main__":
    application = create_app(BarePredict(Path(sys.argv[2])))
    application.openapi()
    uvicorn.run(application, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
