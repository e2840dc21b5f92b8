"""A real Prometheus and Alertmanager: a fault raises its alert and opens an incident; dashboards have their data."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from common.versions.registry import Registry
from loadtests.alerts.command import proved
from loadtests.alerts.house import WatchedHouse
from loadtests.alerts.menu import chosen
from loadtests.alerts.watching import Watching, missing_programs
from loadtests.murphy.house import ADMIN_TOKEN, House
from loadtests.murphy.trial import RETAIL, Trial
from loadtests.processes import Fleet
from loadtests.traffic import Subjects
from supermegaretail.table import save_table
from supermegaretail.training import train
from tests.supermegaretail.conftest import ITEMS, small_table
from tests.waiting import eventually

DASHBOARD = Path(__file__).resolve().parents[2] / "docker" / "grafana" / "dashboards" / f"{RETAIL}.json"
SUBJECTS = Subjects(tuple(ITEMS), ("unused",))
ONLY_AFTER_AN_EVENT = (  # there is nothing to draw while nothing is wrong, or nothing is released or shadowed
    "== 1",
    "drift_psi",
    "fallback_refused_total",
    "forecast_error_to_average",
    "http_requests_late_total",
    "shadow_pairs_total",
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    if missing := missing_programs():
        if os.environ.get("CI"):
            pytest.fail(f"{missing} not installed; .ci/run installs them")
        pytest.skip(f"NOT TESTED: {missing} not installed (Debian: prometheus, prometheus-alertmanager)")
    table = small_table(days=200)
    save_table(table, tmp_path / "state" / "supermegaretail" / "sales.parquet")
    train(table, Registry(tmp_path / "state" / "registry"), rows=3_000)
    return tmp_path / "state"


def expressions(document: object) -> Iterator[str]:
    if isinstance(document, dict):
        if isinstance(document.get("expr"), str):
            yield document["expr"]
        for value in document.values():
            yield from expressions(value)
    elif isinstance(document, list):
        for value in document:
            yield from expressions(value)


async def without_data(watching: Watching, asked: Sequence[str]) -> list[str]:
    """Of these queries of a dashboard; one that Prometheus refuses raises."""
    return [one for one in asked if not await watching.query(one.replace("$__rate_interval", "10s"))]


def then_looked_at(name: str, look: Callable[[House], Awaitable[None]]) -> Trial:
    """This fault, with a look at the house before its end."""
    (trial,) = chosen([name])

    @asynccontextmanager
    async def applied(house: House) -> AsyncIterator[None]:
        async with trial.applied(house):
            yield
            await look(house)

    return Trial(name=name, sentence=trial.sentence, level=trial.level, applied=applied, services=trial.services)


@pytest.mark.timeout(300)
async def test_a_fault_raises_its_alert_opens_an_incident_and_every_panel_of_the_dashboard_has_its_data(
    state: Path, tmp_path: Path
) -> None:
    told_of: list[bool] = []
    empty: list[str] = []

    async def look(house: House) -> None:
        assert isinstance(house, WatchedHouse)
        asked = [
            one
            for one in expressions(json.loads(DASHBOARD.read_text()))
            if not any(word in one for word in ONLY_AFTER_AN_EVENT)
        ]
        assert len(asked) > 10
        empty.extend(await without_data(house.watching, asked))
        everything = [
            one for path in DASHBOARD.parent.glob("*.json") for one in expressions(json.loads(path.read_text()))
        ]
        await without_data(house.watching, everything)
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        async with httpx.AsyncClient(headers=headers, timeout=10) as client:
            address = f"{house.services[RETAIL].api.url}/v1/admin/incidents"

            async def told() -> bool:
                ids = [one["id"] for one in (await client.get(address)).json()["incidents"]]
                return any(["AnswersDegraded" in (await client.get(f"{address}/{one}")).text for one in ids])

            told_of.append(await eventually(told))

    trial = then_looked_at("http_503", look)
    with Fleet(tmp_path / "logs") as fleet:
        seen = await proved(fleet, {RETAIL: [trial]}, state, tmp_path, SUBJECTS, tell=print, quiet_s=3)
    assert [(one.fault, one.alert, one.after_s is not None) for one in seen.raised] == [
        ("http_503", "ModelUnreachable", True)
    ]
    assert seen.broken == []
    assert empty == []
    assert told_of == [True]
