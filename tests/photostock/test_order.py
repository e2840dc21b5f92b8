"""Results by date and by fame: every photo once, whatever the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from common.state.database import open_state
from photostock.app import create_app
from photostock.catalogue import Catalogue, Photo
from photostock.filter.relevance import Candidates, about_the_query
from photostock.settings import PhotoSettings
from tests.photostock.test_api import ids, search, service

COUNT = 430


@pytest.mark.parametrize("order_by", ["latest", "popular"])
def test_every_photo_is_on_one_page_and_the_first_of_all_on_the_first(var_dir: Path, order_by: str) -> None:
    settings = PhotoSettings(var_dir=var_dir, reranker_url="http://127.0.0.1:9")
    photos = [
        Photo(
            id=f"p{number}",
            title=f"a dog, number {number}",
            created_at=f"20{number // 20 + 10}-01-{number % 20 + 1:02}",
            popularity=float(number),
        )
        for number in range(COUNT)
    ]
    Catalogue(open_state(settings)).add(photos)

    with TestClient(create_app(settings)) as client:
        pages = [
            client.get("/v1/search", params={"query": "dog", "order_by": order_by, "per_page": 20, "page": page}).json()
            for page in range(1, COUNT // 20 + 2)
        ]

    ids = [result["id"] for page in pages for result in page["results"]]
    assert ids == [f"p{number}" for number in reversed(range(COUNT))]
    assert {page["total"] for page in pages} == {COUNT}


@pytest.mark.parametrize("tier", ["semantic", "lexical"])
async def test_another_order_sorts_what_fits_the_query_and_not_the_whole_catalogue(var_dir: Path, tier: str) -> None:
    newer = [
        {"id": f"c{number}", "title": "Parliament of owls", "created_at": f"2030-01-{number + 1:02}", "popularity": 50}
        for number in range(20)
    ]
    async with service(var_dir, encoder=tier == "semantic") as client:
        assert (await client.post("/v1/photos", json={"photos": newer})).status_code == 201
        latest = await search(client, "dog", order_by="latest")
        popular = await search(client, "dog", order_by="popular")
        everything = await search(client, "dog", order_by="latest", min_score=-1)
        both = await search(client, "owls or a dog", order_by="latest", per_page=80)
    assert latest["served_by"] == tier
    assert set(ids(latest)) == {"park-dog", "beach-dog"}
    assert ids(popular) == ["park-dog", "beach-dog"]
    assert latest["total"] == 2
    assert everything["total"] == (24 if tier == "semantic" else 2)
    assert {"c0", "park-dog"} <= set(ids(both))


def test_who_comes_near_the_best_fits_though_it_has_no_word_of_the_query() -> None:
    rows = np.arange(4)
    found = Candidates(rows, np.array([0.9, 0.8, 0.5, 0.1]), nearness=np.array([0.6, 0.5, 0.2, 0.1]), total=9)
    assert about_the_query(found, np.array([0.0, 0, 0, 2])).rows.tolist() == [0, 1, 3]
    assert about_the_query(found, np.zeros(4)).total is None
    far = found._replace(nearness=np.array([-0.1, -0.2, -0.3, -0.4]))
    assert about_the_query(far, np.zeros(4)).rows.tolist() == [0]
