"""What every override says, whatever it decides."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from common.contract import READABLE, Day, Moment, Reason, Remark, RequestModel
from common.panel.owner import Owner

OverrideId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class NewDecision(RequestModel):
    """Who decided it, why, until when, and what must change so that it can go; `replaces` ends another one."""

    owner: Owner
    reason: Reason
    ends_at: Moment
    ticket: Annotated[str, Field(max_length=200), READABLE] = ""
    plan: Remark = ""
    plan_due: Day | None = None
    replaces: OverrideId | None = None
