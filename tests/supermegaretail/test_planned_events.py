"""What planners know ahead, as it reaches the models, the answers and the pages."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

from common.state.overrides import Override
from supermegaretail.demo_data import LAST_SALES_DAY
from supermegaretail.events.planned import PlannedEvents
from supermegaretail.features import STABLE
from supermegaretail.history import SalesHistory
from supermegaretail.model_contract import unpacked
from supermegaretail.overriding import Scope
from supermegaretail.settings import RetailSettings
from tests.json_server import json_server
from tests.supermegaretail.conftest import LAST_DAY, sevens
from tests.supermegaretail.test_api import ADMIN, ALL, client, forecast, service, var_dir
from tests.supermegaretail.trained import both_questions, models_in, trained_chain
from tests.waiting import eventually

__all__ = ["client", "var_dir"]  # fixtures
URL = "/v1/admin/events"
MILK = [("north", "milk")]


def day(ahead: int) -> str:
    return (LAST_DAY + timedelta(days=ahead)).isoformat()


def dated(ahead: int) -> str:
    """After the last day of the synthetic sales."""
    return (LAST_SALES_DAY + timedelta(days=ahead)).isoformat()


def wish(**fields: Any) -> dict[str, Any]:
    known = {"store": "north", "name": "Concert", "first_day": day(3), "last_day": day(4), "factor": 1.5}
    return {**known, "owner": "Ann", "reason": "the town told us", **fields}


async def added(client: httpx.AsyncClient, **fields: Any) -> str:
    response = await client.post(URL, json=wish(**fields), headers=ADMIN)
    assert response.status_code == 201, response.text
    event_id: str = response.json()["id"]
    return event_id


def stored(name: str, first: int, last: int, factor: float | None, **scope: str) -> Override:
    value = {"name": name, "first_day": day(first), "last_day": day(last), "factor": factor}
    place = Scope("north", **scope).target
    return Override(f"{name}{first}", place, value, "Ann", "told", "", "9999-01-01T00:00:00+00:00")


def level_model(request: dict[str, Any]) -> dict[str, Any]:
    """Says the recent level on every day; its correction a tenth more."""
    days, predictions = request["horizon_days"], []
    for item in request["items"]:
        level = float(unpacked([base64.urlsafe_b64decode(item["stable"])], (len(STABLE),))[0, STABLE.index("level")])
        corrected = [1.1 * level] * days if item["extended"] else None
        predictions.append({"id": item["id"], "core": [level] * days, "correction": corrected})
    told = {"version": "1.0.0", "correction_version": "1.1.0", "correction_reason": None}
    return {**told, "predictions": predictions}


def fed(history: SalesHistory, *events: Override, as_of: date = LAST_DAY, horizon_days: int = 7) -> Any:
    return PlannedEvents.of(events).feed(MILK, history.panel, as_of=as_of, horizon_days=horizon_days)


@pytest.fixture(scope="module")
def history(table: pl.DataFrame) -> SalesHistory:
    return SalesHistory.build(table)


async def test_the_model_is_asked_at_the_level_that_is_expected(var_dir: Path) -> None:
    with json_server(level_model) as url:
        async with service(var_dir, url) as client:
            before = await forecast(client, ALL)
            event_id = await added(client)
            after = await forecast(client, ALL)
            again = await forecast(client, ALL)
            assert (await client.delete(f"{URL}/{event_id}", headers=ADMIN)).status_code == 204
            undone = await forecast(client, ALL)
    ratios = [
        np.divide(one["demand"], other["demand"]).round(3).tolist()
        for one, other in zip(after["forecasts"], before["forecasts"], strict=True)
    ]
    touched = [1, 1, 1.5, 1.5, 1, 1, 1]
    assert ratios == [touched, touched, [1] * 7]
    assert [one["served_by"] for one in after["forecasts"]] == ["correction"] * 3
    assert "events" not in before["versions"]
    assert len(after["versions"]["events"]) == 12
    assert {**again, "request_id": ""} == {**after, "request_id": ""}
    assert {**undone, "request_id": ""} == {**before, "request_id": ""}


async def test_an_explanation_names_the_event_in_the_planners_words(var_dir: Path) -> None:
    with json_server(level_model) as url:
        async with service(var_dir, url) as client:
            await added(client, name="Concert <b>in the park</b>")
            why = (await forecast(client, ALL[:1], explain=True))["forecasts"][0]
    told = why["explanation"]
    (event,) = [one for one in told["contributions"] if one["feature"].startswith("event: ")]
    assert event["feature"] == "event: Concert <b>in the park</b>"
    assert [units > 0 for units in event["per_day"]] == [False, False, True, True, False, False, False]
    total = np.sum([one["per_day"] for one in told["contributions"]], axis=0)
    assert np.allclose(np.add(told["moving_average"], total), told["demand"], atol=1e-3)
    assert told["demand"] == why["demand"]
    assert any("Ann told of 'Concert <b>in the park</b>'" in sentence for sentence in told["sentences"])


async def test_what_events_and_overrides_add_to_an_explanation_of_the_models_adds_up(tmp_path: Path) -> None:
    chain = trained_chain(tmp_path)
    (item,) = pl.read_parquet(RetailSettings(var_dir=chain).table_path).select("store", "sku").head(1).to_dicts()
    place = {"store": item["store"], "first_day": dated(2), "last_day": dated(5)}
    with json_server(both_questions(models_in(chain))) as url:
        async with service(chain, url) as client:
            await added(client, **place)
            await added(client, **{**place, "name": "Roadworks", "first_day": dated(4), "factor": 0.6})
            ends_at = (datetime.now(UTC) + timedelta(days=2)).isoformat()
            decided = {**item, "effect": "factor", "value": 1.1, "reason": "agreed", "owner": "Ann", "ends_at": ends_at}
            assert (await client.post("/v1/admin/overrides", json=decided, headers=ADMIN)).status_code == 201
            (told,) = (await forecast(client, [item], explain=True))["forecasts"]
    why = told["explanation"]
    names = {one["feature"] for one in why["contributions"]}
    assert {"event: Concert", "event: Roadworks", "override"} <= names
    assert (told["served_by"], why["reason"], why["demand"]) == ("correction", None, told["demand"])
    total = np.sum([one["per_day"] for one in why["contributions"]], axis=0)
    assert np.allclose(np.add(why["moving_average"], total), told["demand"], atol=1.5e-4)


async def test_without_a_model_the_moving_average_reckons_with_it(var_dir: Path) -> None:
    async with service(var_dir, "http://127.0.0.1:1") as client:
        before = (await forecast(client, ALL[:1]))["forecasts"][0]
        await added(client, sku="milk", factor=0.5)
        after = (await forecast(client, ALL[:1], explain=True, quantiles=[0.5]))["forecasts"][0]
    assert (before["served_by"], after["served_by"]) == ("moving_average", "moving_average")
    assert np.divide(after["demand"], before["demand"]).round(3).tolist() == [1, 1, 0.5, 0.5, 1, 1, 1]
    assert any(one["feature"] == "event: Concert" for one in after["explanation"]["contributions"])


async def test_a_constant_decided_by_a_person_is_above_events(var_dir: Path) -> None:
    with json_server(sevens) as url:
        async with service(var_dir, url) as client:
            await added(client)
            ends_at = (datetime.now(UTC) + timedelta(days=2)).isoformat()
            body = {"store": "north", "sku": "milk", "value": 5, "reason": "agreed", "owner": "Ann", "ends_at": ends_at}
            assert (await client.post("/v1/admin/overrides", json=body, headers=ADMIN)).status_code == 201
            first = (await forecast(client, ALL[:1], explain=True))["forecasts"][0]
    assert (first["demand"], first["served_by"]) == ([5.0] * 7, "override")


def test_a_level_that_knows_the_event_already_is_not_given_it_twice(history: SalesHistory) -> None:
    begun = fed(history, stored("Competitor", -6, 60, 0.7))
    known = (0.7 + (7 * 0.7 + 7) / 14 + (7 * 0.7 + 21) / 28) / 3
    assert np.allclose(begun.factors, 0.7 / known)
    long_ago = fed(history, stored("Competitor", -90, 60, 0.7))
    assert long_ago is None  # the level knows it whole


def test_after_an_event_its_trace_in_the_level_is_taken_out(history: SalesHistory) -> None:
    over = fed(history, stored("Concert", -6, 0, 2.0))
    assert (over.factors < 1).all()
    assert fed(history, stored("Concert", -40, -30, 2.0)) is None


def test_effects_of_one_day_multiply_within_bounds(history: SalesHistory) -> None:
    both = fed(
        history, stored("a", 2, 2, 2.0), stored("b", 2, 3, 3.0, category="food"), stored("c", 2, 2, 9.0, sku="bread")
    )
    assert both.factors[0].round(3).tolist() == [1, 6, 3, 1, 1, 1, 1]
    many = fed(history, *(stored(name, 1, 1, 10.0) for name in "abcd"))
    assert many.factors[0, 0] == 100


def test_an_event_without_a_factor_is_like_earlier_ones_of_its_name() -> None:
    rows = [
        ("north", "milk", LAST_DAY - timedelta(days=back), 30.0 if back in (20, 48) else 10.0) for back in range(100)
    ]
    types = {"sales": pl.Float32}
    columns = ["store", "sku", "date", "sales"]
    history = SalesHistory.build(pl.DataFrame(rows, schema=columns, orient="row", schema_overrides=types))
    earlier = [stored("Concert", -20, -20, None), stored("concert", -48, -48, 2.0)]
    made = fed(history, stored("Concert", 3, 3, None), *earlier)
    assert made is not None
    effect = made.factors[0, 2] / made.factors[0, 0]
    assert effect == pytest.approx(9 ** (1 / 3), rel=0.01)  # three times, twice, drawn towards once by one occasion
    assert (
        PlannedEvents.of([stored("Fair", 3, 3, None)]).feed(MILK, history.panel, as_of=LAST_DAY, horizon_days=7) is None
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"factor": 0},
        {"factor": 11},
        {"factor": "1.2"},
        {"last_day": day(1)},
        {"sku": "milk", "category": "food"},
        {"store": None},
        {"last_day": "2199-01-01"},
        {"first_day": "9999-12-31", "last_day": "9999-12-31"},
        {"surprise": 1},
        {"ends_at": "2020-01-01T00:00:00Z"},
        {"reason": ""},
    ],
)
async def test_what_is_no_event_is_refused(client: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    response = await client.post(URL, json=wish(**fields), headers=ADMIN)
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")


async def test_the_same_event_twice_is_refused_with_the_others_id(client: httpx.AsyncClient) -> None:
    first = await added(client)
    refused = await client.post(URL, json=wish(name="CONCERT", last_day=day(9)), headers=ADMIN)
    assert (refused.status_code, refused.json()["errors"]) == (409, [{"where": "replaces", "what": first}])
    second = await added(client, last_day=day(9), replaces=first)
    assert [one["id"] for one in (await client.get(URL, headers=ADMIN)).json()["events"]] == [second]
    assert (await client.delete(f"{URL}/{first}", headers=ADMIN)).status_code == 404


async def test_events_are_for_operators(client: httpx.AsyncClient) -> None:
    assert (await client.post(URL, json=wish())).status_code == 401
    assert (await client.get("/v1/admin/overrides", headers=ADMIN)).json()["overrides"] == []


async def test_a_preview_tells_the_change_and_saves_nothing(var_dir: Path) -> None:
    with json_server(level_model) as url:
        async with service(var_dir, url) as client:
            shown = (await client.post(f"{URL}/preview", json={"event": wish()}, headers=ADMIN)).json()
            listed = (await client.get(URL, headers=ADMIN)).json()
    assert (shown["matched"], shown["expected_factor"], len(shown["items"])) == (2, 1.5, 2)
    ratio = np.divide(shown["items"][0]["after"], shown["items"][0]["before"])
    assert ratio.round(3).tolist() == [1, 1, 1.5, 1.5, 1, 1, 1]
    assert listed == {"events": [], "version": None}


async def test_another_replica_and_the_next_start_know_it(var_dir: Path, database_url: str | None) -> None:
    more = {} if database_url is None else {"database_url": database_url}
    with json_server(level_model) as url:
        async with service(var_dir, url, **more) as one, service(var_dir, url, **more) as other:
            plain = (await forecast(other, ALL[:1]))["forecasts"]
            event_id = await added(one)

            async def seen() -> bool:
                return bool((await forecast(other, ALL[:1]))["forecasts"] != plain)

            await eventually(seen)
            version = (await forecast(one, ALL[:1]))["versions"]["events"]
            assert (await forecast(other, ALL[:1]))["versions"]["events"] == version
        async with service(var_dir, url, **more) as restarted:
            assert [it["id"] for it in (await restarted.get(URL, headers=ADMIN)).json()["events"]] == [event_id]
