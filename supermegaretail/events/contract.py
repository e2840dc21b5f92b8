"""What planners send about events."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from common.contract import READABLE, Day, Moment, Reason, RequestModel, Text
from common.overrides.contract import OverrideId
from common.panel.owner import Owner
from supermegaretail.contract import MAX_HORIZON_DAYS, MAX_PREVIEWED, Item

MOST_DAYS = 366  # of one event


class NewEvent(RequestModel):
    """What happens at a place from `first_day` to `last_day`, and by how much it is expected to multiply demand.

    Without a `factor` it is expected to be like earlier events of its name at the same place. It is forgotten at
    `ends_at`; without that, four weeks after its last day, for so long the recent sales still tell of it.
    """

    store: Text
    sku: Text | None = None
    category: Text | None = None  # the finest that is told of a product
    name: Text
    first_day: Day
    last_day: Day
    factor: Annotated[float, Field(ge=0.05, le=10)] | None = None
    owner: Owner
    reason: Reason
    ticket: Annotated[str, Field(max_length=200), READABLE] = ""
    ends_at: Moment | None = None
    replaces: OverrideId | None = None

    @model_validator(mode="after")
    def _has_days_and_one_place(self) -> NewEvent:
        if self.sku is not None and self.category is not None:
            raise ValueError("a product has its category: give sku or category")
        if self.first_day > self.last_day:
            raise ValueError("first_day comes after last_day")
        if (self.last_day - self.first_day).days >= MOST_DAYS:
            raise ValueError(f"an event lasts {MOST_DAYS} days at most")
        return self


class EventPreview(RequestModel):
    """An event that is not saved, and items on which to try it; without any, some that it is about."""

    event: NewEvent
    items: Annotated[list[Item], Field(max_length=MAX_PREVIEWED)] = Field(default_factory=list)
    horizon_days: Annotated[int, Field(ge=1, le=MAX_HORIZON_DAYS)] = 7
