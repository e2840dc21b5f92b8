"""Two rerankers side by side: the report where the truth is known, and the page with both lists of pictures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.command_line import Failed
from common.releases.proposing import Proposal, propose
from common.releases.review import report_of
from common.state.database import open_state
from common.versions.registry import Registry
from photostock.catalogue import Catalogue
from photostock.evaluation.asking import Asked
from photostock.evaluation.measures import DEEPEST
from photostock.evaluation.questions import Question
from photostock.photo import Photo
from photostock.releases import desk_over
from photostock.reranker.training_ids import TRAINING_IDS
from photostock.review.command import review
from photostock.review.pictures import draw
from photostock.review.report import Both, reviewed, samples
from photostock.settings import PhotoSettings
from tests.photostock.conftest import PHOTOS
from tests.photostock.test_api import service

FROM_HERE = {"Sec-Fetch-Site": "same-origin"}
N = 100
MANY = [
    Photo(f"p-{number}", f"Photo {number}", "", photographer="Ann" if number < 30 else f"Bob {number}")
    for number in range(N)
]


def asked(ranks: list[int], *, best: tuple[str, ...] = ("p-1", "p-2", "p-3")) -> Asked:
    return Asked(np.array(ranks, np.int64), tuple([best] * len(ranks)), 1.0, {"reranker": 1.0}, 0)


def both(candidate: list[int]) -> Both:
    """The champion finds every photo on the first place; the ranks of the candidate count from 0, too."""
    questions = [Question(f"photo {photo.id}", photo) for photo in MANY]
    return Both(questions, asked([0] * N), asked(candidate, best=("p-2", "p-1", "p-9")))


def test_a_photographer_whose_photos_fall_is_told_first() -> None:
    report = report_of(reviewed(both([3] * 30 + [0] * 70), MANY, champion="1.0.0", candidate="1.1.0"))

    assert (report["outcome"], report["regressed"], report["unchanged"]) == ("fail", 30, 70)
    worst = report["slices"][0]
    assert (worst["name"], worst["regressed"], worst["samples"]) == ("photographer Ann", 30, 30)
    assert worst["candidate"] == pytest.approx(1 - 1 / np.log2(5), abs=1e-6)
    first = next(one for one in report["measures"] if one["name"] == "found on the first place")
    assert (first["champion"], first["candidate"]) == (1.0, 0.7)


def test_every_search_is_a_line_with_both_places_and_its_verdict() -> None:
    told = list(samples(both([DEEPEST, *[0] * 99])))

    assert (told[0]["champion_rank"], told[0]["candidate_rank"], told[0]["verdict"]) == (1, None, "regressed")
    assert {one["verdict"] for one in told[1:]} == {"unchanged"}


def test_pictures_say_how_they_moved_and_which_was_meant() -> None:
    report = report_of(reviewed(both([1, *[0] * 99]), MANY, champion="1.0.0", candidate="1.1.0"))

    shown = draw({**report["worst"][0], "meant": "p-1"})

    champion, candidate = (one["photos"] for one in shown["lists"])
    assert [one["told"] for one in champion] == ["meant; down to 2", "up to 1", "gone"]
    assert [one["told"] for one in candidate] == ["up from 2", "meant; down from 1", "added"]
    assert [one["mark"] for one in candidate] == ["moved", "moved", "added"]
    assert "place 1 with the champion, place 2 with the candidate" in shown["told"]


async def test_queries_that_trained_one_of_the_versions_or_the_filter_are_not_asked(tmp_path: Path) -> None:
    settings = PhotoSettings.model_validate({"var_dir": tmp_path})
    registry = Registry(settings.registry_dir)
    ids = [json.dumps([photo.id]).encode() for photo in PHOTOS[:3]]
    registry.publish("reranker", {"model": b"one", TRAINING_IDS: ids[0]}, alias="champion")
    registry.publish("reranker", {"model": b"two", TRAINING_IDS: ids[1]}, alias=None)
    registry.publish("filter", {TRAINING_IDS: ids[2]}, alias="champion")
    photos = [Photo(photo.id, photo.title, photo.description, queries=("a dog",)) for photo in PHOTOS[:3]]

    with pytest.raises(Failed, match="no query left"):
        await review(settings, photos, "reranker", None)


def _proposed(var_dir: Path, case: dict[str, Any]) -> str:
    settings = PhotoSettings.model_validate({"var_dir": var_dir})
    registry = Registry(settings.registry_dir)
    registry.publish("reranker", {"model": b"one"}, alias="champion")
    registry.publish("reranker", {"model": b"two"}, alias=None)
    report = report_of(reviewed(both([3] * 30 + [0] * 70), MANY, champion="1.0.0", candidate="1.1.0"))
    state = open_state(settings)
    Catalogue(state)
    release = propose(
        desk_over(state, settings),
        Proposal("reranker", "1.1.0", {**report, "worst": [case], "best": []}, ()),
        who="ann",
        why="four layers",
        releases_dir=settings.releases_dir,
    )
    state.dispose()
    return release.id


async def test_the_page_shows_both_lists_and_nothing_starts_before_a_person_approved(var_dir: Path) -> None:
    case = {
        "query": "<script>dog</script>",
        "meant": "beach-dog",
        "champion": ["beach-dog", "cat"],
        "candidate": ["cat", "park-dog"],
        "champion_rank": 1,
        "candidate_rank": None,
        "titles": {"beach-dog": 'Dog "on" <b>a beach</b>'},
    }
    release_id = _proposed(var_dir, case)
    address = f"/admin/releases/{release_id}"
    wish = {"who": "bob", "why": "forty searches looked at"}
    async with service(var_dir, release_hours="always") as client:
        await client.post("/admin/login", data={"token": "operator-token"}, headers=FROM_HERE)
        page = (await client.get(address)).text
        early = await client.post(address, data={**wish, "action": "start"}, headers=FROM_HERE)
        await client.post(address, data={**wish, "action": "approve"}, headers=FROM_HERE)
        approved = (await client.get(address)).text
        picture = await client.get("/v1/photos/cat/image?width=320")

    assert re.findall(r'src="/v1/photos/([^/]+)/image', page) == ["beach-dog", "cat", "cat", "park-dog"]
    assert "place 1 with the champion, not among the first 50 with the candidate" in page
    assert "<script>dog" not in page
    assert "<b>a beach" not in page
    assert 'value="start"' not in page
    assert early.status_code == 409
    assert "a person has to approve reranker 1.1.0 first" in early.text
    assert 'value="start"' in approved
    assert picture.status_code == 200
