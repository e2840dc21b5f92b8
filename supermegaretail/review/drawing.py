"""A case of a report as curves: what was sold, and what each version had foretold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from common.report.svg import Line, line_chart

NAN = float("nan")


def draw(case: Mapping[str, Any]) -> dict[str, Any]:
    """Title, a sentence and the drawing of a forecast of a report."""
    item = f"{case['sku']} in {case['store']}"
    title = f"{item} ({case['category']})" if case["category"] else item
    told = (
        f"After {case['as_of']}: {case['units_sold']:,.0f} units sold in {len(case['sold'])} days. "
        f"The champion was wrong by {case['champion_error']:,.0f}, the candidate by {case['candidate_error']:,.0f}."
    )
    return {"title": title, "told": told, "chart": Markup(_chart(case, item, told))}  # noqa: S704  it escapes its texts


def _chart(case: Mapping[str, Any], item: str, told: str) -> str:
    before = [*case["before"]]
    first = 1 - len(before)
    known = [*before, *case["sold"]]
    lines = [
        *_promotions(case["promotion_days"]),
        Line("sold", _points(known, first), "sold", dots=len(known) < 2),
        Line("champion", _points(case["champion"], 1), "champion"),
        Line("candidate", _points(case["candidate"], 1), "candidate"),
    ]
    return line_chart(
        lines,
        title=item,
        description=told,
        x_title="days after the forecast was made",
        y_title="units",
        mark_x=0.5,
        from_zero=True,
    )


def _points(values: Sequence[float | None], first: int) -> list[tuple[float, float]]:
    return [(first + place, NAN if value is None else value) for place, value in enumerate(values)]


def _promotions(days: Sequence[int]) -> list[Line]:
    """A stroke on the ground for every day with a promotion."""
    return [Line("promotion", [(day - 0.5, 0.0), (day + 0.5, 0.0)], "promoted") for day in days]
