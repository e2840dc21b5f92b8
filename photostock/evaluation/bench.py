"""The services under measurement: both applications as they are served, in this process, without a socket."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import cast

import httpx
from fastapi import FastAPI
from pydantic import BaseModel

from common.calls.answers import Check
from common.calls.client import Endpoint
from common.deadline import Deadline
from common.outcome import Outcome, Reason
from common.progress import progress
from common.versions.registry import Registry
from photostock.app import create_app
from photostock.engine import Engine
from photostock.reranker.server import create_app as create_reranker
from photostock.reranker_contract import NO_RANKINGS, Rankings
from photostock.settings import PhotoSettings

BUDGET_MS = 30_000.0  # of one search: time is measured here and never runs out
ENCODING_AT_MOST_S = 4 * 3_600.0
LOOK_EVERY_S = 0.2
READY_AT_MOST_S = 120.0


class NotReady(Exception):
    """The services can't be measured as they are, and why."""


class RerankerInProcess:
    """What a search needs of its reranker's endpoint, answered by the reranker's own application."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.timeout_ms = BUDGET_MS
        self.default = NO_RANKINGS

    def refusal(self, _deadline: Deadline) -> Reason | None:
        """Never: this one waits."""
        return None

    async def __call__(
        self, payload: BaseModel, *, deadline: Deadline | None = None, check: Check[Rankings] | None = None
    ) -> Outcome[Rankings]:
        headers = {"Content-Type": "application/json", "X-Timeout-Ms": f"{BUDGET_MS:.0f}"}
        response = await self._client.post("/v1/rankings", content=payload.model_dump_json(), headers=headers)
        if response.status_code != 200:
            return Outcome(value=NO_RANKINGS, reason=Reason.HTTP_STATUS)
        answer = Rankings.model_validate_json(response.content)
        reason = check(answer) if check is not None else None
        return Outcome(value=answer if reason is None else NO_RANKINGS, reason=reason, version=answer.version)


@asynccontextmanager
async def bench(settings: PhotoSettings) -> AsyncIterator[tuple[Engine, bool]]:
    """The engine of the API, ready to search, and whether there is a reranker.

    Raises `NotReady` where photos or an encoder are missing.
    """
    if "champion" not in Registry(settings.registry_dir).aliases("encoder"):
        raise NotReady("there is no encoder yet: run `train` first")
    settings = settings.model_copy(update={"admin_token": secrets.token_hex(16), "api_keys": {}, "shadow_url": None})
    app, reranker = create_app(settings, serves=False), create_reranker(settings, serves=False)
    async with (
        app.router.lifespan_context(app),
        reranker.router.lifespan_context(reranker),
        _client(app) as client,
        _client(reranker) as reranker_client,
    ):
        await _encoded(client)
        engine: Engine = app.state.engine
        if len(engine.library) == 0:
            raise NotReady("there are no photos yet")
        # It is asked in the same words and gives the same answers as the endpoint that it stands in for.
        rerank = cast("Endpoint[Rankings]", RerankerInProcess(reranker_client))
        yield replace(engine, searcher=replace(engine.searcher, rerank=rerank)), await _is_well(reranker_client)


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bench", timeout=BUDGET_MS / 1000)


async def _reason(client: httpx.AsyncClient, part: str) -> str | None:
    """Why a part of a service is unwell, as its `/ready` tells."""
    reason: str | None = (await client.get("/ready")).json()["parts"][part]["reason"]
    return reason


async def _is_well(reranker: httpx.AsyncClient) -> bool:
    return await _reason(reranker, "reranker") is None


async def _encoded(client: httpx.AsyncClient) -> None:
    """Waits until all photos have a vector; gives up on what stays the same for too long."""
    since_s, last = time.monotonic(), ""
    with progress("loading photos and models"):
        while (reason := await _reason(client, "encoder")) is not None:
            if reason != last:
                since_s, last = time.monotonic(), reason
            patience_s = ENCODING_AT_MOST_S if "encoded" in reason else READY_AT_MOST_S
            if time.monotonic() - since_s > patience_s:
                raise NotReady(f"the encoder: {reason}")
            await asyncio.sleep(LOOK_EVERY_S)
