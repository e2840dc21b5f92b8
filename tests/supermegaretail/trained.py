"""A small chain with models trained on it, served by the real functions of the model process on a real socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common.versions.registry import Registry
from supermegaretail.demo_data import demo_table
from supermegaretail.model_answers import explain, predict
from supermegaretail.model_contract import PredictionRequest
from supermegaretail.models import Models, read
from supermegaretail.table import save_table
from supermegaretail.training import train

LEVELS = [0.9, 0.25, 0.5]  # on purpose not in order


def trained_chain(folder: Path) -> Path:
    """A `VAR_DIR` with a table of sales and with models."""
    table = demo_table(stores=2, products=8, days=260)
    save_table(table, folder / "supermegaretail" / "sales.parquet")
    train(table, Registry(folder / "registry"), rows=6_000, threads=1)
    return folder


def models_in(var_dir: Path) -> Models:
    return read(Registry(var_dir / "registry"), "1.0.0")


def both_questions(models: Models, **change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], Any]:
    """Answers what is predicted and why in one document: a reader ignores what it does not know."""

    def answer(asked: dict[str, Any]) -> Any:
        request = PredictionRequest.model_validate_json(json.dumps(asked))
        document = predict(models, request).model_dump(mode="json") | explain(models, request).model_dump(mode="json")
        return document | {name: make(document[name]) for name, make in change.items()}

    return answer
