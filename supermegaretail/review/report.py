"""What a reviewer of a forecaster is told: errors by store, category and kind of product, and curves to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from common.releases.bootstrap import Floats
from common.releases.compare import Pairs
from common.releases.review import Better, Reviewed, Tolerance, Words, change_told, most_changed
from supermegaretail.evaluation.slices import DISCOUNT, PROMOTED, PROMOTION, SHORT, SLOW, SOLD_OUT, slices
from supermegaretail.panel import Key
from supermegaretail.review.both import Both, hash_of
from supermegaretail.series import SALES
from supermegaretail.states import Flags

TOLERANCE = Tolerance(whole=0.005, part=0.02, sample=0.05, least_weight=5.0)
WORDS = Words(
    samples="forecasts",
    loss="error",
    loss_told="the sum of absolute errors ÷ the sum of sales (WAPE)",
    sample_told="if its error grew or fell by more than 5 % of what was sold (of 5 units, where less was)",
)
MOST_STORES = 12
BEFORE_DAYS = 28  # of sales that are drawn before the forecast begins
DECIMALS = 2
TOLD = {SHORT: "new products", SLOW: "slow movers", "fast": "fast movers", PROMOTED: "promotion days"}


def reviewed(
    asked: Sequence[Both],
    *,
    champion: str,
    candidate: str,
    categories: Mapping[Key, str],
    doubts: Sequence[str] = (),
    facts: Sequence[str] = (),
) -> Reviewed:
    """Both versions' answers at every origin, with all that the report tells about them."""
    whole = Pairs.together([one.pairs() for one in asked])
    measures: dict[str, tuple[Pairs, Better]] = {
        "too much (+) or too little (−)": (Pairs.together([one.bias() for one in asked]), "near zero"),
        "answered by a model": (Pairs.together([one.modelled() for one in asked]), "higher"),
    }
    return Reviewed(
        kind="forecasts",
        champion=champion,
        candidate=candidate,
        words=WORDS,
        tolerance=TOLERANCE,
        whole=whole,
        slices=_slices(asked, categories),
        measures=measures,
        worst=_cases(asked, categories, direction=1),
        best=_cases(asked, categories, direction=-1),
        facts=facts,
        doubts=doubts,
    )


def samples(asked: Sequence[Both]) -> Iterator[dict[str, Any]]:
    """Every forecast of both versions in a line: what was sold, both errors in units, the verdict."""
    for one in asked:
        sold, errors = one.outcome.sold, _errors(one)
        change = _change(one)
        for row, (store, sku) in enumerate(one.outcome.items):
            if np.isfinite(sold[row]).any():
                yield {
                    "store": store,
                    "sku": sku,
                    "as_of": one.outcome.as_of.isoformat(),
                    "sold": _rounded(np.nansum(sold[row])),
                    "champion_error": _rounded(errors[0][row]),
                    "candidate_error": _rounded(errors[1][row]),
                    "verdict": change_told(float(change[row]), TOLERANCE),
                }


def seen_days(origins: Sequence[date], last_days: Mapping[str, str | None]) -> list[str]:
    """Doubts: which versions have learnt from the days that they are asked about. `last_days` of sales by version."""
    told = []
    for version, last in last_days.items():
        seen = sum(last is None or origin.isoformat() < last for origin in origins)
        if seen:
            told.append(
                f"{version} has learnt from the days after {seen} of {len(origins)} origins, "
                "so it looks better there than it will be"
            )
    return told


def _slices(asked: Sequence[Both], categories: Mapping[Key, str]) -> dict[str, Pairs]:
    parts: dict[str, list[Pairs]] = {}
    for one in asked:
        named = slices(one.outcome, categories)
        found = {TOLD.get(name, name): days for name, days in named.items() if name != SOLD_OUT}
        for name, days in {**_stores(asked, one), **found}.items():
            parts.setdefault(name, []).append(one.pairs(days))
    return {name: Pairs.together(pairs) for name, pairs in parts.items()}


def _stores(asked: Sequence[Both], one: Both) -> dict[str, Flags]:
    """The stores that sell most, where there is more than one."""
    sold: dict[str, float] = {}
    for other in asked:
        for (store, _), units in zip(other.outcome.items, np.nansum(other.outcome.sold, axis=1), strict=True):
            sold[store] = sold.get(store, 0.0) + float(units)
    if len(sold) < 2:
        return {}
    mine = np.array([store for store, _ in one.outcome.items])
    names = sorted(sold, key=lambda name: (-sold[name], name))[:MOST_STORES]
    return {f"store {name}": np.broadcast_to((mine == name)[:, None], one.outcome.sold.shape) for name in names}


def _cases(asked: Sequence[Both], categories: Mapping[Key, str], *, direction: int) -> list[dict[str, Any]]:
    """The forecasts with the largest change for the worse (1) or the better (-1), no product twice."""
    places = [(one, row) for one in asked for row in np.flatnonzero(np.isfinite(one.outcome.sold).any(1)).tolist()]
    pairs = Pairs.together([one.pairs() for one in asked])
    # Between the change in units, which the largest sellers win, and the share of the sales, which the smallest do.
    score = direction * (pairs.candidate - pairs.champion) / np.sqrt(np.maximum(pairs.weight, TOLERANCE.least_weight))
    products = replace(pairs, group=np.array([hash_of(one.outcome.items[row][1]) for one, row in places], np.int64))
    return [_case(*places[place], categories) for place in most_changed(products, score)]


def _case(one: Both, row: int, categories: Mapping[Key, str]) -> dict[str, Any]:
    store, sku = one.outcome.items[row]
    errors, during = _errors(one), one.outcome.during[row]
    promoted = (during[PROMOTION] > 0) | (during[DISCOUNT] < 1)
    return {
        "store": store,
        "sku": sku,
        "category": categories.get((store, sku)),
        "as_of": one.outcome.as_of.isoformat(),
        "before": _listed(one.outcome.before[row, SALES, -BEFORE_DAYS:]),
        "sold": _listed(one.outcome.sold[row]),
        "champion": _listed(one.champion[row]),
        "candidate": _listed(one.candidate[row]),
        "promotion_days": (np.flatnonzero(promoted) + 1).tolist(),
        "units_sold": _rounded(np.nansum(one.outcome.sold[row])),
        "champion_error": _rounded(errors[0][row]),
        "candidate_error": _rounded(errors[1][row]),
    }


def _errors(one: Both) -> tuple[Floats, Floats]:
    """Absolute errors in units of champion and candidate [n]."""
    sold = one.outcome.sold
    champion, candidate = (np.nansum(np.abs(made - sold), axis=1) for made in (one.champion, one.candidate))
    return champion, candidate


def _change(one: Both) -> Floats:
    champion, candidate = _errors(one)
    sold = np.nansum(one.outcome.sold, axis=1)
    return Pairs(champion, candidate, sold, one.groups).change(least_weight=TOLERANCE.least_weight)


def _listed(values: np.ndarray[Any, Any]) -> list[float | None]:
    return [round(value, DECIMALS) if np.isfinite(value) else None for value in values.astype(np.float64).tolist()]


def _rounded(value: float) -> float:
    return round(float(value), DECIMALS)
