"""Past forecasts scored as sales become known: the sums, and that nothing counts twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from common.state.database import open_state
from supermegaretail.app import create_app
from supermegaretail.baseline import moving_average
from supermegaretail.history import SalesHistory
from supermegaretail.monitoring.alarms import Alarm, Limits, alarms
from supermegaretail.monitoring.outcome_store import OutcomeStore, metadata
from supermegaretail.monitoring.outcomes import Outcomes
from supermegaretail.monitoring.prediction_log import PredictionLog
from supermegaretail.monitoring.records import table_of
from supermegaretail.monitoring.scoring import Group, Scored, Sums, scored
from supermegaretail.settings import RetailSettings
from supermegaretail.table import save_table
from tests.json_server import json_server
from tests.supermegaretail.conftest import ITEMS, LAST_DAY, sevens
from tests.supermegaretail.test_prediction_log import answered, one, partitions_in
from tests.waiting import eventually

ADMIN = {"Authorization": "Bearer operator-token"}
TOMORROW = LAST_DAY + timedelta(days=1)
CORRECTION: Group = ("correction", "1.0.0+1.1.0", "1-7")


def sold(history: SalesHistory, *rows: tuple[str, str, date, float], stockout_hours: float = 0) -> SalesHistory:
    columns = ["store", "sku", "date", "sales"]
    new = pl.DataFrame(rows, schema=columns, orient="row", schema_overrides={"sales": pl.Float32})
    return history.updated(new.with_columns(stockout_hours=pl.lit(stockout_hours, pl.Float32)))


@pytest.fixture(scope="session")
def history(table: pl.DataFrame) -> SalesHistory:
    return SalesHistory.build(table)


def log_rows(*forecasts: Any, **fields: Any) -> pl.DataFrame:
    rows = table_of(answered("r", *forecasts))
    return rows.with_columns(pl.lit(value).alias(name) for name, value in fields.items())


def sums_of(rows: pl.DataFrame, history: SalesHistory) -> Sums:
    found = scored(rows, history)
    assert len(found) == 1
    return next(iter(found.values())).sums[CORRECTION]


def test_a_forecast_is_scored_by_its_error_and_that_of_the_moving_average(history: SalesHistory) -> None:
    now = sold(history, ("north", "milk", TOMORROW, 5))
    sums = sums_of(log_rows(one(demand=[3.0, 4.0])), now)
    average = moving_average(now, [("north", "milk")], as_of=LAST_DAY, horizon_days=1)[0, 0]
    assert (sums["forecasts"], sums["demand"], sums["actual"], sums["absolute_error"]) == (1, 3, 5, 2)
    assert sums["average_error"] == pytest.approx(abs(average - 5))


def test_days_without_known_sales_and_days_of_a_stock_out_are_not_scored(history: SalesHistory) -> None:
    assert scored(log_rows(), history) == {}
    assert scored(log_rows(), sold(history, ("north", "milk", TOMORROW, 5), stockout_hours=12)) == {}


def test_a_forecast_that_was_asked_for_twice_counts_once(history: SalesHistory) -> None:
    rows = pl.concat([log_rows(), log_rows(request_id="again")])
    assert sums_of(rows, sold(history, ("north", "milk", TOMORROW, 5)))["forecasts"] == 1


def test_coverage_knows_what_lies_below_and_up_to_a_quantile(history: SalesHistory) -> None:
    rows = log_rows(one(quantiles={"0.25": [5.0, 5.0], "0.95": [4.0, 4.0], "0.123": [4.0, 4.0]}))
    sums = sums_of(rows, sold(history, ("north", "milk", TOMORROW, 5)))
    coverage = {figure: value for figure, value in sums.items() if "@" in figure}
    names = ("told@0.25", "below@0.25", "upto@0.25", "told@0.95", "below@0.95", "upto@0.95")
    assert coverage == dict(zip(names, (1, 0, 1, 1, 0, 0), strict=True))


def test_each_distance_has_its_own_sums(history: SalesHistory) -> None:
    days = [LAST_DAY + timedelta(days=ahead) for ahead in range(1, 29)]
    now = sold(history, *[("north", "milk", day, 5.0) for day in days])
    found = scored(log_rows(one(dates=days, demand=[5.0] * 28)), now)
    counts: dict[str, float] = {}
    for each in found.values():
        for (_, _, horizon), sums in each.sums.items():
            counts[horizon] = counts.get(horizon, 0) + sums["forecasts"]
    assert counts == {"1-7": 7, "8-14": 7, "15-28": 14}


@pytest.fixture
def engine(database_url: str | None, tmp_path: Path) -> Iterator[Engine]:
    engine = open_state(RetailSettings(var_dir=tmp_path, database_url=database_url))
    yield engine
    metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> OutcomeStore:
    return OutcomeStore(engine)


def test_a_correction_replaces_what_was_scored_before(store: OutcomeStore) -> None:
    key = ("north", "milk", TOMORROW)
    for actual in (5.0, 5.0, 8.0):
        store.replace([key], {key: Scored(actual, {CORRECTION: {"forecasts": 1.0, "actual": actual}})})
    other = ("north", "bread", TOMORROW)
    store.replace([other], {other: Scored(1.0, {CORRECTION: {"forecasts": 1.0, "actual": 1.0}})})
    assert store.sums(until=TOMORROW) == {CORRECTION: {"forecasts": 2.0, "actual": 9.0}}
    store.replace([key], {})  # it turned out that a stock-out censored the day
    assert store.sums(until=TOMORROW) == {CORRECTION: {"forecasts": 1.0, "actual": 1.0}}
    assert store.actuals(TOMORROW) == {("north", "bread"): 1.0}


def test_replicas_that_score_the_same_days_at_once_count_them_once_and_do_not_fail(engine: Engine) -> None:
    replicas, rounds = [OutcomeStore(engine) for _ in range(4)], 15
    keys = [("north", f"sku-{number}", TOMORROW) for number in range(40)]
    alarm = negative()

    def score(number: int) -> None:
        mine = keys if number % 2 else keys[::-1]
        for turn in range(rounds):
            replicas[number].replace(
                mine, {key: Scored(1.0, {CORRECTION: {"forecasts": 1.0, "actual": float(turn)}}) for key in mine}
            )
            replicas[number].settle([alarm] if (number + turn) % 2 else [])

    with ThreadPoolExecutor(len(replicas)) as threads:
        for done in [threads.submit(score, number) for number in range(len(replicas))]:
            done.result()
    (sums,) = replicas[0].sums(until=TOMORROW).values()
    assert sums == {"forecasts": pytest.approx(40), "actual": pytest.approx(40 * (rounds - 1))}


def test_a_correction_that_comes_after_the_detail_is_gone_changes_nothing(store: OutcomeStore) -> None:
    key = ("north", "milk", TOMORROW)
    store.replace([key], {key: Scored(5.0, {CORRECTION: {"forecasts": 1.0, "actual": 5.0}})})
    store.forget(TOMORROW + timedelta(days=40))
    assert store.actuals(TOMORROW) == {}
    assert store.sums(until=TOMORROW) == {CORRECTION: {"forecasts": 1.0, "actual": 5.0}}


def negative() -> Alarm:
    (alarm,) = alarms({CORRECTION[:2]: [{"forecasts": 2.0, "negative": 2.0}]}, Limits())
    return alarm


def test_an_alarm_keeps_since_when_it_stands_and_begins_and_ends_once(store: OutcomeStore) -> None:
    alarm = negative()
    since, began, ended = store.settle([alarm])
    assert (began, ended) == ([alarm], [])
    assert store.settle([alarm]) == (since, [], [])
    assert store.settle([]) == ({}, [], [alarm.key])
    assert store.settle([]) == ({}, [], [])


def test_the_sums_of_each_day_are_kept_apart_and_distances_added_up(store: OutcomeStore) -> None:
    for ahead, actual in ((0, 5.0), (1, 7.0)):
        key = ("north", "milk", TOMORROW + timedelta(days=ahead))
        by_group = {(*CORRECTION[:2], horizon): {"forecasts": 1.0, "actual": actual} for horizon in ("1-7", "8-14")}
        store.replace([key], {key: Scored(actual, by_group)})
    first, second = {"forecasts": 2.0, "actual": 10.0}, {"forecasts": 2.0, "actual": 14.0}
    assert store.daily(until=TOMORROW + timedelta(days=1)) == {CORRECTION[:2]: [first, second]}
    assert store.daily(until=TOMORROW) == {CORRECTION[:2]: [first]}


async def test_what_was_sold_while_nobody_scored_is_found_at_the_start(
    tmp_path: Path, store: OutcomeStore, history: SalesHistory
) -> None:
    partitions = partitions_in(tmp_path / "predictions")
    partitions.write(table_of(answered()), datetime.now(UTC).date())
    predictions = PredictionLog(partitions, CollectorRegistry())
    now = sold(history, ("north", "milk", TOMORROW, 5))
    outcomes = Outcomes(store, predictions, lambda: now, look_after_s=0)
    outcomes.start()

    async def known() -> bool:
        return outcomes.report.until == TOMORROW

    try:
        await eventually(known)
    finally:
        outcomes.close()
    assert outcomes.report.groups[CORRECTION]["actual"] == 5


@asynccontextmanager
async def service(var_dir: Path, model_url: str, table: pl.DataFrame) -> AsyncIterator[httpx.AsyncClient]:
    save_table(table, var_dir / "supermegaretail" / "sales.parquet")
    app = create_app(
        RetailSettings(var_dir=var_dir, model_url=model_url, admin_token="operator-token", low_timeout_ms=2_000),
        raise_bugs=True,
    )
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://retail", headers=ADMIN) as client,
    ):
        yield client


async def report_sales(client: httpx.AsyncClient, sales: float, **fields: float) -> None:
    days = [(LAST_DAY + timedelta(days=ahead)).isoformat() for ahead in range(1, 29)]
    rows = [{"store": s, "sku": k, "date": day, "sales": sales, **fields} for s, k in ITEMS for day in days]
    assert (await client.post("/v1/sales", json={"sales": rows})).status_code == 201


async def outcome(client: httpx.AsyncClient, *, forecasts: int, actual_bias: float) -> dict[str, Any]:
    async def seen() -> dict[str, Any] | None:
        document: dict[str, Any] = (await client.get("/v1/admin/outcomes")).json()
        for total in document["totals"]:
            if total["forecasts"] == forecasts and total["bias"] == pytest.approx(actual_bias, abs=1e-3):
                return document
        return None

    found = await eventually(seen)
    assert found is not None
    return found


async def test_sales_that_arrive_score_past_forecasts_and_a_correction_does_not_count_twice(
    tmp_path: Path, table: pl.DataFrame
) -> None:
    items = [{"store": store, "sku": sku} for store, sku in ITEMS]
    with json_server(sevens) as url:
        async with service(tmp_path, url, table) as client:
            body = {"items": items, "horizon_days": 28}
            assert (await client.post("/v1/forecasts", json=body)).status_code == 200
            await report_sales(client, 14)
            document = await outcome(client, forecasts=84, actual_bias=-0.5)
            assert [one["horizon_days"] for one in document["figures"]] == ["1-7", "15-28", "8-14"]
            assert "bias" in [alarm["name"] for alarm in document["alarms"]]
            metrics = (await client.get("/metrics")).text
            assert 'forecast_alarm{name="bias",tier="correction"} 1.0' in metrics
            assert 'forecast_wape{horizon="1-7",tier="correction"} 0.5' in metrics
            await report_sales(client, 7)
            document = await outcome(client, forecasts=84, actual_bias=0)
            assert "bias" not in [alarm["name"] for alarm in document["alarms"]]
        async with service(tmp_path, url, table) as client:  # the figures survive a restart
            await outcome(client, forecasts=84, actual_bias=0)
