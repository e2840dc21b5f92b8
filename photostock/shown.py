"""A photo as answers show it: as a model for pages, as JSON for programs.

What a photo says of itself never changes under its row number, so its JSON is made once and kept for the next answers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from photostock.contract import Result, Urls
from photostock.photo import Photo

SCORE_DECIMALS = 6
THUMB_WIDTH_PX, FULL_WIDTH_PX = 320, 1280
MOST_KEPT = 20_000  # photos, about a kilobyte each


class Place(NamedTuple):
    """A photo's row, and what one search said of it; the last two only with `explain`."""

    row: int
    score: float
    scores: dict[str, float] | None = None
    ranks: dict[str, int] | None = None


class ShownPhotos:
    """Results as JSON; safe for many threads.

    Args:
        photo_of: the photo in a row.
    """

    def __init__(self, photo_of: Callable[[int], Photo]) -> None:
        self._beginning = lru_cache(MOST_KEPT)(lambda row: _beginning(photo_of(row)))

    def json(self, place: Place) -> str:
        """A `Result`, the same as `result_of` gives as a model."""
        _, score, scores, ranks = place
        if scores is None and ranks is None:
            return f'{self._beginning(place.row)},"score":{_number(score)},"scores":null,"ranks":null}}'
        told = f'"scores":{json.dumps(scores)},"ranks":{json.dumps(ranks)}'
        return f'{self._beginning(place.row)},"score":{_number(score)},{told}}}'


def result_of(
    photo: Photo, *, score: float, scores: dict[str, float] | None = None, ranks: dict[str, int] | None = None
) -> Result:
    """A photo as answers show it."""
    told = _told(photo)
    told["urls"] = Urls.model_construct(**told["urls"])
    return Result.model_construct(**told, score=round(score, SCORE_DECIMALS), scores=scores, ranks=ranks)


def _told(photo: Photo) -> dict[str, Any]:
    """What a photo says of itself, in the order of the fields of a `Result`."""
    image = f"/v1/photos/{photo.id}/image"
    return {
        "id": photo.id,
        "title": photo.title,
        "description": photo.description,
        "tags": list(photo.tags),
        "photographer": photo.photographer,
        "width": photo.width,
        "height": photo.height,
        "color": photo.color,
        "licence": photo.licence,
        "attribution": photo.attribution,
        "source_url": photo.source_url,
        "palette": list(photo.palette),
        "urls": {"thumb": f"{image}?width={THUMB_WIDTH_PX}", "full": image},
    }


def _beginning(photo: Photo) -> str:
    """Its JSON object up to what a search says of it, without the closing brace."""
    return json.dumps(_told(photo), ensure_ascii=False, separators=(",", ":"))[:-1]


def _number(score: float) -> str:
    if not math.isfinite(score):
        raise ValueError(f"{score} is no score")
    return repr(round(float(score), SCORE_DECIMALS))  # as JSON has it; an encoder would take ten times as long
