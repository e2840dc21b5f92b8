"""The forecaster's API and the model processes over one VAR_DIR: does each champion serve?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from common.versions.registry import Registry
from loadtests.inside.caller import Caller, NotAnswered
from loadtests.inside.kill_loop import NOBODY
from loadtests.inside.storage import REGISTRY
from loadtests.processes import Fleet, ProcessError, Program, free_port

MODELS = {  # by the component that they serve
    "core": ("supermegaretail", "model", "SUPERMEGARETAIL_MODEL_PORT"),
    "reranker": ("photostock", "reranker", "PHOTOSTOCK_RERANKER_PORT"),
}
OF_MODELS = frozenset({"core", "correction"})  # tiers of an answer
STARTS_WITHIN_S, SERVES_WITHIN_S = 120.0, 20.0
ASK_EVERY_S = 0.02


class ServedVersions:
    """`models`: the processes of those components that have a champion; `starts_s`: how long starts took, by name."""

    def __init__(
        self, fleet: Fleet, client: aiohttp.ClientSession, var_dir: Path, items: Sequence[tuple[str, str]]
    ) -> None:
        self._fleet, self._client = fleet, client
        self._registry = Registry(var_dir / REGISTRY)
        self.environment = {"VAR_DIR": str(var_dir), "HOST": "127.0.0.1", "API_KEYS": "", "DATABASE_URL": ""}
        self.models = {
            component: self._program(*how)
            for component, how in MODELS.items()
            if self._registry.champion(component) is not None
        }
        core = self.models["core"].url if "core" in self.models else NOBODY
        self._api = self._program("supermegaretail", "api", "SUPERMEGARETAIL_PORT", SUPERMEGARETAIL_MODEL_URL=core)
        self._question = {"items": [{"store": store, "sku": sku} for store, sku in items], "horizon_days": 1}
        self.starts_s: dict[str, list[float]] = {model.name: [] for model in self.models.values()}

    async def start(self, *models: Program) -> None:
        """Until they are ready, a core also without a correction; else `ProcessError`."""
        for model in models:
            begun_s = time.monotonic()
            self._fleet.start(model)
            await self._fleet.ready(model, within_seconds=STARTS_WITHIN_S, wholly=False)
            self.starts_s[model.name].append(time.monotonic() - begun_s)

    async def start_api(self) -> None:
        self._fleet.start(self._api)
        await self._fleet.ready(self._api, within_seconds=STARTS_WITHIN_S, wholly=False)

    async def ask_for_ever(self) -> None:
        """So that models have work; the API answers whatever happens to them, else `NotAnswered`."""
        while True:
            await self._ask()
            await asyncio.sleep(ASK_EVERY_S)

    async def all_serve(self) -> None:
        """Waits, not for ever, until all champions do; else `ProcessError` says which one does not."""
        until_s = time.monotonic() + SERVES_WITHIN_S
        while (trouble := await self._trouble()) is not None:
            if time.monotonic() > until_s:
                raise ProcessError(f"after {SERVES_WITHIN_S:.0f} s {trouble}")
            await asyncio.sleep(ASK_EVERY_S)

    async def _trouble(self) -> str | None:
        """By the models' own word, and of the core also by the answers."""
        for component, model in self.models.items():
            champion, serving = self._registry.champion(component), await self._serving(component, model)
            if serving != champion:
                return f"{model.name} serves {serving}, and {champion} is the champion"
        answer = await self._ask()
        tiers, version = {one["served_by"] for one in answer["forecasts"]}, answer["versions"].get("core")
        if tiers <= OF_MODELS and version == self._registry.champion("core"):
            return None
        return f"answers are from {', '.join(sorted(tiers))}, by core {version}"

    async def _serving(self, component: str, model: Program) -> str | None:
        told: Mapping[str, Any] = await Caller(self._client, model.url, token="").read("/version")
        version: str | None = told["components"].get(component)
        return version

    async def _ask(self) -> Any:
        status, answer = await Caller(self._client, self._api.url, token="").call(
            "POST", "/v1/forecasts", self._question
        )
        if status != 200:
            raise NotAnswered(f"a forecast: status {status}")
        return answer

    def _program(self, package: str, word: str, port_name: str, **more: str) -> Program:
        port = free_port()
        environment = {**self.environment, port_name: str(port), **more}
        return Program(f"{package}-{word}", ("-m", package, word), port, environment=environment)
