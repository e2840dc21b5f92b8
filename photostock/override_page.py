"""What the page of overrides asks about photos."""

from __future__ import annotations

from typing import Any

from common.overrides.pages import Field, OverridePage, add_override_page
from common.service.admin_pages import AdminPages
from common.service.gateway import Call
from common.service.problems import Problem
from photostock.contract import NewPhotoOverride, PhotoOverridePreview
from photostock.engine import Engine
from photostock.override_admin import MOST_SEARCHED, preview
from photostock.overriding import EFFECTS

INTRO = (
    "An override pins, bans or promotes a photo, for everybody, from the next search on. "
    "What may not be shown stays hidden, whoever pins it."
)
FIELDS = (
    Field("effect", "What", options=EFFECTS),
    Field("photo_id", "Photo", "Its id.", required=True),
    Field("query", "For the search", "Exactly these words, in any case. Empty: for all; a pin needs one."),
    Field("position", "Place", "Of a pin, from 1.", "number"),
    Field("boost", "Places up", "Of a promotion.", "number"),
)
TRIED = Field("try", "Searches to try it on", "One per line, beside what people searched for last.")


def add_photo_override_page(admin: AdminPages, engine: Engine) -> None:
    """Adds the page to the operators' pages."""

    async def tried(wish: NewPhotoOverride, lines: list[str], call: Call) -> dict[str, Any]:
        if len(lines) > MOST_SEARCHED or any(len(line) > 300 for line in lines):
            raise Problem(422, f"{MOST_SEARCHED} searches of 300 characters at most can be tried")
        return await preview(engine, PhotoOverridePreview(override=wish, queries=lines), call)

    page = OverridePage(intro=INTRO, fields=FIELDS, tried=TRIED, wish=NewPhotoOverride, preview=tried)
    add_override_page(admin, engine.overrides, engine.writes, page)
