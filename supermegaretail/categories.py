"""The categories that rows of the sales table tell, on every level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import polars as pl

from supermegaretail.series import Ints

Category: TypeAlias = tuple[int, str]  # level (1 is the coarsest) and name
Told: TypeAlias = Mapping[int, tuple[int, str]]  # by level, for which day (an ordinal) a category was told; its name

NO_CATEGORY: Category = (0, "")


def told_categories(rows: pl.DataFrame, days: Ints, starts: Ints, ends: Ints) -> list[Told]:
    """Of each stretch of rows, by level, the category that one of them tells; of several that of the last.

    `days` are the rows' own; the stretches begin at `starts` and end before `ends`.
    """
    found: list[dict[int, tuple[int, str]]] = [{} for _ in starts]
    for column in rows.columns:
        if column.startswith("category_"):
            level = int(column.removeprefix("category_"))
            told = np.where(rows[column].is_not_null().to_numpy(), np.arange(rows.height), -1)
            last = np.maximum.accumulate(told)[ends - 1]
            tells = np.flatnonzero(last >= starts)
            names = rows[column][last[tells]].cast(pl.String).to_list()
            for place, day, name in zip(tells.tolist(), days[last[tells]].tolist(), names, strict=True):
                found[place][level] = day, name
    return [*found]


def latest(before: Told, now: Told) -> Told:
    """On each level what was told for the later day, so what came in which order does not matter."""
    return {**before, **{level: one for level, one in now.items() if one[0] >= before.get(level, one)[0]}}


def finest(told: Told) -> Category:
    """Of the levels that are told."""
    level = max(told)
    return level, told[level][1]
