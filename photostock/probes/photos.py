"""What photos say of themselves, which may be shown, and in which order."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np

from photostock.filter.colours import NAMES
from photostock.filter.filter import ORIENTATIONS, Conditions, PhotoFilter
from photostock.photo import Photo, problem_of
from photostock.popular import PopularityOrder
from photostock.probes.texts import photos
from photostock.ranking import RERANK_DEPTH, best


def photo_filter() -> dict[str, Any]:
    """Which of fixed photos each condition lets through."""
    gate = PhotoFilter()
    for row, photo in enumerate(photos()):
        gate.add(row, photo)
    gate.remove(3)
    conditions = [
        Conditions(),
        *(Conditions(orientation=shape) for shape in ORIENTATIONS),
        *(Conditions(color=color) for color in (*NAMES, "#c03030", "#3c70b8", "#808080")),
        *(Conditions(licence=licence) for licence in ("CC0", "CC BY", "cc0", "")),
        *(Conditions(as_of=day) for day in (date(2020, 1, 1), date(2024, 2, 29), date(2030, 1, 1))),
    ]
    return {
        "allowed": [[str(one), np.flatnonzero(gate.allowed(one)).tolist()] for one in conditions],
        "names": NAMES,
    }


def catalogue() -> dict[str, Any]:
    """What photos say of themselves, and what may not enter."""
    wrong = (Photo("../x", "a"), Photo("a"), Photo("b", "t", width=0), Photo("c", "t", color="red"))
    return {
        "texts": [[photo.text, photo.orientation] for photo in photos()],
        "problems": [problem_of(photo) for photo in (*wrong, Photo("d", "t", popularity=-1.0), Photo("e", "t"))],
    }


def order() -> dict[str, Any]:
    """Popular photos, equal ones by row; how many are reranked."""
    popular = PopularityOrder()
    for row in range(20):
        popular.add(row, float(row * 7 % 5))
    allowed = np.arange(20) % 4 != 1
    scores = np.array([1.0, 3.0, 3.0, 2.0, 3.0])
    return {
        "popular": popular.best(allowed, limit=9).tolist(),
        "best": best(np.arange(5), scores, limit=3)[0].tolist(),
        "depth": RERANK_DEPTH,
    }
