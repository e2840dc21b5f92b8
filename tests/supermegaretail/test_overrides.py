"""What planners decide over the models' heads, through HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from common.state.overrides import Override
from supermegaretail.app import create_app
from supermegaretail.history import SalesHistory
from supermegaretail.override_rules import RetailRules
from supermegaretail.panel import Panel
from supermegaretail.settings import RetailSettings
from tests.json_server import json_server
from tests.supermegaretail.conftest import ITEMS, LAST_DAY, sevens
from tests.supermegaretail.test_api import ADMIN, ALL, UNKNOWN, client, forecast, service, var_dir
from tests.waiting import eventually

__all__ = ["client", "var_dir"]  # fixtures
URL = "/v1/admin/overrides"


def wish(**fields: Any) -> dict[str, Any]:
    ends_at = (datetime.now(UTC) + timedelta(days=20)).isoformat()
    return {"owner": "Ann", "reason": "street party", "ends_at": ends_at, **fields}


async def added(client: httpx.AsyncClient, **fields: Any) -> str:
    response = await client.post(URL, json=wish(**fields), headers=ADMIN)
    assert response.status_code == 201, response.text
    override_id: str = response.json()["id"]
    return override_id


def day(ahead: int) -> str:
    return (LAST_DAY + timedelta(days=ahead)).isoformat()


@pytest.mark.parametrize(
    ("effect", "value", "told"), [("factor", 2, 14.0), ("floor", 9, 9.0), ("ceiling", 3.5, 3.5), ("floor", 5, 7.0)]
)
async def test_the_tier_that_was_shaped_still_serves(var_dir: Path, effect: str, value: float, told: float) -> None:
    with json_server(sevens) as url:
        async with service(var_dir, url) as client:
            override_id = await added(client, store="north", sku="milk", effect=effect, value=value)
            first, second, _ = (await forecast(client, ALL))["forecasts"]
    assert (first["demand"], first["served_by"], first["degraded"]) == ([told] * 7, "correction", False)
    assert (first["override_id"], first["override_ids"]) == (override_id, [override_id])
    assert (second["demand"], second["override_id"], second["override_ids"]) == ([7.0] * 7, None, None)


async def test_an_override_of_some_days_shapes_only_these(var_dir: Path) -> None:
    with json_server(sevens) as url:
        async with service(var_dir, url) as client:
            override_id = await added(client, store="north", sku="milk", value=50, first_day=day(3), last_day=day(4))
            some = (await forecast(client, ALL[:1]))["forecasts"][0]
            only = (await forecast(client, ALL[:1], as_of=day(2), horizon_days=2))["forecasts"][0]
            after = (await forecast(client, ALL[:1], as_of=day(4)))["forecasts"][0]
    assert (some["demand"], some["served_by"]) == ([7.0, 7.0, 50.0, 50.0, 7.0, 7.0, 7.0], "correction")
    assert (only["demand"], only["served_by"], only["override_id"]) == ([50.0] * 2, "override", override_id)
    assert (after["override_id"], after["demand"]) == (None, [7.0] * 7)


async def test_the_most_specific_scope_decides(var_dir: Path) -> None:
    scopes: list[dict[str, Any]] = [
        {"store": "north"},
        {"category": "food"},
        {"store": "north", "category": "food"},
        {"sku": "milk"},
        {"store": "north", "sku": "milk"},
    ]
    with json_server(sevens) as url:
        async with service(var_dir, url) as client:
            seen = []
            for value, scope in enumerate(scopes, start=2):
                await added(client, **scope, effect="factor", value=value)
                seen.append([one["demand"][0] / 7 for one in (await forecast(client, ALL))["forecasts"]])
            listed = (await client.get(URL, headers=ADMIN)).json()["overrides"]
    assert ITEMS == [("north", "milk"), ("north", "bread"), ("south", "milk")]
    assert seen == [[2, 2, 1], [3, 3, 3], [4, 4, 3], [5, 4, 5], [6, 4, 5]]
    assert [len(one["shadowed_by"]) for one in listed] == [4, 3, 2, 1, 0]


async def test_the_list_comes_in_pages(client: httpx.AsyncClient) -> None:
    made = [await added(client, sku=sku, value=3) for sku in ("milk", "bread", "tea")]
    first = (await client.get(URL, params={"limit": 2}, headers=ADMIN)).json()
    rest = (await client.get(URL, params={"limit": 2, "after": first["next"]}, headers=ADMIN)).json()
    whole = (await client.get(URL, headers=ADMIN)).json()
    assert [one["id"] for one in first["overrides"] + rest["overrides"]] == made
    assert (rest["next"], whole["next"], len(whole["overrides"])) == (None, None, 3)
    assert (await client.get(URL, params={"after": "0" * 16}, headers=ADMIN)).status_code == 404


def test_which_ones_win_over_which_is_told_of_many_without_looking_at_each_pair() -> None:
    ends_at = "2099-01-01T00:00:00.000+00:00"

    def override(number: int, target: str, **days: str) -> Override:
        return Override(f"{number:016x}", target, {"value": 3, **days}, "Ann", "party", ends_at, ends_at)

    stores = [override(number, f"store {number}\n", last_day="2026-01-31") for number in range(200)]
    products = [override(1_000 + n, f"\nproduct {n}", first_day="2026-02-01") for n in range(3_000)]
    looked: list[int] = []
    rules = RetailRules(lambda: looked.append(1) or Panel())  # type: ignore[func-returns-value]
    assert rules.shadows([*stores, *products]) == {}
    late = override(9_999, "\nproduct", first_day="2026-01-31")
    assert rules.shadows([*stores, *products, late]) == {one.id: [late.id] for one in stores}
    assert len(looked) <= 2


def test_one_of_an_unannounced_item_wins_over_one_of_the_category_that_it_is_served_in(table: pl.DataFrame) -> None:
    ends_at = "2099-01-01T00:00:00.000+00:00"
    targets = {"item": "south\nbread", "category": "south\n\nfood"}
    panel = SalesHistory.build(table).panel
    told = [Override(name, target, {"value": 3}, "Ann", "party", ends_at, ends_at) for name, target in targets.items()]
    assert panel.lacks(("south", "bread"))
    assert RetailRules(lambda: panel).shadows(told) == {"category": ["item"]}


async def test_effects_of_one_scope_work_together(var_dir: Path) -> None:
    with json_server(sevens) as url:
        async with service(var_dir, url) as client:
            await added(client, sku="milk", effect="factor", value=3)
            await added(client, sku="milk", effect="ceiling", value=20)
            first = (await forecast(client, ALL[:1], quantiles=[0.5]))["forecasts"][0]
    assert (first["demand"], len(first["override_ids"])) == ([20.0] * 7, 2)


async def test_two_that_can_not_be_true_together_are_refused_with_the_others_id(client: httpx.AsyncClient) -> None:
    first = await added(client, sku="milk", effect="floor", value=10, first_day=day(1), last_day=day(9))
    for fields in (
        {"effect": "floor", "value": 12, "first_day": day(9)},
        {"effect": "ceiling", "value": 5},
        {"value": 5},
    ):
        refused = await client.post(URL, json=wish(sku="milk", **fields), headers=ADMIN)
        assert (refused.status_code, refused.json()["errors"]) == (409, [{"where": "replaces", "what": first}])
    await added(client, sku="milk", effect="floor", value=12, first_day=day(10))
    second = await added(client, sku="milk", effect="floor", value=12, last_day=day(9), replaces=first)
    listed = {one["id"] for one in (await client.get(URL, headers=ADMIN)).json()["overrides"]}
    assert first not in listed
    assert second in listed


@pytest.mark.parametrize(
    "fields",
    [
        {"value": 5},
        {"sku": "milk"},
        {"sku": "milk", "value": 5, "demand_per_day": 5},
        {"sku": "milk", "demand_per_day": 5, "effect": "floor"},
        {"sku": "milk", "category": "food", "value": 5},
        {"sku": "milk", "value": -1},
        {"sku": "milk", "value": 5_000, "effect": "factor"},
        {"sku": "milk", "value": 5, "first_day": "2026-12-26", "last_day": "2026-12-24"},
        {"sku": "milk", "value": 5, "effect": "double"},
        {"sku": "milk", "value": 5, "first_day": "0001-01-01"},
        {"sku": "milk", "value": 5, "last_day": "9999-12-31"},
        {"sku": "milk", "value": 5, "first_day": "9999-12-31"},
        {"sku": "milk", "value": 5, "ends_at": "9999-12-31T23:59:59-12:00"},
        {"sku": "milk", "value": 5, "ends_at": "2020-01-01T00:00:00Z"},
        {"sku": "milk", "value": 5, "ends_at": "2036-01-01T00:00:00"},
        {"sku": "milk", "value": 5, "reason": "the fair\0"},
        {"sku": "milk", "value": 5, "ticket": "\x1b[2J"},
        {"sku": "milk", "value": 5, "plan": "\x7f"},
    ],
)
async def test_what_makes_no_sense_is_refused_in_a_preview_as_well(
    client: httpx.AsyncClient, fields: dict[str, Any]
) -> None:
    for path, body in ((URL, wish(**fields)), (f"{URL}/preview", {"override": wish(**fields)})):
        assert (await client.post(path, json=body, headers=ADMIN)).status_code == 422


async def test_a_preview_of_what_replaces_nothing_is_refused(client: httpx.AsyncClient) -> None:
    body = {"override": wish(sku="milk", value=5, replaces="0" * 16)}
    assert (await client.post(f"{URL}/preview", json=body, headers=ADMIN)).status_code == 404


async def test_a_reason_has_lines_and_tabs_but_nothing_that_a_database_or_a_terminal_stumbles_over(
    client: httpx.AsyncClient,
) -> None:
    override_id = await added(client, sku="milk", value=5, reason="the fair:\r\n\ta week")
    for path in (f"{URL}/{override_id}", f"/v1/admin/events/{override_id}"):
        assert (await client.delete(f"{path}?reason=%00", headers=ADMIN)).status_code == 422
    assert (await client.delete(f"{URL}/{override_id}?reason=over%0Anow", headers=ADMIN)).status_code == 204


async def test_what_people_did_is_a_part_of_an_explanation_that_adds_up(client: httpx.AsyncClient) -> None:
    await added(client, store="north", effect="factor", value=1.5, reason="the fair")
    answer = await forecast(client, [*ALL, UNKNOWN], explain=True)
    for one in answer["forecasts"][:2]:
        why = one["explanation"]
        added_up = [sum(days) for days in zip(*(told["per_day"] for told in why["contributions"]), strict=True)]
        apart = [told - average for told, average in zip(one["demand"], why["moving_average"], strict=True)]
        assert added_up == pytest.approx(apart, abs=1e-3)
        assert "override" in [told["feature"] for told in why["contributions"]]
        assert any("the fair" in sentence for sentence in why["sentences"])


async def test_a_preview_changes_nothing_and_tells_what_would(client: httpx.AsyncClient) -> None:
    body = {"override": wish(sku="milk", effect="factor", value=2)}
    preview = (await client.post(f"{URL}/preview", json=body, headers=ADMIN)).json()
    assert (preview["matched"], len(preview["items"])) == (2, 2)
    for one in preview["items"]:
        assert one["after"] == pytest.approx([2 * units for units in one["before"]], abs=1e-3)
    assert (await client.get(URL, headers=ADMIN)).json()["overrides"] == []


async def test_a_preview_tells_of_conflicts_and_of_those_that_win(client: httpx.AsyncClient) -> None:
    narrow = await added(client, **ALL[0], value=5)
    same = await added(client, sku="milk", effect="factor", value=3)
    body = {"override": wish(sku="milk", effect="factor", value=2), "items": ALL[:1]}
    preview = (await client.post(f"{URL}/preview", json=body, headers=ADMIN)).json()
    assert [one["id"] for one in preview["conflicts"]] == [same]
    assert preview["shadowed_by"] == [narrow]
    assert preview["items"][0]["before"] == preview["items"][0]["after"]


async def test_uses_are_compared_with_the_model_and_then_with_what_was_sold(var_dir: Path) -> None:
    with json_server(sevens) as url:
        settings = RetailSettings(var_dir=var_dir, model_url=url, admin_token="operator-token", low_timeout_ms=2_000)
        app = create_app(settings, raise_bugs=True)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://retail") as client,
        ):
            whole = await added(client, **ALL[0], value=10)
            half = await added(client, **ALL[1], effect="factor", value=0.5)
            await forecast(client, ALL)
            engine = app.state.engine
            await engine.override_effects.look(engine.book.history)
            sold = [{**item, "date": day(1), "sales": 9.0} for item in ALL]
            assert (await client.post("/v1/sales", json={"sales": sold})).status_code == 201
            await engine.override_effects.look(engine.book.history)
            engine.overrides.uses.flush()
            told = {one["id"]: one for one in (await client.get(URL, headers=ADMIN)).json()["overrides"]}
    assert (told[whole]["used"], told[whole]["mean_difference"]) == (1, 3.0)
    assert (told[half]["used"], told[half]["mean_difference"]) == (1, -3.5)
    assert told[whole]["truth"] == {
        "days": 1, "mean_error": 1.0, "mean_model_error": 2.0, "nearer_days": 1, "was_nearer": True
    }  # fmt: skip
    assert told[half]["truth"]["was_nearer"] is False


async def test_the_page_lists_previews_adds_and_withdraws(client: httpx.AsyncClient) -> None:
    here = {"Origin": "http://retail"}
    await client.post("/admin/login", data={"token": "operator-token"}, headers=here)
    form = {"sku": "milk", "effect": "factor", "value": "1.5", "owner": "Ann", "reason": "<script>alert(1)</script>"}
    form["ends_on"] = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    tried = await client.post("/admin/overrides", data=form | {"action": "preview"}, headers=here)
    assert tried.status_code == 200
    assert "2 known products" in tried.text
    wrong = await client.post("/admin/overrides", data=form | {"value": "much"}, headers=here)
    assert wrong.status_code == 422
    assert "valid number" in wrong.text
    bare = await client.post("/admin/overrides", data=form, headers=here)
    assert (bare.status_code, bare.text.count("It is needed.")) == (422, 2)
    form |= {"ticket": "SHOP-7", "plan": "teach the model the fair"}
    saved = await client.post("/admin/overrides", data=form, headers=here)
    assert saved.status_code == 303
    page = (await client.get(saved.headers["location"])).text
    assert "1.5 times the forecast" in page
    assert "ends within a week" in page
    assert "<script>alert" not in page
    again = await client.post("/admin/overrides", data=form, headers=here)
    assert again.status_code == 409
    [one] = (await client.get(URL, headers=ADMIN)).json()["overrides"]
    silent = await client.post("/admin/overrides/withdraw", data={"id": one["id"]}, headers=here)
    assert (silent.status_code, "tell why" in silent.text) == (422, True)
    home = (await client.get("/admin")).text
    assert "1 in force" in home
    assert "ends within a week" in home
    why = {"id": one["id"], "reason": "the fair is off"}
    gone = await client.post("/admin/overrides/withdraw", data=why, headers=here)
    assert gone.status_code == 303
    assert (await client.get(URL, headers=ADMIN)).json()["overrides"] == []


async def test_the_numbers_tell_how_many_need_a_look(client: httpx.AsyncClient) -> None:
    await added(client, sku="milk", value=3)
    metrics = (await client.get("/metrics")).text
    assert "overrides_in_force 1.0" in metrics
    assert 'overrides_to_look_at{why="no_plan"} 1.0' in metrics
    assert 'overrides_to_look_at{why="no_ticket"} 1.0' in metrics
    report = (await client.get(f"{URL}/report", headers=ADMIN)).json()
    assert (report["in_force"], report["no_plan"], report["expiring"]) == (1, 1, 0)


async def test_another_replica_follows_and_follows_back(var_dir: Path, database_url: str | None) -> None:
    options = {} if database_url is None else {"database_url": database_url}
    async with service(var_dir, **options) as one, service(var_dir, **options) as other:

        async def shaped() -> bool:
            return (await forecast(other, ALL[:1]))["forecasts"][0]["override_id"] is not None

        async def unshaped() -> bool:
            return not await shaped()

        override_id = await added(one, store="north", effect="factor", value=2)
        await eventually(shaped)
        assert (await one.delete(f"{URL}/{override_id}", headers=ADMIN)).status_code == 204
        await eventually(unshaped)
