"""What the page of overrides asks about demand."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from common.overrides.pages import Field, OverridePage, add_override_page
from common.service.admin_pages import AdminPages
from common.service.gateway import Call
from common.service.problems import Problem
from supermegaretail.contract import MAX_PREVIEWED, Item, NewOverride, OverridePreview
from supermegaretail.engine import Engine
from supermegaretail.override_preview import preview
from supermegaretail.overriding import EFFECTS

INTRO = (
    "An override sets, multiplies or bounds what is forecast, for everybody, from the next forecast on. "
    "The most specific one wins: store and product, product, store and category, category, store."
)
FIELDS = (
    Field("store", "Store"),
    Field("sku", "Product"),
    Field("category", "Category", "The finest one of its products; instead of a product."),
    Field("effect", "What", options=EFFECTS),
    Field("value", "How much", "Units a day; of a factor, times the forecast.", "number", required=True),
    Field("first_day", "From", "The first day that is forecast. Empty: all.", "date"),
    Field("last_day", "To", "", "date"),
)
TRIED = Field("try", "Products to try it on", "One per line: store, product. Empty: some that it is about.")


def add_retail_override_page(admin: AdminPages, engine: Engine) -> None:
    """Adds the page to the operators' pages."""

    async def tried(wish: NewOverride, lines: list[str], call: Call) -> dict[str, Any]:
        pairs = [[part.strip() for part in line.partition(",")[::2]] for line in lines[: MAX_PREVIEWED + 1]]
        try:
            items = [Item(store=store, sku=sku) for store, sku in pairs]
            asked = OverridePreview(override=wish, items=items)
        except ValidationError as error:
            raise Problem(422, f"products to try: {MAX_PREVIEWED} lines at most, each as store, product") from error
        return await preview(engine, asked, call)

    page = OverridePage(intro=INTRO, fields=FIELDS, tried=TRIED, wish=NewOverride, preview=tried)
    add_override_page(admin, engine.overrides, engine.writes, page)
