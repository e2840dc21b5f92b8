"""Real processes, real deaths: every request is answered while the model process is killed and frozen."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.versions.registry import Registry
from loadtests.processes import Fleet, Program, free_ports
from supermegaretail.table import save_table
from supermegaretail.training import train
from tests.supermegaretail.conftest import ITEMS, small_table

BUDGET_MS = 300
REQUESTS = 60
BODY = {"items": [{"store": store, "sku": sku} for store, sku in ITEMS], "horizon_days": 7}


class Retail:
    """Both processes of Supermegaretail, and a caller."""

    def __init__(self, fleet: Fleet, var_dir: Path) -> None:
        self.fleet = fleet
        ports = dict(zip(("SUPERMEGARETAIL_PORT", "SUPERMEGARETAIL_MODEL_PORT"), free_ports(2), strict=True))
        environment = {"VAR_DIR": str(var_dir), **{name: str(port) for name, port in ports.items()}}
        api_port, model_port = ports.values()
        self.api = Program("api", ("-m", "supermegaretail", "api"), api_port, environment=environment)
        self.model = Program("model", ("-m", "supermegaretail", "model"), model_port, environment=environment)
        self.client = httpx.Client(base_url=self.api.url, headers={"X-Timeout-Ms": str(BUDGET_MS)}, timeout=5)

    async def start(self, *programs: Program) -> None:
        for program in programs:
            self.fleet.start(program)
        for program in programs:
            await self.fleet.ready(program)

    def ask(self) -> dict[str, Any]:
        response = self.client.post("/v1/forecasts", json=BODY)
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        assert [(one["store"], one["sku"]) for one in document["forecasts"]] == ITEMS
        return document

    def ask_often(self) -> list[dict[str, Any]]:
        return [forecast for _ in range(REQUESTS) for forecast in self.ask()["forecasts"]]

    def wait_for_full_quality(self) -> None:
        until = time.monotonic() + 30
        while self.ask()["degraded"]:
            assert time.monotonic() < until, "full quality did not return"


@pytest.fixture(scope="module")
def var_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    var_dir = tmp_path_factory.mktemp("var")
    table = small_table(days=200)
    save_table(table, var_dir / "supermegaretail" / "sales.parquet")
    train(table, Registry(var_dir / "registry"), rows=3_000)
    return var_dir


@pytest.fixture
def retail(var_dir: Path, tmp_path: Path) -> Iterator[Retail]:
    with Fleet(tmp_path) as fleet:
        retail = Retail(fleet, var_dir)
        with retail.client:
            yield retail


def no_traceback(retail: Retail, name: str) -> bool:
    lines = retail.fleet.log_of(name).read_text().splitlines()
    return all("exception" not in json.loads(line) for line in lines if line.startswith("{"))


async def test_every_request_is_answered_while_the_model_is_killed_and_frozen(retail: Retail) -> None:
    await retail.start(retail.api, retail.model)
    retail.wait_for_full_quality()
    well = retail.ask_often()
    assert sum(one["served_by"] == "correction" for one in well) > len(well) / 2  # a busy machine may cost some

    retail.fleet.kill("model")
    killed = retail.ask_often()
    assert {one["served_by"] for one in killed} == {"moving_average"}
    reasons = {"core:unreachable", "core:disconnected", "core:breaker_open", "core:timeout"}  # the last if we are busy
    assert {one["reason"] for one in killed} <= reasons

    await retail.start(retail.model)
    retail.wait_for_full_quality()
    retail.fleet.freeze("model")
    frozen = retail.ask_often()
    assert {one["served_by"] for one in frozen} == {"moving_average"}
    assert {one["reason"] for one in frozen} <= {"core:timeout", "core:breaker_open"}
    waited = sum(one["reason"] == "core:timeout" for one in frozen)
    assert waited < len(frozen) / 2, "the breaker does not learn from expired deadlines"

    retail.fleet.thaw("model")
    retail.wait_for_full_quality()
    assert no_traceback(retail, "api")


async def test_the_api_answers_without_its_model_ever_having_lived(retail: Retail) -> None:
    await retail.start(retail.api)
    assert {one["served_by"] for one in retail.ask()["forecasts"]} == {"moving_average"}


async def test_a_damaged_model_is_not_served_and_the_old_answers_go_on(retail: Retail, var_dir: Path) -> None:
    path = Registry(var_dir / "registry").load("core").path("model.txt")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    try:
        retail.fleet.start(retail.model)
        await retail.start(retail.api)
        assert {one["served_by"] for one in retail.ask()["forecasts"]} == {"moving_average"}
    finally:
        path.write_bytes(content)
    retail.wait_for_full_quality()  # mended on disk, it is picked up without a restart
