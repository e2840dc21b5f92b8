"""What a time line tells of switches, and of processes that start."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from common.incidents.service import start_noted
from common.incidents.store import Incident, IncidentStore
from common.incidents.time_line import Moment, time_line
from common.releases.tables import releases
from common.service.app import Service
from common.settings import ServiceSettings
from common.state.database import create_tables, open_state
from common.state.overrides import OverrideStore
from tests.waiting import eventually


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_state(ServiceSettings(var_dir=tmp_path))
    yield engine
    engine.dispose()


def told(engine: Engine, incident: Incident) -> list[Moment]:
    create_tables(engine, releases.metadata)
    return time_line(engine, incident, components=())


def test_who_set_a_switch_is_told_and_why_it_was_taken_back_and_when_one_ended_by_itself(engine: Engine) -> None:
    switches, now = OverrideStore(engine, "small.switches"), datetime.now(UTC)
    for target, minutes in (("core", 1), ("correction", 60), ("average", 60)):
        end, begun = now + timedelta(minutes=minutes - 2), now - timedelta(minutes=2)
        made = switches.add(target, {"state": "off"}, owner="ann", reason="it times out", ends_at=end, now=begun)
    assert switches.withdraw(made.id, now=now, why="it is well again")
    incident = IncidentStore(engine).open("small", "odd answers", who="eve")
    assert sorted((one.what, one.who) for one in told(engine, incident) if one.kind == "switch") == [
        ("switch average set to off: it times out", "ann"),
        ("switch average taken back from off: it is well again", ""),
        ("switch core ended, it was off", ""),
        ("switch core set to off: it times out", "ann"),
        ("switch correction set to off: it times out", "ann"),
    ]


async def test_a_model_process_that_starts_is_told(engine: Engine, tmp_path: Path) -> None:
    OverrideStore(engine, "small.switches")
    incident = IncidentStore(engine).open("small", "odd answers", who="eve")
    model = Service("small model", version="7", settings=ServiceSettings(var_dir=tmp_path))

    async def noted() -> bool:
        return ("started", "small model 7 started") in [(one.kind, one.what) for one in told(engine, incident)]

    async with start_noted(model, "small"):
        await eventually(noted)
