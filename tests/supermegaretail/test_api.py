"""The API process through HTTP, with a model on a real socket that is well, wrong or gone."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from supermegaretail.app import create_app
from supermegaretail.settings import RetailSettings
from supermegaretail.table import save_table
from tests.json_server import Answer, json_server
from tests.supermegaretail.conftest import ITEMS, LAST_DAY, NEVER_SOLD, sevens
from tests.waiting import eventually

ADMIN = {"Authorization": "Bearer operator-token"}
NOBODY = "http://127.0.0.1:1"
ALL = [{"store": store, "sku": sku} for store, sku in ITEMS]
UNKNOWN = {"store": "north", "sku": "unicorn"}


@asynccontextmanager
async def service(var_dir: Path, model_url: str = NOBODY, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The application over whatever lies in `var_dir`, started and stopped as a server would."""
    settings = RetailSettings.model_validate(
        {"var_dir": var_dir, "model_url": model_url, "admin_token": "operator-token"}
        | {"low_timeout_ms": 2_000, "high_timeout_ms": 20_000}
        | options
    )
    app = create_app(settings, raise_bugs=True)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://retail") as client,
    ):
        yield client


@pytest.fixture
def var_dir(tmp_path: Path, table: pl.DataFrame) -> Path:
    save_table(table, tmp_path / "supermegaretail" / "sales.parquet")
    return tmp_path


