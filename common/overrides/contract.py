"""What every override says, whatever it decides."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import Field

from common.contract import RequestModel
from common.panel.owner import Owner

OverrideId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class NewDecision(RequestModel):
    """Who decided it, why, until when, and what must change so that it can go; `replaces` ends another one."""

    owner: Owner
    reason: Annotated[str, Field(min_length=3, max_length=2_000)]
    ends_at: datetime
    ticket: Annotated[str, Field(max_length=200)] = ""
    plan: Annotated[str, Field(max_length=2_000)] = ""
    plan_due: date | None = None
    replaces: OverrideId | None = None
