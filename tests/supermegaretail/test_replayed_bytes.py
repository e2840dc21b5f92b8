"""Forecasts made again: the same bytes, though sales, plans and overrides have changed since."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from common.state.database import open_state
from common.versions.registry import Registry
from supermegaretail.app import create_app
from supermegaretail.book import SalesBook, history_of
from supermegaretail.contract import Plan, Sale
from supermegaretail.folding import fold
from supermegaretail.kept_tables import KeptTables
from supermegaretail.ledger import Ledger
from supermegaretail.table import save_table
from tests.supermegaretail.conftest import ITEMS, LAST_DAY
from tests.supermegaretail.test_api import an_override
from tests.supermegaretail.test_replay import ALL, NAMED, service, settings_of

DAY = LAST_DAY - timedelta(days=2)
URL = "/v1/admin/overrides"


@pytest.fixture
def var_dir(tmp_path: Path, table: pl.DataFrame) -> Path:
    save_table(table, tmp_path / "supermegaretail" / "sales.parquet")
    return tmp_path


async def test_a_forecast_has_the_same_bytes_though_sales_and_overrides_have_changed(var_dir: Path) -> None:
    async with service(settings_of(var_dir)) as client:
        made = (await client.post("/v1/admin/overrides", json=an_override())).json()
        body = {"items": ALL, "horizon_days": 3, "quantiles": [0.5]}
        told = await client.post("/v1/forecasts", json=body, headers=NAMED)
        for units in (50, 60):
            sale = {**ALL[0], "date": DAY.isoformat(), "sales": units}
            assert (await client.post("/v1/sales", json={"sales": [sale]})).status_code == 201
        assert (await client.delete(f"/v1/admin/overrides/{made['id']}")).status_code < 300
        again = await client.get("/v1/admin/replays/monday-order", params={"as": "somebody"})
    assert again.status_code == 200, again.text
    document = again.json()
    assert document["same_bytes"] is True
    assert document["answer"] == told.json()
    assert document["as_caller"]["differences"]
    assert not document["same"]  # forecast from what is known now


async def test_an_item_that_nobody_announced_and_those_left_unexplained_are_replayed(var_dir: Path) -> None:
    items = [{"store": "south", "sku": "bread"}, *ALL * 4]
    async with service(settings_of(var_dir)) as client:
        told = await client.post(
            "/v1/forecasts", json={"items": items, "horizon_days": 28, "explain": True}, headers=NAMED
        )
        announced = {"store": "south", "sku": "bread", "date": DAY.isoformat(), "price": 2.5}
        assert (await client.post("/v1/plans", json={"plans": [announced]})).status_code == 201
        again = (await client.get("/v1/admin/replays/monday-order")).json()
    forecasts = told.json()["forecasts"]
    assert (forecasts[0]["served_by"], forecasts[-1]["explanation_reason"]) == ("moving_average", "too_many")
    assert again["answer"] == told.json()
    assert again["same_bytes"] is True


def test_what_was_known_at_any_moment_is_known_again_after_corrections_and_a_fold(var_dir: Path) -> None:
    settings = settings_of(var_dir)
    ledger = Ledger(open_state(settings))
    kept = KeptTables(var_dir / "kept", most_bytes=2**30, most_days=14)
    book = SalesBook(settings.table_path, ledger, kept)
    book.refresh()
    seen = [book.known]
    store, sku = ITEMS[0]
    for units in (50, 60):
        book.record_sales([Sale(store=store, sku=sku, date=DAY, sales=units)])
        seen.append(book.known)
    fold(settings.table_path, ledger)
    book.refresh()
    seen.append(book.known)
    book.record_sales([Sale(store=store, sku=sku, date=DAY, sales=70)])
    for known in seen:
        assert known.table is not None
        again = history_of(kept.find(known.table), ledger.at(known.position))
        ours, theirs = (one.inputs(ITEMS, as_of=LAST_DAY, horizon_days=3) for one in (known.history, again))
        assert ours.stable.tobytes() == theirs.stable.tobytes()
        assert ours.extended.tobytes() == theirs.extended.tobytes()


async def test_a_forecast_has_the_same_bytes_though_the_event_that_it_was_made_with_was_withdrawn(
    var_dir: Path,
) -> None:
    async with service(settings_of(var_dir)) as client:
        first = LAST_DAY + timedelta(days=1)
        days = {"first_day": first.isoformat(), "last_day": first.isoformat()}
        event = {"store": ALL[0]["store"], "name": "fair", "factor": 3, "owner": "Ann", "reason": "it is told", **days}
        made = (await client.post("/v1/admin/events", json=event)).json()
        body = {"items": ALL, "horizon_days": 3, "quantiles": [0.5]}
        told = await client.post("/v1/forecasts", json=body, headers=NAMED)
        assert (await client.delete(f"/v1/admin/events/{made['id']}")).status_code < 300
        again = (await client.get("/v1/admin/replays/monday-order")).json()
        without = {"without": f"event={made['id']}"}
        changed = (await client.get("/v1/admin/replays/monday-order", params=without)).json()["changed"]
    assert "events" in told.json()["versions"]
    assert again["versions"].keys() == told.json()["versions"].keys()
    assert again["same_bytes"] is True
    assert again["answer"] == told.json()
    assert any(one["where"].endswith("demand.0") for one in changed["differences"])


def test_a_new_category_counts_the_same_whether_it_came_as_news_or_is_read_from_the_ledger(var_dir: Path) -> None:
    settings = settings_of(var_dir)
    ledger = Ledger(open_state(settings))
    kept = KeptTables(var_dir / "kept", most_bytes=2**30, most_days=14)
    book = SalesBook(settings.table_path, ledger, kept)
    book.refresh()
    store, sku = ITEMS[0]
    for ahead, category in ((9, "fresh"), (2, "stale")):
        day = LAST_DAY + timedelta(days=ahead)
        book.record_plans([Plan(store=store, sku=sku, date=day, category_1="food", category_2=category)])
    known = book.known
    assert known.table is not None
    again = history_of(kept.find(known.table), ledger.at(known.position))
    place = known.history.panel.places[store, sku]
    assert known.history.panel.categories[place] == (2, "fresh")
    ours, theirs = (one.inputs(ITEMS, as_of=LAST_DAY, horizon_days=3) for one in (known.history, again))
    assert ours.stable.tobytes() == theirs.stable.tobytes()
    assert ours.extended.tobytes() == theirs.extended.tobytes()


async def test_a_forecast_has_the_same_bytes_after_an_update_which_is_told_beside_it(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr("supermegaretail.app.version", lambda _name: "0.0.1")
        earlier.setattr("supermegaretail.engine.FEATURES_VERSION", "0.1")
        async with service(settings_of(var_dir)) as client:
            told = await client.post("/v1/forecasts", json={"items": ALL, "horizon_days": 3}, headers=NAMED)
    app = create_app(settings_of(var_dir))
    async with app.router.lifespan_context(app):
        again = await app.state.engine.replays.replayer.replay("monday-order", without=["correction"])
    assert again["same_bytes"] is True
    assert again["answer"] == told.json()
    assert [again["versions"][name]["then"] for name in ("api", "features")] == ["0.0.1", "0.1"]
    assert all(again["versions"][name]["now"] != again["versions"][name]["then"] for name in ("api", "features"))
    assert not any(one["where"].startswith("versions") for one in again["changed"]["differences"])


async def test_a_factor_that_shaped_an_answer_shapes_it_again(var_dir: Path) -> None:
    async with service(settings_of(var_dir)) as client:
        wish = {**an_override(), "effect": "factor", "value": 2}
        wish.pop("demand_per_day", None)
        made = await client.post("/v1/admin/overrides", json=wish)
        assert made.status_code == 201, made.text
        body = {"items": ALL, "horizon_days": 3, "explain": True}
        told = await client.post("/v1/forecasts", json=body, headers=NAMED)
        assert (await client.delete(f"/v1/admin/overrides/{made.json()['id']}")).status_code < 300
        again = (await client.get("/v1/admin/replays/monday-order")).json()
    assert again["answer"] == told.json()
    assert again["same_bytes"] is True


@pytest.mark.parametrize("effect", ["factor", "constant"])
async def test_without_an_override_those_that_it_hid_decide_as_they_would_have(var_dir: Path, effect: str) -> None:
    of_item = an_override(effect="factor", value=2) | {"demand_per_day": None}
    of_store = of_item | {"sku": None, "effect": effect, "value": 3}
    async with service(settings_of(var_dir)) as client:
        body = {"items": ALL[:1], "horizon_days": 3}
        plain = (await client.post("/v1/forecasts", json=body)).json()
        hidden, decided = [(await client.post(URL, json=one)).json()["id"] for one in (of_store, of_item)]
        told = await client.post("/v1/forecasts", json=body, headers=NAMED)
        params = {"without": f"override={decided}"}
        again = (await client.get("/v1/admin/replays/monday-order", params=params)).json()
        both = {"without": [f"override={decided}", f"override={hidden}"]}
        neither = (await client.get("/v1/admin/replays/monday-order", params=both)).json()["changed"]["answer"]
        await client.delete(f"{URL}/{decided}")
        for_real = (await client.post("/v1/forecasts", json=body, headers=NAMED)).json()
    assert told.json()["forecasts"][0]["override_ids"] == [decided]
    assert again["same_bytes"] is True
    assert again["changed"]["answer"] == for_real
    assert neither["forecasts"] == plain["forecasts"]


@pytest.mark.parametrize(
    ("name", "change"),
    [("without", "override=typo"), ("without", "event=typo"), ("with", "version=99.9.9"), ("with", "correction=9.9.9")],
)
async def test_what_had_no_part_in_an_answer_and_versions_that_are_not_there_cannot_be_changed(
    var_dir: Path, name: str, change: str
) -> None:
    async with service(settings_of(var_dir)) as client:
        await client.post("/v1/forecasts", json={"items": ALL, "horizon_days": 3}, headers=NAMED)
        refused = await client.get("/v1/admin/replays/monday-order", params={name: change})
    assert refused.status_code == 422, refused.text
    assert change.partition("=")[2] in refused.json()["detail"]


async def test_without_its_override_an_answer_is_asked_of_the_core_of_then_and_not_of_todays_champion(
    var_dir: Path,
) -> None:
    settings = settings_of(var_dir)
    registry = Registry(settings.registry_dir)
    registry.publish("core", {"model": b"of then"}, alias="champion")
    async with service(settings) as client:
        made = (await client.post("/v1/admin/overrides", json=an_override())).json()
        body = {"items": ALL[:1], "horizon_days": 3}
        told = await client.post("/v1/forecasts", json=body, headers=NAMED)
    registry.publish("core", {"model": b"of today"}, alias="champion")
    async with service(settings) as client:
        same = (await client.get("/v1/admin/replays/monday-order")).json()
        without = {"without": f"override={made['id']}"}
        gone = await client.get("/v1/admin/replays/monday-order", params=without)
    assert "core" not in told.json()["versions"]
    assert same["same_bytes"] is True
    assert gone.status_code == 410
    assert gone.json()["detail"].startswith("this answer can't be made again: core 1.0.0 can't be loaded any more")
