"""Figures as text, the same on a terminal and on a page."""

from __future__ import annotations

import math

NOT_GIVEN = "–"


def number(value: float, decimals: int = 3, *, sign: bool = False) -> str:
    """A figure, or a dash where there is none."""
    if not math.isfinite(value):
        return NOT_GIVEN
    return f"{value:+.{decimals}f}" if sign else f"{value:.{decimals}f}"


def percent(value: float, *, sign: bool = False) -> str:
    """A share as a percentage with one decimal, or a dash."""
    text = number(100 * value, 1, sign=sign)
    return text if text == NOT_GIVEN else f"{text} %"


def points(share: float) -> str:
    """A difference of two shares in percentage points, or a dash."""
    return number(100 * share, 1, sign=True)
