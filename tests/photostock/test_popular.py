"""The last tier."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from photostock.popular import PopularityOrder
from tests.photostock.test_api import ids, search, service


def order(*popularity: float) -> PopularityOrder:
    popular = PopularityOrder()
    for row, value in enumerate(popularity):
        popular.add(row, value)
    return popular


def test_the_most_popular_come_first_and_equal_ones_by_row() -> None:
    assert order(1, 5, 3, 5, 0, 5).best(np.ones(6, dtype=np.bool_), limit=3).tolist() == [1, 3, 5]
    assert order(1, 5, 3).best(np.ones(3, dtype=np.bool_), limit=10).tolist() == [1, 2, 0]


def test_only_allowed_rows_are_shown() -> None:
    popular = order(1, 5, 3)
    assert popular.best(np.array([True, False, True]), limit=2).tolist() == [2, 0]
    assert popular.best(np.array([True]), limit=2).tolist() == [0]
    assert popular.best(np.ones(3, dtype=np.bool_), limit=0).tolist() == []


def test_it_works_before_there_are_photos() -> None:
    assert PopularityOrder().best(np.ones(3, dtype=np.bool_), limit=5).tolist() == []


def test_it_agrees_with_a_full_sort_as_it_grows() -> None:
    values = np.random.default_rng(1).integers(0, 50, size=3000).astype(float)
    best = order(*values).best(np.ones(3000, dtype=np.bool_), limit=100)
    assert best.tolist() == np.argsort(-values, kind="stable")[:100].tolist()


def test_what_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        order(math.nan)
    with pytest.raises(ValueError, match="taken"):
        order(1).add(0, 2)


async def test_the_fallback_shows_what_fits_the_conditions_and_no_page_of_one_photographer(var_dir: Path) -> None:
    async with service(var_dir, encoder=False) as client:
        famous = [
            {"id": f"famous-{n}", "title": "x", "photographer": "Ann", "popularity": 100 - n, "licence": "CC0"}
            for n in range(10)
        ]
        others = [{"id": f"other-{n}", "title": "x", "popularity": 20 - n, "licence": "CC0"} for n in range(18)]
        hidden = [{"id": "other-licence", "title": "x", "popularity": 999, "licence": "all rights reserved"}]
        assert (await client.post("/v1/photos", json={"photos": famous + others + hidden})).status_code == 201
        answer = await search(client, "zzzzzz qqqqqq", licence="CC0")
    assert answer["served_by"] == "popular"
    assert ids(answer)[:4] == ["famous-0", "famous-1", "famous-2", "other-0"]
    assert sum(photo_id.startswith("famous") for photo_id in ids(answer)) == 3
    assert "other-licence" not in ids(answer)


async def test_photos_with_some_of_the_words_come_before_popular_ones(var_dir: Path) -> None:
    async with service(var_dir, encoder=False) as client:
        answer = await search(client, "tabby zzzzzz", spelling="off")
    assert (answer["served_by"], ids(answer)) == ("lexical", ["cat"])