@pytest.fixture
async def client(var_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with service(var_dir) as client:
        yield client


async def forecast(client: httpx.AsyncClient, items: list[dict[str, str]], **fields: Any) -> dict[str, Any]:
    response = await client.post("/v1/forecasts", json={"items": items, **fields})
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


async def test_the_correction_serves_and_nothing_is_degraded(var_dir: Path) -> None:
    with json_server(sevens) as url:
        async with service(var_dir, url) as client:
            answer = await forecast(client, ALL, horizon_days=3)
    assert [f["demand"] for f in answer["forecasts"]] == [[7.0] * 3] * 3
    assert {(f["served_by"], f["degraded"], f["reason"]) for f in answer["forecasts"]} == {("correction", False, None)}
    assert answer["versions"].items() >= {"core": "1.0.0", "correction": "1.1.0"}.items()
    assert answer["as_of"] == LAST_DAY.isoformat()
    assert answer["forecasts"][0]["dates"] == [(LAST_DAY + timedelta(days=d)).isoformat() for d in (1, 2, 3)]


async def test_without_the_model_the_moving_average_answers_and_says_so(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/forecasts", json={"items": ALL})
    assert (response.headers["X-Served-By"], response.headers["X-Degraded"]) == ("moving_average", "true")
    for place, one in enumerate(response.json()["forecasts"]):
        assert (one["served_by"], one["reason"]) == ("moving_average", "core:unreachable")
        assert all(abs(demand - (10 + 5 * place)) < 8 for demand in one["demand"])


async def test_products_without_history_get_the_constant_and_do_not_drag_down_the_others(var_dir: Path) -> None:
    never_sold = {"store": NEVER_SOLD[0], "sku": NEVER_SOLD[1]}
    with json_server(sevens) as url:
        async with service(var_dir, url) as client:
            answer = await forecast(client, [ALL[0], UNKNOWN, never_sold, ALL[1]])
    told = [(f["sku"], f["served_by"], f["degraded"], f["reason"]) for f in answer["forecasts"]]
    reason = "core:unknown_item, moving_average:unknown_item"
    assert told == [
        ("milk", "correction", False, None),
        ("unicorn", "constant", True, reason),
        ("caviar", "constant", True, reason),
        ("bread", "correction", False, None),
    ]
    assert answer["degraded"] is True


def with_one(**change: Any) -> Answer:
    """A model that is right but for the first item's prediction."""

    def answer(request: dict[str, Any]) -> Any:
        document = sevens(request)
        document["predictions"][0] |= change
        return document

    return answer


def reversed_items(request: dict[str, Any]) -> Any:
    document = sevens(request)
    document["predictions"].reverse()
    return document


def too_few(request: dict[str, Any]) -> Any:
    document = sevens(request)
    document["predictions"].pop()
    return document


async def test_an_item_that_the_model_forgot_falls_back_alone(var_dir: Path) -> None:
    with json_server(too_few) as url:
        async with service(var_dir, url) as client:
            answer = await forecast(client, ALL)
    told = [(f["served_by"], f["reason"]) for f in answer["forecasts"]]
    assert told == [("correction", None), ("correction", None), ("moving_average", "core:meaning")]


async def test_a_large_request_reaches_the_model_in_pieces_and_comes_back_whole(var_dir: Path) -> None:
    sizes: list[int] = []

    def counted(request: dict[str, Any]) -> Any:
        sizes.append(len(request["items"]))
        return sevens(request)

    with json_server(counted) as url:
        async with service(var_dir, url) as client:
            answer = await forecast(client, ALL * 60, horizon_days=28)
    assert {(f["served_by"], len(f["demand"])) for f in answer["forecasts"]} == {("correction", 28)}
    assert len(answer["forecasts"]) == 180
    assert max(sizes) * (2 * 28 + 4) <= 3_500


async def test_pieces_answered_by_two_versions_are_not_mixed(var_dir: Path) -> None:
    def another_each_time(request: dict[str, Any]) -> Any:
        first = request["items"][0]["id"].endswith("-0")
        return sevens(request) | {"version": "1.0.0" if first else "2.0.0"}

    with json_server(another_each_time) as url:
        async with service(var_dir, url) as client:
            answer = await forecast(client, ALL * 60, horizon_days=28)
    assert answer["versions"]["core"] == "1.0.0"
    assert {f["reason"] for f in answer["forecasts"]} == {None, "core:version"}


async def test_a_shadow_sees_the_calls_and_operators_see_how_it_differs(var_dir: Path) -> None:
    def eights(request: dict[str, Any]) -> Any:
        assert request["version"] == "champion"
        document = sevens(request) | {"version": "9.0.0"}
        for prediction in document["predictions"]:
            prediction["correction"] = [8.0] * request["horizon_days"]
        return document

    with json_server(sevens) as url, json_server(eights) as other:
        async with service(var_dir, url, shadow_url=other) as client:
            answer = await forecast(client, ALL)
            report = await eventually(lambda: compared(client))
    assert answer["versions"]["core"] == "1.0.0"
    assert {f["demand"][0] for f in answer["forecasts"]} == {7.0}
    assert report["mean_difference"] == pytest.approx(1 / 7)


async def test_a_shadow_that_is_dead_changes_nothing(var_dir: Path) -> None:
    with json_server(sevens) as url:
        async with service(var_dir, url, shadow_url=NOBODY) as client:
            answer = await forecast(client, ALL)
    assert {f["served_by"] for f in answer["forecasts"]} == {"correction"}


async def test_without_a_shadow_there_is_nothing_to_report(client: httpx.AsyncClient) -> None:
    assert await shadow_report(client) is None


async def compared(client: httpx.AsyncClient) -> Any:
    report = await shadow_report(client)
    return report if report["compared"] else None


async def shadow_report(client: httpx.AsyncClient) -> Any:
    return (await client.get("/v1/admin/shadow", headers=ADMIN)).json()["shadow"]


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (with_one(core=[float("nan")] * 7), "core:schema"),
        (with_one(core=["6"] * 7), "core:schema"),
        (with_one(core=[6.0] * 6), "core:meaning"),
        (with_one(id="99"), "core:meaning"),
        (reversed_items, "core:meaning"),
        (lambda _: [], "core:schema"),
        (lambda _: {"demand": []}, "core:schema"),
    ],
)
async def test_a_model_that_lies_is_not_believed(var_dir: Path, lie: Answer, reason: str) -> None:
    with json_server(lie) as url:
        async with service(var_dir, url) as client:
            answer = await forecast(client, ALL)
    assert {(f["served_by"], f["reason"]) for f in answer["forecasts"]} == {("moving_average", reason)}


@pytest.mark.parametrize("absurd", [-1.0, 1e6, 1e308])
async def test_an_implausible_number_is_refused_for_that_item_alone(var_dir: Path, absurd: float) -> None:
    with json_server(with_one(core=[absurd] * 7)) as url:
        async with service(var_dir, url) as client:
            first, *others = (await forecast(client, ALL))["forecasts"]
    assert (first["served_by"], first["reason"]) == ("moving_average", "core:out_of_range")
    assert {one["served_by"] for one in others} == {"correction"}


async def test_an_implausible_correction_leaves_the_cores_answer(var_dir: Path) -> None:
    with json_server(with_one(correction=[-3.0] * 7)) as url:
        async with service(var_dir, url) as client:
            first, *_ = (await forecast(client, ALL))["forecasts"]
    assert (first["served_by"], first["demand"][0], first["reason"]) == ("core", 6.0, "correction:out_of_range")


