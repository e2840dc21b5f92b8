"""A challenger of the reranker under real searches: who meets it, and what is seen of it."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from common.command_line import main
from common.releases.store import State
from common.state.database import open_state
from common.versions.registry import Registry
from photostock.__main__ import parser
from photostock.releases import desk_over
from photostock.reranker_contract import Score
from photostock.rollout import places_of
from photostock.settings import PhotoSettings
from tests.json_server import json_server
from tests.photostock.conftest import by_id_backwards
from tests.photostock.test_api import ADMIN, service
from tests.waiting import eventually

ALWAYS: dict[str, Any] = {
    "release_hours": "always",
    "release_steps": "0.5, 1",
    "release_step_requests": 10_000,
    "release_step_s": 0,
}


def _scores(order: str) -> list[Score]:
    return [Score(id=photo, score=float(-order.index(photo))) for photo in sorted(order)]


def test_places_are_compared_as_far_as_both_versions_had_time() -> None:
    assert places_of(_scores("abc"), _scores("cab")) == {"a": (1, 2), "b": (2, 3), "c": (3, 1)}
    assert places_of(_scores("abc")[:2], _scores("cab")) == {"a": (1, 1), "b": (2, 2)}


@pytest.mark.parametrize("component", ["encoder", "filter"])
def test_what_serves_all_or_nobody_is_proposed_with_its_figures_and_a_person_lets_it_go_to_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, component: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    monkeypatch.setenv("RELEASE_HOURS", "always")
    registry = Registry(PhotoSettings().registry_dir)
    registry.publish(component, {"model": b"one"}, metrics={"agreement": 0.98}, alias="champion")
    registry.publish(component, {"model": b"two"}, metrics={"agreement": 0.991}, alias=None)

    def run(*arguments: str) -> int:
        return main(parser(), ["release", *arguments, "--who", "ann", "--why", "looked at it"])

    assert run("propose", component) == 0
    release_id = re.findall(r"^release (\w+) is proposed", capsys.readouterr().out, re.MULTILINE)[0]
    assert run("start", release_id) == 1
    assert f"a person has to approve {component} 1.1.0 first" in capsys.readouterr().err
    assert run("approve", release_id) == 0
    assert run("start", release_id) == 0
    desk = desk_over(open_state(PhotoSettings()), PhotoSettings())
    release = desk.store.find(release_id)

    assert release is not None
    assert release.report["reasons"] == ["agreement: 0.991 instead of 0.98"]
    assert (release.state, registry.resolve(component, "champion")) == (State.PROMOTED, "1.1.0")
    assert run("roll-back", release_id) == 0
    assert registry.resolve(component, "champion") == "1.0.0"


def _ann_last(request: dict[str, Any]) -> Any:
    """Two versions of the reranker: the second one puts the photos of one photographer down."""
    if "rankings" not in request:
        return {"loaded": True, "trouble": None}
    answer = by_id_backwards(request) | {"version": request["version"]}
    if request["version"] == "1.1.0":
        for score in answer["rankings"][0]:
            score["score"] -= 100 * score["id"].startswith("zz-ann")
    return answer


async def test_a_challenger_that_ranks_one_photographer_down_is_taken_back_by_itself(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    registry.publish("reranker", {"model": b"one"}, alias="champion")
    registry.publish("reranker", {"model": b"two"}, alias=None)
    settings = PhotoSettings.model_validate({"var_dir": tmp_path} | ALWAYS)
    desk = desk_over(open_state(settings), settings)
    release_id = desk.propose("reranker", "1.1.0", who="ann", why="newer", report={}).id
    desk.approve(release_id, who="bob", why="looked at it")
    desk.start(release_id, who="bob", why="newer")
    photos = [
        {"id": f"zz-{name}-{number}", "title": f"a dog number {number}", "photographer": name}
        for name in ("ann", "joe")
        for number in range(5)
    ]
    numbers, seen = count(), set[str]()
    with json_server(_ann_last) as url:
        async with service(tmp_path, url, **ALWAYS) as client:
            assert (await client.post("/v1/photos", json={"photos": photos})).status_code == 201

            async def taken_back() -> bool:
                answer = (await client.get("/v1/search", params={"query": f"dog {next(numbers)}"})).json()
                seen.add(answer["versions"].get("reranker", "none"))
                release = desk.store.find(release_id)
                return release is not None and release.state == State.ROLLED_BACK

            await eventually(taken_back)
            told = (await client.get("/v1/admin/releases", headers=ADMIN)).json()

    assert seen >= {"1.0.0", "1.1.0"}
    assert "lower answers in ann" in told["frozen"]["reranker"]
