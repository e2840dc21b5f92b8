"""Results by date and by fame: every photo once, whatever the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from common.state.database import open_state
from photostock.app import create_app
from photostock.catalogue import Catalogue, Photo
from photostock.settings import PhotoSettings

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
