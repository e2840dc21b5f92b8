"""What planners do with events: what is refused, edited, withdrawn, remembered and forgotten."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import polars as pl
import pytest
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from common.overrides.uses import OverrideUses
from common.service.problems import Problem
from common.state.database import open_state
from common.state.overrides import Override, OverrideStore, overrides
from supermegaretail.events.contract import NewEvent
from supermegaretail.events.desk import MOST_OF_A_STORE, SCOPE, EventDesk, end_of, scope_of, value_of
from supermegaretail.events.earlier import Earlier
from supermegaretail.history import SalesHistory
from tests.supermegaretail.conftest import LAST_DAY
from tests.supermegaretail.test_api import ADMIN, client, var_dir
from tests.supermegaretail.test_planned_events import URL, added, day, wish
from tests.supermegaretail.test_replay import ALL, NAMED, service, settings_of

__all__ = ["client", "var_dir"]  # fixtures
PAGE = "/admin/events"
HERE = {"Sec-Fetch-Site": "same-origin"}
TODAY = datetime.now(UTC).date()


@pytest.fixture
def state() -> Engine:
    return create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})


async def signed_in(client: httpx.AsyncClient) -> None:
    assert (await client.post("/admin/login", data={"token": "operator-token"}, headers=HERE)).status_code == 303


def told(first: date, *, last: date | None = None, **fields: Any) -> NewEvent:
    days = {"first_day": first.isoformat(), "last_day": (last or first).isoformat()}
    known = {"store": "north", "name": "Concert", "owner": "Ann", "reason": "the town told us", **days}
    return NewEvent.model_validate_json(json.dumps({**known, **fields}))


def told_then(state: Engine, event: NewEvent, *, days_ago: int) -> Override:
    """As the desk stored it that day."""
    then, store = datetime.now(UTC) - timedelta(days=days_ago), OverrideStore(state, SCOPE)
    target, value = scope_of(event).target, value_of(event)
    return store.add(target, value, owner="Ann", reason="told", ends_at=end_of(event, then), now=then)


def test_what_happened_a_year_ago_tells_what_an_event_of_that_name_does(state: Engine) -> None:
    desk, last_year = EventDesk(state), TODAY - timedelta(days=360)
    earlier = told_then(state, told(last_year, factor=2.0), days_ago=365)
    other = told_then(state, told(last_year, factor=2.0, name="Fair"), days_ago=365)
    assert desk.live.store.in_force(now=datetime.now(UTC)) == []
    made = desk.add(told(TODAY + timedelta(days=3), name="CONCERT"))
    assert [one.id for one in desk.live.value.occasions[made.id]] == [earlier.id]
    assert [one.id for one in desk.live.value.by_store["north"]] == [made.id]
    assert other.id not in str(desk.live.value)
    back = range((TODAY - last_year).days + 60)
    rows = [
        ("north", "milk", TODAY - timedelta(days=n), 30.0 if TODAY - timedelta(days=n) == last_year else 10.0)
        for n in back
    ]
    types = {"sales": pl.Float32}
    table = pl.DataFrame(rows, schema=["store", "sku", "date", "sales"], orient="row", schema_overrides=types)
    (event,) = desk.live.value.by_store["north"]
    effect = desk.live.value.effect(event, Earlier(SalesHistory.build(table).panel, TODAY))
    assert effect == pytest.approx(3**0.5)  # drawn towards once by one occasion


def test_a_past_that_cannot_be_read_is_read_again_and_said_so_meanwhile(
    state: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = EventDesk(state), EventDesk(state)
    earlier = told_then(state, told(TODAY - timedelta(days=360), factor=2.0), days_ago=365)
    with monkeypatch.context() as broken:
        broken.setattr(OverrideStore, "past", mock.Mock(side_effect=OperationalError("SELECT", {}, Exception("gone"))))
        store = OverrideStore(state, SCOPE)
        event = told(TODAY + timedelta(days=3))
        now = datetime.now(UTC)
        made = store.add(
            scope_of(event).target, value_of(event), owner="Ann", reason="told", ends_at=end_of(event, now), now=now
        )
        here.live.refresh()
        assert here.live.trouble is not None
    for desk in (here, there):
        desk.live.refresh()
        assert desk.live.trouble is None
        assert [one.id for one in desk.live.value.occasions[made.id]] == [earlier.id]


def test_an_event_that_ends_while_the_database_is_away_is_an_occasion_for_those_to_come(
    state: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there, now = EventDesk(state), EventDesk(state), datetime.now(UTC)
    over = told(TODAY - timedelta(days=9), factor=2.0)
    target, value, end = scope_of(over).target, value_of(over), now + timedelta(seconds=2)
    ended = OverrideStore(state, SCOPE).add(target, value, owner="Ann", reason="told", ends_at=end, now=now)
    made = here.add(told(TODAY + timedelta(days=3)))
    gone = mock.Mock(side_effect=OperationalError("SELECT", {}, Exception("gone")))
    with monkeypatch.context() as broken:
        broken.setattr(OverrideStore, "past", gone)
        broken.setattr(OverrideStore, "revision", gone)
        while datetime.now(UTC) < end:
            time.sleep(0.02)
        here.live.refresh()
    for desk in (here, there):
        desk.live.refresh()
        assert desk.live.trouble is None
        assert [one.id for one in desk.live.value.by_store["north"]] == [made.id]
        assert [one.id for one in desk.live.value.occasions[made.id]] == [ended.id]
    assert here.live.value.version == there.live.value.version


def test_what_was_called_off_or_told_anew_is_no_occasion(state: Engine) -> None:
    desk, then = EventDesk(state), TODAY + timedelta(days=5)
    cancelled = desk.add(told(then, factor=2.0))
    desk.withdraw(cancelled.id, why="it rained")
    first = desk.add(told(TODAY - timedelta(days=9), factor=2.0))
    second = desk.add(told(TODAY - timedelta(days=9), factor=3.0, replaces=first.id))
    made = desk.add(told(then + timedelta(days=5)))
    assert [one.id for one in desk.live.value.occasions[made.id]] == [second.id]


def test_the_version_of_what_is_known_names_the_occasions_too(state: Engine) -> None:
    desk = EventDesk(state)
    desk.add(told(TODAY + timedelta(days=3)))
    before = desk.live.value.version
    told_then(state, told(TODAY - timedelta(days=360), factor=2.0), days_ago=365)
    other = desk.add(told(TODAY, name="Fair", factor=2.0))
    desk.withdraw(other.id, why="it was a mistake")
    assert desk.live.value.version != before


async def test_a_forecast_has_the_same_bytes_though_its_event_was_like_one_that_is_over(var_dir: Path) -> None:
    settings = settings_of(var_dir)
    over, first = LAST_DAY - timedelta(days=8), LAST_DAY + timedelta(days=1)  # a day that sold more
    ago = (TODAY - over).days + 5
    told_then(open_state(settings), told(over, ends_at=f"{over + timedelta(days=3)}T00:00:00Z"), days_ago=ago)
    async with service(settings) as client:
        event = json.loads(told(first).model_dump_json())
        assert (await client.post(URL, json=event)).status_code == 201
        made = await client.post(
            "/v1/forecasts", json={"items": ALL, "horizon_days": 3, "explain": True}, headers=NAMED
        )
        again = (await client.get("/v1/admin/replays/monday-order")).json()
    assert "event: Concert" in made.text
    assert again["same_bytes"] is True


def test_a_store_that_is_full_takes_an_event_in_place_of_another_and_other_stores_take_more(state: Engine) -> None:
    desk, replica = EventDesk(state), EventDesk(state)
    for number in range(MOST_OF_A_STORE - 1):
        told_then(state, told(TODAY, name=f"e{number}", sku="milk"), days_ago=0)
    last = replica.add(told(TODAY))  # `desk` has not seen any of them
    with pytest.raises(Problem, match="withdraw some") as refused:
        desk.add(told(TODAY, name="one more"))
    assert refused.value.status == 409
    desk.add(told(TODAY, name="in its place", replaces=last.id))
    desk.add(told(TODAY, store="North"))
    desk.add(told(TODAY, store="nort"))


def test_what_ended_long_ago_is_forgotten_with_the_services_overrides(state: Engine) -> None:
    kept, gone = (told_then(state, told(TODAY - timedelta(days=back)), days_ago=back) for back in (700, 800))
    stranger = OverrideStore(state, "supermegaretailers.events")
    then = datetime.now(UTC) - timedelta(days=900)
    far = stranger.add("x", {}, owner="Ann", reason="told", ends_at=then + timedelta(days=1), now=then)
    OverrideUses(OverrideStore(state, "supermegaretail")).flush()
    with state.connect() as connection:
        left = set(connection.execute(select(overrides.c.id)).scalars())
    assert left == {kept.id, far.id}
    assert gone.id not in left


async def test_why_an_event_was_withdrawn_stays_on_record(client: httpx.AsyncClient, var_dir: Path) -> None:
    await signed_in(client)
    of_api, of_page = await added(client), await added(client, name="Fair")
    done = await client.delete(f"{URL}/{of_api}", params={"reason": "it rained"}, headers=ADMIN)
    assert done.status_code == 204
    refused = await client.post(f"{PAGE}/withdraw", data={"id": of_page}, headers=HERE)
    assert (refused.status_code, "tell why" in refused.text) == (422, True)
    form = {"id": of_page, "reason": "they are ill"}
    assert (await client.post(f"{PAGE}/withdraw", data=form, headers=HERE)).status_code == 303
    past = OverrideStore(open_state(settings_of(var_dir)), SCOPE).past(now=datetime.now(UTC))
    assert {one.id: one.withdrawn_why for one in past} == {of_api: "it rained", of_page: "they are ill"}


async def test_an_event_is_edited_in_the_form_and_the_new_one_takes_its_place(client: httpx.AsyncClient) -> None:
    await signed_in(client)
    known = await added(client, sku="milk", ticket="T-1")
    page = (await client.get(PAGE, headers=HERE)).text
    assert f"/admin/events?edit={known}#form" in page
    form = (await client.get(PAGE, params={"edit": known}, headers=HERE)).text
    for value in ("Concert", "north", "milk", day(3), day(4), "1.5", "the town told us", "T-1", known):
        assert f'value="{value}"' in form
    filled = {
        "name": "Concert",
        "store": "north",
        "sku": "milk",
        "first_day": day(3),
        "last_day": day(5),
        "factor": "1.7",
    }
    filled |= {"reason": "a day longer", "owner": "Ann", "replaces": known, "action": "save"}
    assert (await client.post(PAGE, data=filled, headers=HERE)).status_code == 303
    (one,) = (await client.get(URL, headers=ADMIN)).json()["events"]
    assert (one["factor"], one["last_day"]) == (1.7, day(5))
    assert (await client.get(PAGE, params={"edit": known}, headers=HERE)).status_code == 404


async def test_every_event_can_be_found_on_the_page(client: httpx.AsyncClient) -> None:
    await signed_in(client)
    for number in range(101):
        await added(client, name=f"Match {number}", first_day=day(number), last_day=day(number))
    newest = "Match 100</th>", "Match 100<br>"
    first, second, found = [
        (await client.get(PAGE, params=params, headers=HERE)).text
        for params in ({}, {"start": 100}, {"find": "MATCH 100"})
    ]
    assert not any(text in first for text in newest)
    assert "start=100" in first
    for page in (second, found):
        assert any(text in page for text in newest)
    assert "Match 7<br>" not in found


@pytest.mark.parametrize("far", ["9999-12-31", "2199-01-01"])
@pytest.mark.parametrize("more", [{}, {"ends_at": (datetime.now(UTC) + timedelta(days=9)).isoformat()}])
async def test_a_day_that_lies_too_far_ahead_is_refused_in_a_preview_as_well(
    client: httpx.AsyncClient, far: str, more: dict[str, str]
) -> None:
    event = wish(first_day=far, last_day=far, **more)
    previewed = await client.post(f"{URL}/preview", json={"event": event}, headers=ADMIN)
    stored = await client.post(URL, json=event, headers=ADMIN)
    for answer in (previewed, stored):
        assert (answer.status_code, answer.json()["errors"][0]["where"].split(".")[-1]) == (422, "first_day")


@pytest.mark.parametrize(
    ("change", "status"),
    [({"replaces": "0" * 16}, 404), ({"ends_at": "2020-01-01T00:00:00Z"}, 422), ({"first_day": "0001-01-01"}, 422)],
)
async def test_a_preview_refuses_what_could_not_be_saved(
    client: httpx.AsyncClient, change: dict[str, str], status: int
) -> None:
    event = wish(**change)
    for path, body in ((f"{URL}/preview", {"event": event}), (URL, event)):
        assert (await client.post(path, json=body, headers=ADMIN)).status_code == status
