"""`/v1/admin/replays/{request_id}`: an answer made again, and what something else would have made of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from common.contract import Text
from common.replay.holder import ReplayHolder


class Asked(BaseModel):
    """`with` and `without` may be given several times."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    with_: Annotated[list[Text], Field(alias="with", max_length=10)] = Field(default_factory=list)
    without: Annotated[list[Text], Field(max_length=10)] = Field(default_factory=list)
    as_: Annotated[Text | None, Field(alias="as")] = None


def add_replays(routes: APIRouter, replays: ReplayHolder) -> None:
    """Hangs the route on a service's router for operators."""

    @routes.get("/replays/{request_id}")
    async def replayed(request_id: str, asked: Annotated[Asked, Query()]) -> dict[str, Any]:
        """The same bytes again; side by side with what other versions, or fewer decisions, would have made of them."""
        replayer = replays.replayer
        return await replayer.replay(request_id, with_=asked.with_, without=asked.without, as_=asked.as_)
