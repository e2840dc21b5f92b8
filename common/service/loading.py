"""Whether a model process has a version in memory, as the API asks before it gives that version any traffic."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import Field

from common.calls.blocking import Portal
from common.calls.client import low_timeout
from common.calls.upstream import Upstream
from common.contract import AnswerModel, RequestModel
from common.errors import PoolFull
from common.releases.rollout import NotLoadable
from common.service.app import CurrentCall, body_of, documented, json_response
from common.service.model_host import ModelHost
from common.versions.registry import RegistryError, UnknownVersion

PATH = "/v1/loaded"
TIMEOUT_MS = 500  # of one question; it is asked again a second later


class LoadQuestion(RequestModel):
    version: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Loaded(AnswerModel):
    """`loaded` and no `trouble`: it answers at once. Neither: it is being read. `trouble`: it never will be."""

    loaded: bool
    trouble: str | None = None


def add_loading(routes: APIRouter, host: ModelHost[Any]) -> None:
    """Adds `POST /v1/loaded` to a model process: says whether a version is in memory, and reads it if it is not."""

    @routes.post(PATH, response_model=Loaded, openapi_extra=documented(LoadQuestion))
    async def loaded(call: CurrentCall, question: Annotated[LoadQuestion, body_of(LoadQuestion)]) -> Response:
        """A version that can't be read is told with the reason."""
        try:
            await host.loaded(question.version, call.deadline)
        except (PoolFull, TimeoutError, UnknownVersion):  # also one that this process does not see yet
            return json_response(Loaded(loaded=False))
        except (RegistryError, ValueError) as error:
            return json_response(Loaded(loaded=False, trouble=str(error)))
        return json_response(Loaded(loaded=True))


class LoadedElsewhere:
    """Asks a model process from a worker thread; `close` ends the thread that carries the calls."""

    def __init__(self, upstream: Upstream) -> None:
        self._portal = Portal()
        client = low_timeout(upstream, timeout_ms=TIMEOUT_MS)
        self._ask = self._portal.blocking(client.endpoint(PATH, answer=Loaded, default=Loaded(loaded=False)))

    def __call__(self, version: str) -> bool:
        """Whether it is in memory there; `NotLoadable` if it can't be. An unreachable process has not loaded it."""
        answer = self._ask(LoadQuestion(version=version)).value
        if answer.trouble is not None:
            raise NotLoadable(answer.trouble)
        return answer.loaded

    def close(self) -> None:
        self._portal.close()
