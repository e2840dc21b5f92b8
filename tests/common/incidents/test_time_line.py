"""What a time line tells of switches, and of processes that start."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert

import photostock.releases
import supermegaretail.releases
from common.erasing.person import Person
from common.erasing.texts import pseudonymised
from common.incidents.draft import post_mortem
from common.incidents.service import start_noted
from common.incidents.store import Incident, IncidentStore
from common.incidents.tables import happenings
from common.incidents.time_line import Moment, time_line
from common.incidents.webhook import iso
from common.panel.owner import acting
from common.releases.store import ReleaseStore
from common.releases.tables import COMPONENTS_OF, releases
from common.service.app import Service
from common.settings import ServiceSettings
from common.state.database import create_tables, open_state
from common.state.overrides import OverrideStore
from photostock.settings import PhotoSettings
from supermegaretail.settings import RetailSettings
from tests.common.panel.test_attackers import ADMIN, HERE, app_of, signed_in, visitor
from tests.waiting import eventually


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_state(ServiceSettings(var_dir=tmp_path))
    yield engine
    engine.dispose()


def told(engine: Engine, incident: Incident) -> list[Moment]:
    create_tables(engine, releases.metadata)
    return time_line(engine, incident)


def test_who_set_a_switch_is_told_and_who_took_it_back_and_why_and_when_one_ended_by_itself(engine: Engine) -> None:
    switches, now = OverrideStore(engine, "small.switches"), datetime.now(UTC)
    for target, minutes in (("core", 1), ("correction", 60), ("average", 60)):
        end, begun = now + timedelta(minutes=minutes - 2), now - timedelta(minutes=2)
        made = switches.add(target, {"state": "off"}, owner="ann", reason="it times out", ends_at=end, now=begun)
    with acting("ben"):
        assert switches.withdraw(made.id, now=now, why="it is well again")
    incident = IncidentStore(engine).open("small", "odd answers", who="eve")
    assert sorted((one.what, one.who) for one in told(engine, incident) if one.kind == "switch") == [
        ("switch average set to off: it times out", "ann"),
        ("switch average taken back from off: it is well again", "ben"),
        ("switch core ended, it was off", ""),
        ("switch core set to off: it times out", "ann"),
        ("switch correction set to off: it times out", "ann"),
    ]


@pytest.mark.parametrize("by_page", [False, True])
async def test_whoever_takes_a_switch_back_says_why_and_both_are_told(tmp_path: Path, by_page: bool) -> None:
    end = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    wish, back = {"state": "off", "reason": "it times out", "ends_at": end}, {"reason": "well again"}
    app = app_of("supermegaretail", tmp_path)
    async with app.router.lifespan_context(app), visitor(app) as client:
        opened = await client.post("/v1/admin/incidents", json={"title": "odd answers"}, headers=ADMIN)
        assert (await client.put("/v1/admin/switches/core", json=wish, headers=ADMIN)).status_code == 200
        if by_page:
            await signed_in(client)
            form = {**back, "state": "auto", "hours": "1", "confirmed": "yes"}
            done = await client.post("/admin/switches/core", data=form, headers=HERE)
        else:
            done = await client.delete("/v1/admin/switches/core", params=back, headers=ADMIN)
        assert done.status_code == (303 if by_page else 204)
        incident = (await client.get(f"/v1/admin/incidents/{opened.json()['id']}", headers=ADMIN)).json()
    [_, taken_back] = (one for one in incident["time_line"] if one["kind"] == "switch")
    assert taken_back["what"] == "switch core taken back from off: well again"
    assert taken_back["who"] == next(one["who"] for one in incident["time_line"] if one["kind"] == "state")


def test_whose_name_is_an_ordinary_word_is_forgotten_as_who_took_a_switch_back(engine: Engine) -> None:
    switches, now = OverrideStore(engine, "small.switches"), datetime.now(UTC)
    made = switches.add("core", {"state": "off"}, owner="ann", reason="odd", ends_at=now + timedelta(1), now=now)
    with acting("ben"):
        switches.withdraw(made.id, now=now, why="it is well again")
    pseudonymised(engine, [Person("ben", f"{1:064}")])
    incident = IncidentStore(engine).open("small", "odd answers", who="eve")
    assert [one.who for one in told(engine, incident) if "taken back" in one.what] == ["erased-0000000000000000"]


def test_an_incident_has_the_releases_of_the_service_that_it_is_about_whichever_shows_it(engine: Engine) -> None:
    store, released = IncidentStore(engine), ReleaseStore(engine)
    OverrideStore(engine, "supermegaretail.switches")
    for component in ("core", "reranker"):
        released.add(component, from_version="1.0.0", to_version="1.1.0", report={}, who="ann", why="better")
        released.freeze(component, who="ann", why="wait")
    found = {
        service: {
            one.what.split()[0].rstrip(":") for one in told(engine, store.open(service, "odd answers", who="eve"))
        }
        for service in ("supermegaretail", "photostock", "somebody else")
    }
    mine = {service: names & {"core", "reranker"} for service, names in found.items()}
    assert mine == {"supermegaretail": {"core"}, "photostock": {"reranker"}, "somebody else": set()}


def test_everything_that_a_service_releases_belongs_on_its_time_lines() -> None:
    assert set(supermegaretail.releases.policies(RetailSettings())) <= set(COMPONENTS_OF["supermegaretail"])
    assert set(photostock.releases.policies(PhotoSettings())) <= set(COMPONENTS_OF["photostock"])


@pytest.mark.parametrize(("count", "left_out"), [(299, 0), (300, 0), (301, 0), (400, 0), (401, 1), (1_000, 600)])
def test_of_many_happenings_the_first_and_the_last_are_told_and_how_many_lie_between(
    engine: Engine, count: int, left_out: int
) -> None:
    OverrideStore(engine, "small.switches")
    incident, begun = IncidentStore(engine).open("small", "it flaps", who="eve"), datetime.now(UTC)
    rows = [
        {"service": "small", "at": iso(begun + timedelta(seconds=place // 2)), "kind": "degraded", "text": str(place)}
        for place in range(count)
    ]
    with engine.begin() as connection:
        connection.execute(insert(happenings), rows)
    line = told(engine, incident)
    shown = sorted(int(one.what) for one in line if one.kind == "degraded")
    first = min(100, count - 300) if count > 300 else 0
    assert shown == [*range(first), *range(max(first, count - 300), count)]
    gaps = [(place, one.what) for place, one in enumerate(line) if one.kind == "gap"]
    if not left_out:
        assert gaps == []
        return
    [(place, what)] = gaps
    assert what == f"{left_out} more happenings are not shown here"
    after = {int(one.what) for one in line[place + 1 :] if one.kind == "degraded"}
    assert after == set(range(count - 300, count))
    assert what in post_mortem(incident, line)


def test_happenings_that_go_while_they_are_read_are_not_told(engine: Engine) -> None:
    OverrideStore(engine, "small.switches")
    incident, begun = IncidentStore(engine).open("small", "it flaps", who="eve"), datetime.now(UTC)
    rows = [{"service": "small", "at": iso(begun), "kind": "degraded", "text": str(place)} for place in range(500)]
    with engine.begin() as connection:
        connection.execute(insert(happenings), rows)

    def tidied(connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if "count(" in statement and "FROM happenings" in statement:
            connection.exec_driver_sql("DELETE FROM happenings")

    event.listen(engine, "after_cursor_execute", tidied)
    line = told(engine, incident)
    assert {int(one.what) for one in line if one.kind == "degraded"} == set(range(200, 500))
    assert not [one for one in line if one.kind == "gap"]


async def test_a_model_process_that_starts_is_told(engine: Engine, tmp_path: Path) -> None:
    OverrideStore(engine, "small.switches")
    incident = IncidentStore(engine).open("small", "odd answers", who="eve")
    model = Service("small model", version="7", settings=ServiceSettings(var_dir=tmp_path))

    async def noted() -> bool:
        return ("started", "small model 7 started") in [(one.kind, one.what) for one in told(engine, incident)]

    async with start_noted(model, "small"):
        await eventually(noted)
