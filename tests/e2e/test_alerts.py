"""A real Prometheus and Alertmanager: a fault raises its alert and opens an incident; healthy traffic does not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from common.versions.registry import Registry
from loadtests.alerts import SomeHouse, proved
from loadtests.alerts_watching import missing_programs
from loadtests.murphy.house import ADMIN_TOKEN, own_services
from loadtests.murphy.menu import chosen
from loadtests.murphy.trial import RETAIL
from loadtests.processes import Fleet
from loadtests.traffic import Subjects
from supermegaretail.table import save_table
from supermegaretail.training import train
from tests.supermegaretail.conftest import ITEMS, small_table

FAULTS = ("killed", "http_503")


@pytest.fixture
def var_dir(tmp_path: Path) -> Path:
    table = small_table(days=200)
    save_table(table, tmp_path / "var" / "supermegaretail" / "sales.parquet")
    train(table, Registry(tmp_path / "var" / "registry"), rows=3_000)
    return tmp_path / "var"


class Remembering(SomeHouse):
    """Reads the incidents after each fault, while the service still lives."""

    seen: list[str]

    async def link(self, fault: str | None, services: Sequence[str] = (RETAIL,)) -> None:
        await super().link(fault, services)
        if fault is None:
            address = f"{self.services[RETAIL].api.url}/v1/admin/incidents"
            headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
            async with httpx.AsyncClient(headers=headers, timeout=10) as client:
                answer = await client.get(address)
            self.seen = [one["title"] for one in answer.json()["incidents"]]


@pytest.mark.timeout(300)
async def test_a_fault_raises_its_alert_opens_an_incident_and_is_quiet_afterwards(
    var_dir: Path, tmp_path: Path
) -> None:
    if missing := missing_programs():
        if os.environ.get("CI"):
            pytest.fail(f"{missing} not installed; .ci/run installs them")
        pytest.skip(f"NOT TESTED: {missing} not installed (Debian: prometheus, prometheus-alertmanager)")
    with Fleet(tmp_path / "logs") as fleet:
        services = [one for one in own_services(os.environ, var_dir) if one.name == RETAIL]
        house = Remembering(services, var_dir=var_dir, fleet=fleet)
        subjects = Subjects(tuple(ITEMS), ("unused",))
        loud, raised = await proved(house, chosen(FAULTS), subjects, console=Console(), quiet_s=3)
    assert loud == frozenset()
    assert {one.fault: (one.alert, one.after_s is not None) for one in raised} == {
        "killed": ("ModelDown", True),
        "http_503": ("ModelUnreachable", True),
    }
    assert [sorted(one.unexpected) for one in raised] == [[], []]
    assert any("better tiers refuse" in title for title in house.seen)
