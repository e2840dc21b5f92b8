"""A challenger of the core under real requests: who meets it, what is seen of it, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from common.releases.desk import ReleaseDesk
from common.releases.store import State
from common.versions.registry import Registry
from supermegaretail.releases import desk_over
from supermegaretail.settings import RetailSettings
from supermegaretail.table import save_table
from tests.json_server import json_server
from tests.supermegaretail.conftest import ITEMS, LAST_DAY, sevens
from tests.supermegaretail.test_api import ADMIN, service
from tests.waiting import eventually

ALWAYS: dict[str, Any] = {
    "release_hours": "always",
    "release_steps": "0.5, 1",
    "release_step_requests": 20,
    "release_step_comparisons": 5,
    "release_step_s": 0,
}


class Models:
    """A model process with two versions of the core; `challenger` changes what the second one answers."""

    def __init__(self, challenger: Callable[[dict[str, Any]], Any] = lambda answer: answer) -> None:
        self.trouble: str | None = None
        self.loaded = True
        self._challenger = challenger

    def __call__(self, request: dict[str, Any]) -> Any:
        if "items" not in request:
            return {"loaded": self.loaded, "trouble": self.trouble}
        answer = sevens(request)
        return self._challenger(answer) if answer["version"] == "1.1.0" else answer


def _times(factor: float) -> Callable[[dict[str, Any]], Any]:
    def scaled(answer: dict[str, Any]) -> Any:
        for one in answer["predictions"]:
            one["core"] = [day * factor for day in one["core"]]
            one["correction"] = [day * factor for day in one["correction"]] if one["correction"] else None
        return answer

    return scaled


def _no_numbers(answer: dict[str, Any]) -> Any:
    for one in answer["predictions"]:
        one["core"] = one["correction"] = None
    return answer


@pytest.fixture
def var_dir(tmp_path: Path, table: pl.DataFrame) -> Path:
    save_table(table, tmp_path / "supermegaretail" / "sales.parquet")
    registry = Registry(tmp_path / "registry")
    registry.publish("core", {"model": b"one"}, alias="champion")
    registry.publish("core", {"model": b"two"}, alias=None)
    return tmp_path


def _desk(var_dir: Path) -> ReleaseDesk:
    from common.state.database import open_state

    settings = RetailSettings.model_validate({"var_dir": var_dir} | ALWAYS)
    return desk_over(open_state(settings), settings)


def _started(desk: ReleaseDesk) -> str:
    release = desk.propose("core", "1.1.0", who="ann", why="newer", report={})
    return desk.start(release.id, who="ann", why="newer").id


def _state(desk: ReleaseDesk, release_id: str) -> State:
    release = desk.store.find(release_id)
    assert release is not None
    return release.state


async def _asked(client: httpx.AsyncClient, number: int, **fields: Any) -> dict[str, Any]:
    """An item of its own for each number, in stores that are asked about like any other."""
    store, sku = ITEMS[number % len(ITEMS)]
    items = [{"store": store, "sku": f"{sku}-{number}"}, *({"store": store, "sku": sku} for store, sku in ITEMS)]
    response = await client.post("/v1/forecasts", json={"items": items, **fields})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def _share(client: httpx.AsyncClient) -> float:
    told = (await client.get("/v1/admin/releases", headers=ADMIN)).json()["rollouts"].get("core")
    return float(told["share"]) if told is not None and told["loaded"] else 0.0


async def test_an_answer_is_of_one_version_and_the_same_request_meets_the_same_one(var_dir: Path) -> None:
    desk = _desk(var_dir)
    _started(desk)
    with json_server(Models()) as url:
        async with service(var_dir, url, **ALWAYS | {"release_step_requests": 10_000}) as client:
            await eventually(lambda: _share(client))
            first, again = [[await _asked(client, number) for number in range(20)] for _ in range(2)]
            asked_for = await _asked(client, 1, version="1.0.0")

    assert {answer["versions"]["core"] for answer in first} == {"1.0.0", "1.1.0"}
    assert [answer["forecasts"] for answer in first] == [answer["forecasts"] for answer in again]
    assert [answer["versions"] for answer in first] == [answer["versions"] for answer in again]
    assert asked_for["versions"]["core"] == "1.0.0"


async def test_while_the_models_do_not_answer_no_release_begins_but_for_a_reason(var_dir: Path) -> None:
    release_id = _desk(var_dir).propose("core", "1.1.0", who="ann", why="newer", report={}).id
    step = {"action": "start", "who": "ann", "why": "newer"}

    async with service(var_dir, **ALWAYS) as client:  # there is no model process

        async def refused() -> str | None:
            await _asked(client, 1)
            ready = (await client.get("/ready")).json()["parts"]["model"]
            return None if ready["ok"] else str(ready["reason"])

        why = await eventually(refused)
        address = f"/v1/admin/releases/{release_id}"
        first = await client.post(address, json=step, headers=ADMIN)
        insisting = await client.post(address, json=step | {"insist": "it mends that"}, headers=ADMIN)

    assert first.status_code == 409
    assert f"model: {why}" in first.text
    assert insisting.status_code == 200


async def test_nobody_meets_a_challenger_before_the_model_process_has_it_in_memory(var_dir: Path) -> None:
    desk, models = _desk(var_dir), Models()
    models.loaded = False
    _started(desk)
    with json_server(models) as url:
        async with service(var_dir, url, **ALWAYS | {"release_step_requests": 10_000}) as client:
            before = {(await _asked(client, number))["versions"]["core"] for number in range(20)}
            models.loaded = True
            await eventually(lambda: _share(client))
            after = {(await _asked(client, number))["versions"]["core"] for number in range(20)}

    assert Registry(var_dir / "registry").resolve("core", "challenger") == "1.1.0"
    assert (before, after) == ({"1.0.0"}, {"1.0.0", "1.1.0"})


async def test_a_challenger_that_cannot_be_loaded_is_taken_back_with_the_reason(var_dir: Path) -> None:
    desk, models = _desk(var_dir), Models()
    models.trouble, models.loaded = "core 1.1.0: model is damaged", False
    release_id = _started(desk)
    with json_server(models) as url:
        async with service(var_dir, url, **ALWAYS) as client:
            assert (await _asked(client, 1))["versions"]["core"] == "1.0.0"

            async def taken_back() -> bool:
                return _state(desk, release_id) == State.ROLLED_BACK

            await eventually(taken_back)

    assert _state(desk, release_id) == State.ROLLED_BACK
    assert "model is damaged" in (desk.store.frozen("core") or "")
    assert Registry(var_dir / "registry").resolve("core", "challenger") == "1.0.0"


@pytest.mark.parametrize(
    ("bad", "claim"),
    [(_times(1.3), "higher answers in food"), (_no_numbers, "failures")],
    ids=["too high", "no numbers"],
)
async def test_a_bad_challenger_is_taken_back_by_itself(
    var_dir: Path, bad: Callable[[dict[str, Any]], Any], claim: str
) -> None:
    desk = _desk(var_dir)
    release_id = _started(desk)
    with json_server(Models(bad)) as url:
        async with service(var_dir, url, **ALWAYS | {"release_step_requests": 10_000}) as client:
            numbers = count()

            async def taken_back() -> bool:
                await _asked(client, next(numbers))
                return _state(desk, release_id) == State.ROLLED_BACK

            await eventually(taken_back)
            metrics = (await client.get("/metrics")).text

    assert claim in (desk.store.frozen("core") or "")
    assert 'release_share{component="core"} 0.0' in metrics


async def test_a_good_challenger_becomes_the_champion_and_no_request_meets_the_old_one_again(var_dir: Path) -> None:
    desk = _desk(var_dir)
    release_id = _started(desk)
    seen: list[tuple[float, str]] = []
    with json_server(Models()) as url:
        async with service(var_dir, url, **ALWAYS) as client:

            async def promoted() -> bool:
                share = await _share(client)
                seen.append((share, (await _asked(client, len(seen)))["versions"]["core"]))
                return _state(desk, release_id) == State.PROMOTED

            await eventually(promoted)
            after = [(await _asked(client, number))["versions"]["core"] for number in range(100)]

    whole = next(place for place, (share, _) in enumerate(seen) if share == 1.0)
    assert {version for _, version in seen[whole:]} == {"1.1.0"}
    assert set(after) == {"1.1.0"}


async def test_what_was_sold_tells_which_version_was_nearer(var_dir: Path) -> None:
    desk = _desk(var_dir)
    _started(desk)
    claim = "no more worse outcomes in food"
    with json_server(Models(_times(1.04))) as url:
        async with service(var_dir, url, **ALWAYS | {"release_step_requests": 10_000}) as client:
            numbers = count()

            async def compared() -> bool:
                await _asked(client, next(numbers))
                return 'fate="compared"' in (await client.get("/metrics")).text

            await eventually(compared)
            day = LAST_DAY.replace(day=LAST_DAY.day + 1)
            sale = {"store": ITEMS[0][0], "sku": ITEMS[0][1], "date": day.isoformat(), "sales": 7.0}
            response = await client.post("/v1/sales", json={"sales": [sale]})
            told = (await client.get("/v1/admin/releases", headers=ADMIN)).json()["rollouts"]["core"]["claims"]

    assert response.status_code == 201
    [one] = [entry for entry in told if entry["claim"] == claim]
    assert one["observations"] == 1
    assert one["mean_excess"] > -0.01