async def test_without_plans_for_the_days_to_come_the_correction_is_skipped(
    tmp_path: Path, table: pl.DataFrame
) -> None:
    save_table(table.filter(pl.col("sales").is_not_null()), tmp_path / "supermegaretail" / "sales.parquet")
    with json_server(sevens) as url:
        async with service(tmp_path, url) as client:
            answer = await forecast(client, ALL)
    assert {(f["served_by"], f["reason"]) for f in answer["forecasts"]} == {("core", "correction:inputs_missing")}


async def test_another_version_than_the_one_asked_for_is_refused(var_dir: Path) -> None:
    def other_version(request: dict[str, Any]) -> Any:
        return sevens(request) | {"version": "6.6.6"}

    registry = var_dir / "registry" / "core" / "1.0.0"
    registry.mkdir(parents=True)
    (registry / "manifest.json").write_text("{}")
    with json_server(other_version) as url:
        async with service(var_dir, url) as client:
            answer = await forecast(client, ALL, version="1.0.0")
            unknown = await client.post("/v1/forecasts", json={"items": ALL, "version": "9.9.9"})
    assert answer["forecasts"][0]["reason"] == "core:version"
    assert unknown.status_code == 404


async def test_the_same_request_twice_is_the_same_answer(var_dir: Path) -> None:
    with json_server(sevens) as url:
        async with service(var_dir, url) as client:
            request = {"json": {"items": [*ALL, UNKNOWN], "seed": 42}, "headers": {"X-Request-ID": "same"}}
            first, second = [await client.post("/v1/forecasts", **request) for _ in range(2)]  # type: ignore[arg-type]
    assert first.content == second.content


async def test_an_earlier_day_is_forecast_from_what_was_known_then(client: httpx.AsyncClient) -> None:
    as_of = LAST_DAY - timedelta(days=30)
    answer = await forecast(client, ALL, as_of=as_of.isoformat(), horizon_days=1)
    assert answer["forecasts"][0]["dates"] == [(as_of + timedelta(days=1)).isoformat()]
    long_ago = await forecast(client, ALL, as_of="1999-01-01")
    assert {one["served_by"] for one in long_ago["forecasts"]} == {"constant"}


async def test_one_item_can_be_asked_for_by_get(client: httpx.AsyncClient) -> None:
    one = await client.get("/v1/forecasts", params={"store": "north", "sku": "milk", "horizon_days": 2})
    many = await forecast(client, ALL[:1], horizon_days=2)
    assert one.json()["forecasts"] == many["forecasts"]


async def test_the_old_api_answers_in_its_own_words_and_says_that_it_ends(client: httpx.AsyncClient) -> None:
    response = await client.get("/predictions", params={"sku": "milk", "entity_id": "north", "limit": 2})
    [first, second] = response.json()["predictions"]
    assert (first["sku"], first["entity"], second["period"]) == ("milk", "north", "2026-06-30")
    assert response.headers["Deprecation"].startswith("@")
    assert response.headers["Sunset"].endswith("GMT")
    metrics = (await client.get("/metrics")).text
    assert 'deprecated_calls_total{caller="anonymous",route="/predictions"} 1.0' in metrics


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"items": []}, "items"),
        ({"items": [{"store": "a"}]}, "items.0.sku"),
        ({"items": ALL * 400}, "items"),
        ({"items": ALL, "horizon_days": 29}, "horizon_days"),
        ({"items": ALL, "horizon_days": "7"}, "horizon_days"),
        ({"items": ALL, "horizon": 7}, "horizon"),
        ({"items": ALL, "as_of": "yesterday"}, "as_of"),
        ({"items": ALL, "as_of": "9999-12-31"}, "as_of"),
        ({"items": ALL, "quantiles": [1.5]}, "quantiles.0"),
        ({"items": [{"store": "a\n", "sku": "b"}]}, "items.0.store"),
    ],
)
async def test_a_request_that_makes_no_sense_is_told_where(
    client: httpx.AsyncClient, body: dict[str, Any], where: str
) -> None:
    response = await client.post("/v1/forecasts", json=body)
    assert response.status_code == 422
    assert response.json()["detail"].startswith(where)


