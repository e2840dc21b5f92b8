"""What answers show of photos: the JSON that programs get is that of the model which pages get."""

from __future__ import annotations

import json

import pytest

from photostock.photo import Photo
from photostock.shown import Place, ShownPhotos, result_of

PHOTOS = [
    Photo(id="a", title='"Dogs" \\ cafés', tags=("one", "two"), photographer="Ümit", licence="CC-BY"),
    Photo(id="b", description="line\u2028end", source_url="https://example.org/b", picture={"palette": ["#aabbcc"]}),
]


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize(
    ("scores", "ranks"), [(None, None), ({"semantic": 0.5, "filter": 1e-06}, {"semantic": 1}), ({}, {})]
)
@pytest.mark.parametrize("score", [0.123456789, 0.00001, -1.0, 1.0])
def test_the_json_of_a_photo_says_the_same_as_its_model(
    row: int, score: float, scores: dict[str, float] | None, ranks: dict[str, int] | None
) -> None:
    shown = ShownPhotos(PHOTOS.__getitem__)
    model = result_of(PHOTOS[row], score=score, scores=scores, ranks=ranks)
    for _ in range(2):  # made, then kept
        said = json.loads(shown.json(Place(row, score, scores, ranks)))
        assert list(said.items()) == list(json.loads(model.model_dump_json()).items())
