"""The four processes of the house, as the environment variables of the contract place them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from loadtests.processes import Program, free_port

MODEL_HOST = "127.0.0.1"  # where an API looks for its model


@dataclass(frozen=True, slots=True)
class Service:
    """An API and its model; `moved_model` is the same model on another port, to put a proxy on its own."""

    name: str
    api: Program
    model: Program
    moved_model: Program


def supermegaretail(environ: Mapping[str, str]) -> Service:
    """`python -m supermegaretail api` and `… model`."""
    return _service("supermegaretail", "SUPERMEGARETAIL", "model", api_port=8001, model_port=8002, environ=environ)


def photostock(environ: Mapping[str, str]) -> Service:
    """`python -m photostock api` and `… reranker`."""
    return _service("photostock", "PHOTOSTOCK", "reranker", api_port=8003, model_port=8004, environ=environ)


def var_dir(environ: Mapping[str, str]) -> Path:
    """Where all state and artifacts are."""
    return Path(environ.get("VAR_DIR", "var"))


def api_key(environ: Mapping[str, str]) -> str | None:
    """The key to call with: LOADTEST_API_KEY, else the first of API_KEYS, else none."""
    first = environ.get("API_KEYS", "").split(",")[0].partition(":")[2].strip()
    return environ.get("LOADTEST_API_KEY") or first or None


def _service(
    module: str, prefix: str, model_command: str, *, api_port: int, model_port: int, environ: Mapping[str, str]
) -> Service:
    model_variable = f"{prefix}_{model_command.upper()}_PORT"
    api_port = int(environ.get(f"{prefix}_PORT", api_port))
    model_port = int(environ.get(model_variable, model_port))
    model_url = {f"{prefix}_{model_command.upper()}_URL": f"http://{MODEL_HOST}:{model_port}"}
    api = Program(
        f"{module}-api", ("-m", module, "api"), api_port, environ.get("HOST", "127.0.0.1"), environment=model_url
    )
    model = Program(f"{module}-{model_command}", ("-m", module, model_command), model_port)
    elsewhere = free_port()
    moved = replace(
        model,
        name=f"{model.name}-moved",
        port=elsewhere,
        environment={model_variable: str(elsewhere), "HOST": MODEL_HOST},
    )
    return Service(module, api, model, moved)