async def test_sales_that_arrive_are_used_by_the_next_forecast_and_survive_a_restart(var_dir: Path) -> None:
    new = {"store": "east", "sku": "tea"}
    days = [(LAST_DAY - timedelta(days=ago)).isoformat() for ago in range(14)]
    sales = [{**new, "date": day, "sales": 4.0} for day in days]
    async with service(var_dir) as client:
        assert (await forecast(client, [new]))["forecasts"][0]["served_by"] == "constant"
        for _ in range(2):
            response = await client.post("/v1/sales", json={"sales": sales})
            assert (response.status_code, response.json()["accepted"]) == (201, 14)
        before = (await forecast(client, [new]))["forecasts"][0]
    assert before["served_by"] == "moving_average"
    assert before["demand"] == pytest.approx([4.0] * 7, rel=0.2)
    async with service(var_dir) as client:
        assert (await forecast(client, [new]))["forecasts"][0] == before


async def test_a_later_value_corrects_an_earlier_one(client: httpx.AsyncClient) -> None:
    sale = {"store": "east", "sku": "tea", "date": LAST_DAY.isoformat()}
    for sales in (100.0, 4.0):
        assert (await client.post("/v1/sales", json={"sales": [{**sale, "sales": sales}]})).status_code == 201
    answer = await forecast(client, [{"store": "east", "sku": "tea"}])
    assert max(answer["forecasts"][0]["demand"]) < 10


