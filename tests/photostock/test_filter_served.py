"""The filter's release in the running service: what it changes in answers, tier by tier."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.versions.registry import Registry
from photostock.filter.arrays import npy_bytes
from photostock.filter.query_map import QUERY_MAP
from tests.json_server import json_server
from tests.photostock.conftest import by_id_backwards
from tests.photostock.test_api import ADMIN, ids, search, service
from tests.waiting import eventually

CALIBRATION = {"slope": 4.0, "gap_slope": 16.0, "bias": -2.0}


def publish(var_dir: Path, *, encoder: str, dimensions: int | None = None) -> None:
    Registry(var_dir / "registry").publish(
        "filter",
        {} if dimensions is None else {QUERY_MAP: npy_bytes(np.zeros((dimensions, dimensions), dtype=np.float32))},
        parameters={"words_weight": 0.1, "semantic": CALIBRATION, "lexical": CALIBRATION},
        compatible_with={"encoder": encoder},
        alias="champion",
    )


def scores(answer: dict[str, Any]) -> list[float]:
    return [result["score"] for result in answer["results"]]


async def test_in_every_tier_no_result_scores_less_than_asked_for(var_dir: Path) -> None:
    publish(var_dir, encoder="1.0.0")
    async with service(var_dir) as client:

        async def with_weights() -> dict[str, Any] | None:
            answer = await search(client, explain=True)
            return answer if "+" in answer["versions"]["filter"] else None

        whole = await eventually(with_weights)
        assert whole is not None
        assert whole["versions"]["filter"].endswith("+1.0.0")
        assert set(whole["results"][0]["scores"]) == {"semantic", "words", "filter"}
        for switched_off in ((), ("semantic",), ("semantic", "lexical")):
            for tier in switched_off:
                ends_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
                wish = {"state": "off", "owner": "me", "reason": "a test", "ends_at": ends_at}
                done = await client.put(f"/v1/admin/switches/{tier}", json=wish, headers=ADMIN)
                assert done.status_code < 300, done.text
            everything, good = await search(client), await search(client, min_score=0.05)
            assert everything["served_by"] not in switched_off
            assert scores(everything) == sorted(scores(everything), reverse=True)
            assert all(0 <= score <= 1 for score in scores(everything))
            assert ids(good) == [i for i, s in zip(ids(everything), scores(everything), strict=True) if s >= 0.05]


@pytest.mark.parametrize(
    ("encoder", "dimensions"), [("7.0.0", None), ("1.0.0", 8)], ids=["another version", "other dimensions"]
)
async def test_what_was_learnt_for_another_encoder_is_not_used(
    var_dir: Path, encoder: str, dimensions: int | None
) -> None:
    publish(var_dir, encoder="1.0.0", dimensions=64)
    async with service(var_dir) as client:

        async def used(is_used: bool) -> dict[str, Any] | None:
            answer = await search(client)
            return answer if ("+1.0.0" in answer["versions"]["filter"]) == is_used else None

        assert await eventually(lambda: used(True))
        publish(var_dir, encoder=encoder, dimensions=dimensions)
        answer = await eventually(lambda: used(False))
    assert answer is not None
    assert "+" not in answer["versions"]["filter"]
    assert (answer["served_by"], answer["degraded"]) == ("semantic", True)  # no reranker runs here


async def test_no_photographer_fills_a_page_and_nobody_is_left_out(var_dir: Path) -> None:
    new = [
        {"id": f"x{n:02}", "title": "Dog on a beach", "photographer": "Ada" if n < 10 else f"P{n}"} for n in range(40)
    ]
    async with service(var_dir) as client:
        assert (await client.post("/v1/photos", json={"photos": new})).status_code == 201
        pages = [await search(client, per_page=20, page=page) for page in (1, 2, 3)]
        straight = await search(client, per_page=20, diversity="off")
    shown = [[result["photographer"] for result in page["results"]].count("Ada") for page in pages]
    assert shown[0] == 3
    assert sum(shown) == 10
    assert [result["photographer"] for result in straight["results"]].count("Ada") > 3
    everyone = [i for page in pages for i in ids(page)]
    assert len(everyone) == len(set(everyone)) == 44


def crowd(people: int = 12) -> list[dict[str, Any]]:
    """Many photos of few people, the best of them mostly by the same ones."""
    draw = random.Random(7)
    titles = ["Dog on a beach" + " and a ball" * draw.randint(0, 9) for _ in range(116)]
    busy = [min(draw.randrange(people), draw.randrange(people)) for _ in titles]
    return [
        {"id": f"x{draw.randint(0, 10**9)}", "title": title, "photographer": f"P{who}"}
        for who, title in zip(busy, titles, strict=True)
    ]


@pytest.mark.parametrize(("per_page", "dies_after"), [(20, 9), (20, 1), (20, 0), (24, 1), (7, 99)])
async def test_pages_hold_every_photo_once_though_the_reranker_serves_only_some(
    var_dir: Path, per_page: int, dies_after: int
) -> None:
    calls = 0

    def mortal(request: dict[str, Any]) -> Any:
        nonlocal calls
        calls += 1
        return by_id_backwards(request) if calls <= dies_after else {"nothing": "of use"}

    with json_server(mortal) as url:
        async with service(var_dir, url) as client:
            assert (await client.post("/v1/photos", json={"photos": crowd()})).status_code == 201
            last = -(-120 // per_page)
            pages = [await search(client, per_page=per_page, page=page) for page in range(1, last + 1)]
    assert (pages[0]["served_by"] == "reranker") == (dies_after > 0)
    everyone = [i for page in pages for i in ids(page)]
    assert len(everyone) == len(set(everyone)) == 120
    first = Counter(result["photographer"] for result in pages[0]["results"][:20])
    assert max(count for who, count in first.items() if who) <= 3