async def test_plans_that_arrive_let_the_correction_speak(tmp_path: Path, table: pl.DataFrame) -> None:
    save_table(table.filter(pl.col("sales").is_not_null()), tmp_path / "supermegaretail" / "sales.parquet")
    days = [(LAST_DAY + timedelta(days=ahead)).isoformat() for ahead in range(1, 8)]
    plans = [{**item, "date": day, "price": 2.5, "promotion": 0} for item in ALL for day in days]
    with json_server(sevens) as url:
        async with service(tmp_path, url) as client:
            assert (await client.post("/v1/plans", json={"plans": plans})).status_code == 201
            answer = await forecast(client, ALL)
    assert {one["served_by"] for one in answer["forecasts"]} == {"correction"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/sales", {"sales": [{"store": "a", "sku": "b", "date": "2026-06-01", "sales": -1}]}),
        ("/v1/sales", {"sales": [{"store": "a", "sku": "b", "date": "2026-06-01"}]}),
        ("/v1/sales", {"sales": []}),
        ("/v1/plans", {"plans": [{"store": "a", "sku": "b", "date": "2026-06-01"}]}),
        ("/v1/plans", {"plans": [{"store": "a", "sku": "b", "date": "2026-06-01", "promotion": 2}]}),
    ],
)
async def test_rows_that_make_no_sense_are_refused(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
    assert (await client.post(path, json=body)).status_code == 422


def an_override(**change: Any) -> dict[str, Any]:
    ends_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    return {**ALL[0], "demand_per_day": 55.5, "owner": "Ann", "reason": "street party", "ends_at": ends_at} | change


async def test_an_override_wins_and_is_not_degraded_until_it_is_withdrawn(client: httpx.AsyncClient) -> None:
    made = await client.post("/v1/admin/overrides", json=an_override(), headers=ADMIN)
    assert made.status_code == 201
    first, second, _ = (await forecast(client, ALL))["forecasts"]
    assert (first["served_by"], first["demand"][0], first["degraded"]) == ("override", 55.5, False)
    assert (first["override_id"], second["served_by"]) == (made.json()["id"], "moving_average")
    listed = (await client.get("/v1/admin/overrides", headers=ADMIN)).json()["overrides"]
    assert [(entry["store"], entry["owner"]) for entry in listed] == [("north", "Ann")]
    assert (await client.delete(f"/v1/admin/overrides/{made.json()['id']}", headers=ADMIN)).status_code == 204
    assert (await forecast(client, ALL))["forecasts"][0]["served_by"] == "moving_average"


async def test_an_override_survives_a_restart(var_dir: Path) -> None:
    async with service(var_dir) as client:
        await client.post("/v1/admin/overrides", json=an_override(), headers=ADMIN)
    async with service(var_dir) as client:
        assert (await forecast(client, ALL))["forecasts"][0]["served_by"] == "override"


@pytest.mark.parametrize(
    "change", [{"ends_at": "2020-01-01T00:00:00Z"}, {"ends_at": None}, {"owner": ""}, {"reason": "x"}]
)
async def test_an_override_needs_an_owner_a_reason_and_an_end(
    client: httpx.AsyncClient, change: dict[str, Any]
) -> None:
    response = await client.post("/v1/admin/overrides", json=an_override(**change), headers=ADMIN)
    assert response.status_code == 422


async def test_overrides_are_for_operators_only(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/admin/overrides", json=an_override())).status_code == 401


async def test_an_api_without_any_data_still_answers(tmp_path: Path) -> None:
    async with service(tmp_path) as client:
        answer = await forecast(client, ALL)
        ready = await client.get("/ready")
    assert {one["served_by"] for one in answer["forecasts"]} == {"constant"}
    assert ready.status_code == 200


async def test_a_table_that_is_imported_while_it_serves_is_used(tmp_path: Path, table: pl.DataFrame) -> None:
    settings = RetailSettings.model_validate({"var_dir": tmp_path, "admin_token": "operator-token"})
    app = create_app(settings, raise_bugs=True)
    async with app.router.lifespan_context(app):
        save_table(table, settings.table_path)
        app.state.engine.book.refresh()
        assert app.state.engine.book.history.last_day == LAST_DAY


async def test_rows_that_the_table_would_not_take_are_refused_and_not_half_stored(client: httpx.AsyncClient) -> None:
    good = {"store": "east", "sku": "tea", "date": LAST_DAY.isoformat(), "sales": 4.0}
    for bad in ({"store": "caf\ufffd"}, {"date": "1970-01-01"}, {"store": " east"}, {"date": "2099-01-01"}):
        response = await client.post("/v1/sales", json={"sales": [good, good | bad]})
        assert response.status_code == 422, bad
    assert (await forecast(client, [{"store": "east", "sku": "tea"}]))["forecasts"][0]["served_by"] == "constant"


async def test_forecasts_from_a_history_that_ended_weeks_ago_are_not_passed_off_as_the_best(var_dir: Path) -> None:
    with json_server(sevens) as url:
        async with service(var_dir, url) as client:
            soon = await forecast(client, ALL, as_of=(LAST_DAY + timedelta(days=7)).isoformat())
            late = await forecast(client, ALL, as_of=(LAST_DAY + timedelta(days=60)).isoformat())
    assert {one["served_by"] for one in soon["forecasts"]} <= {"core", "correction"}
    assert {(one["served_by"], one["reason"]) for one in late["forecasts"]} == {
        ("moving_average", "core:stale_history")
    }


async def test_a_product_that_ended_while_the_others_go_on_is_not_stale(tmp_path: Path, table: pl.DataFrame) -> None:
    ended = (pl.col("sku") == "bread") & (pl.col("date") > LAST_DAY - timedelta(days=40))
    save_table(table.filter(~ended), tmp_path / "supermegaretail" / "sales.parquet")
    with json_server(sevens) as url:
        async with service(tmp_path, url) as client:
            answer = await forecast(client, ALL)
    assert {one["served_by"] for one in answer["forecasts"]} == {"correction"}


async def test_a_callers_impossible_day_does_not_close_the_model_to_the_others(var_dir: Path) -> None:
    asked: list[str] = []

    def noting(request: dict[str, Any]) -> Any:
        asked.append(request["as_of"])
        return sevens(request)

    with json_server(noting) as url:
        async with service(var_dir, url) as client:
            for _ in range(12):
                bad = await client.post("/v1/forecasts", json={"items": ALL, "as_of": "9999-12-31"})
                assert bad.status_code == 422
            answer = await forecast(client, ALL)
    assert (answer["degraded"], len(asked)) == (False, 1)


async def test_a_later_plan_corrects_what_it_tells_and_leaves_the_rest_also_after_a_restart(var_dir: Path) -> None:
    day = (LAST_DAY + timedelta(days=1)).isoformat()
    seen: list[Any] = []

    def noting(request: dict[str, Any]) -> Any:
        seen.append(request["items"][0]["extended"])
        return sevens(request)

    with json_server(noting) as url:
        async with service(var_dir, url) as client:
            for plan in ({"price": 1.25, "promotion": 1}, {"promotion": 0}):
                response = await client.post("/v1/plans", json={"plans": [{**ALL[0], "date": day, **plan}]})
                assert response.status_code == 201
            await forecast(client, ALL[:1])
        async with service(var_dir, url) as client:
            await forecast(client, ALL[:1])
    assert seen[0] == seen[1]


async def test_without_its_ledger_the_imported_sales_are_served_and_the_trouble_is_told(var_dir: Path) -> None:
    async with service(var_dir):
        pass
    with sqlite3.connect(var_dir / "state.sqlite3") as database:
        database.execute("ALTER TABLE supermegaretail_arrivals RENAME COLUMN value TO damaged")
    database.close()
    async with service(var_dir) as client:
        answer = await forecast(client, ALL)
        ready = (await client.get("/ready")).json()
    assert {one["served_by"] for one in answer["forecasts"]} == {"moving_average"}
    assert "can't be read" in ready["parts"]["sales"]["reason"]
