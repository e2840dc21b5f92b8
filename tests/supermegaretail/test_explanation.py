"""Explanations add up, say it in words, and never cost a forecast."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import numpy as np
import polars as pl
import pytest

from common.chain.fallback import Served
from common.deadline import Deadline
from common.outcome import Reason
from common.workers import WorkerPool
from supermegaretail.asking import Question
from supermegaretail.contract import Item
from supermegaretail.explanation import explained
from supermegaretail.explanation_features import CORE_FEATURES, FEATURE_OF, GROUP_OF, REST, by_feature
from supermegaretail.explanation_units import consistent, contributions, in_units
from supermegaretail.explanation_words import WHY
from supermegaretail.features import (
    CORE_DESIGN,
    CORRECTION_DESIGN,
    FEATURES_VERSION,
    Floats,
    core_design,
    moving_average_of,
    per_target_day,
)
from supermegaretail.forecast import Forecaster
from supermegaretail.history import SalesHistory
from supermegaretail.model_server import create_app
from supermegaretail.models import Models
from supermegaretail.settings import RetailSettings
from tests.json_server import json_server
from tests.supermegaretail.conftest import ITEMS, LAST_DAY, sevens
from tests.supermegaretail.test_api import ADMIN, ALL, UNKNOWN, an_override, forecast, service
from tests.supermegaretail.test_api import var_dir as var_dir
from tests.supermegaretail.trained import both_questions, models_in, trained_chain


@pytest.fixture(scope="module")
def chain_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_chain(tmp_path_factory.mktemp("explained"))


@pytest.fixture(scope="module")
def models(chain_dir: Path) -> Models:
    return models_in(chain_dir)


@pytest.fixture(scope="module")
def items(chain_dir: Path) -> list[dict[str, str]]:
    table = pl.read_parquet(RetailSettings(var_dir=chain_dir).table_path)
    return table.select("store", "sku").unique().sort("store", "sku").head(6).to_dicts()


def adds_up(explanation: dict[str, Any]) -> bool:
    """On each day, to the fourth decimal."""
    total = np.sum([one["per_day"] for one in explanation["contributions"]], axis=0)
    apart = np.array(explanation["demand"]) - np.array(explanation["moving_average"])
    return bool(np.allclose(total, apart, atol=1.5e-4))


@pytest.mark.parametrize("horizon_days", [1, 7, 28])
async def test_contributions_of_the_models_add_up_and_are_told_in_words(
    chain_dir: Path, models: Models, items: list[dict[str, str]], horizon_days: int
) -> None:
    items = items[: 1 + 42 // horizon_days]  # it takes some milliseconds for each item and day
    with json_server(both_questions(models)) as url:
        async with service(chain_dir, url) as client:
            asked = await forecast(client, items, explain=True, horizon_days=horizon_days)
            plain = await forecast(client, items, horizon_days=horizon_days)
    for one, without in zip(asked["forecasts"], plain["forecasts"], strict=True):
        why = one["explanation"]
        assert (one["served_by"], one["demand"], why["demand"]) == ("correction", without["demand"], one["demand"])
        assert without["explanation"] is None
        assert why["reason"] is None
        assert adds_up(why)
        assert why["contributions"][0]["feature"] != REST
        assert len(why["sentences"]) == len([c for c in why["contributions"] if c["feature"] != REST]) + 1
        for told in why["contributions"]:
            assert told["units_per_day"] == pytest.approx(np.mean(told["per_day"]), abs=1e-4)
            assert told["group"] == GROUP_OF[told["feature"]]


async def test_where_the_core_serves_its_own_contributions_are_told(
    chain_dir: Path, models: Models, items: list[dict[str, str]]
) -> None:
    def uncorrected(predictions: Any) -> Any:
        return [prediction | {"correction": None} for prediction in predictions]

    with json_server(both_questions(models, predictions=uncorrected)) as url:
        async with service(chain_dir, url) as client:
            answer = await forecast(client, items, explain=True)
    for one in answer["forecasts"]:
        assert (one["served_by"], one["explanation"]["reason"]) == ("core", None)
        assert {told["feature"] for told in one["explanation"]["contributions"]} <= set(CORE_FEATURES)
        assert adds_up(one["explanation"])


async def test_a_promotion_that_is_planned_is_named(chain_dir: Path, models: Models) -> None:
    table = pl.read_parquet(RetailSettings(var_dir=chain_dir).table_path)
    promoted = table.filter(pl.col("sales").is_null() & (pl.col("promotion") == 1)).select("store", "sku").unique()
    with json_server(both_questions(models)) as url:
        async with service(chain_dir, url) as client:
            answer = await forecast(client, promoted.to_dicts(), explain=True, horizon_days=14)
    told = " ".join(sentence for one in answer["forecasts"] for sentence in one["explanation"]["sentences"])
    assert re.search(r" from promotion: on \d+ of 14 days", told)


def doubled(items: Any) -> Any:
    return [item | {"core": [[0.5 for _ in days] for days in item["core"]]} for item in items]


def shortened(items: Any) -> Any:
    return [item | {"core": item["core"][:-1]} for item in items]


@pytest.mark.parametrize(
    "lie",
    [
        {"items": doubled},
        {"items": shortened},
        {"items": lambda items: items[::-1]},
        {"items": lambda _items: []},
        {"core_features": lambda _names: None},
        {"core_features": lambda names: names[1:] + names[-1:]},  # one is told twice
        {"core_features": lambda names: ["moods", *names[1:]]},  # no planner knows it
    ],
)
async def test_contributions_that_are_wrong_cost_the_split_and_not_the_forecast(
    chain_dir: Path, models: Models, items: list[dict[str, str]], lie: dict[str, Any]
) -> None:
    with json_server(both_questions(models, **lie)) as url:
        async with service(chain_dir, url) as client:
            answer = await forecast(client, items, explain=True)
    for one in answer["forecasts"]:
        why = one["explanation"]
        assert one["served_by"] == "correction"
        assert why["reason"] in ("meaning", "schema")
        assert [told["feature"] for told in why["contributions"]] == ["core and correction"]
        assert adds_up(why)


async def test_contributions_that_are_late_cost_the_split_and_not_the_forecast(
    chain_dir: Path, models: Models, items: list[dict[str, str]]
) -> None:
    asked: list[str] = []
    answer = both_questions(models)

    def slow_the_second_time(request: dict[str, Any]) -> Any:
        asked.append(request["version"])
        if len(asked) > 1:
            time.sleep(3)
        return answer(request)

    with json_server(slow_the_second_time) as url:
        async with service(chain_dir, url) as client:
            response = await client.post(
                "/v1/forecasts", json={"items": items[:1], "explain": True}, headers={"X-Timeout-Ms": "1500"}
            )
    one = response.json()["forecasts"][0]
    assert one["served_by"] == "correction"
    assert one["explanation"]["reason"] == "timeout"


async def test_a_model_process_that_can_not_explain_is_no_worse_at_forecasting(var_dir: Path) -> None:
    with json_server(sevens) as url:
        async with service(var_dir, url) as client:
            for _ in range(12):
                answer = await forecast(client, ALL, explain=True)
    assert {one["served_by"] for one in answer["forecasts"]} == {"correction"}
    assert all(one["explanation"]["reason"] and adds_up(one["explanation"]) for one in answer["forecasts"])


async def test_without_a_model_the_moving_average_says_what_it_is_made_of(var_dir: Path) -> None:
    async with service(var_dir) as client:
        answer = await forecast(client, [ALL[0], UNKNOWN], explain=True)
    known, unknown = (one["explanation"] for one in answer["forecasts"])
    assert known["moving_average"] == known["demand"]
    assert known["contributions"] == []
    assert known["sentences"][0].startswith("The recent level is 1")
    assert "on Saturday" in known["sentences"][1] or "on Sunday" in known["sentences"][1]
    assert (unknown["moving_average"], unknown["contributions"]) == (None, [])
    assert "constant" in unknown["sentences"][0]


async def test_an_override_is_explained_by_who_made_it_and_why(var_dir: Path) -> None:
    async with service(var_dir) as client:
        await client.post("/v1/admin/overrides", json=an_override(), headers=ADMIN)
        why = (await forecast(client, ALL[:1], explain=True))["forecasts"][0]["explanation"]
    assert [told["feature"] for told in why["contributions"]] == ["override"]
    assert adds_up(why)
    assert why["sentences"][0].startswith("Ann set 55.5 units a day until 20")
    assert why["sentences"][0].endswith(": street party")


async def test_of_more_than_can_be_explained_in_time_the_first_are_explained_and_all_are_forecast(
    var_dir: Path,
) -> None:
    async with service(var_dir) as client:
        many = (await forecast(client, ALL * 17, explain=True))["forecasts"]
        plain = (await forecast(client, ALL * 17))["forecasts"]
    assert [one["explanation"] is not None for one in many] == [True] * 50 + [False]
    assert [one.pop("explanation_reason", None) for one in many] == [None] * 50 + ["too_many"]
    assert [one | {"explanation": None} for one in many] == plain


async def test_one_item_is_explained_by_get_as_well(var_dir: Path) -> None:
    async with service(var_dir) as client:
        one = await client.get("/v1/forecasts", params={**ALL[0], "explain": "true"})
        many = await forecast(client, ALL[:1], explain=True)
    assert one.json()["forecasts"] == many["forecasts"]


def test_every_column_of_the_models_belongs_to_something_that_a_planner_knows() -> None:
    columns = {*CORE_DESIGN, *CORRECTION_DESIGN}
    assert columns - set(FEATURE_OF) == set()
    assert set(FEATURE_OF) - columns == set()
    assert set(WHY) == set(GROUP_OF) - {REST}


def test_summed_up_by_feature_nothing_is_lost() -> None:
    values = np.random.default_rng(1).normal(size=(5, len(CORE_DESIGN) + 1))
    np.testing.assert_allclose(by_feature(values, CORE_DESIGN).sum(1), values.sum(1))


@pytest.mark.parametrize("seed", range(50))
def test_units_add_up_whatever_the_logarithms_also_where_they_cancel(seed: int) -> None:
    dice = np.random.default_rng(seed)
    days, scale = int(dice.integers(1, 29)), float(10 ** dice.uniform(-2, 3))
    start = scale * dice.uniform(0.02, 2, days)
    names = [*CORE_FEATURES]
    logarithms = {name: dice.normal(0, 10 ** dice.uniform(-9, 0), days) for name in names}
    if seed % 2:  # they cancel, all but exactly
        logarithms[REST] = logarithms[REST] - np.sum([*logarithms.values()], axis=0) + dice.choice([0, 1e-12, 1e-7])
    demand = start * np.exp(np.sum([*logarithms.values()], axis=0))
    assert consistent(start, demand, logarithms)
    units = in_units(start, demand, logarithms)
    np.testing.assert_allclose(np.sum([*units.values()], axis=0), demand - start, atol=1e-6 * scale)
    average = start * 0.9
    told = contributions(average, demand, units)
    total = np.sum([one.per_day for one in told], axis=0)
    np.testing.assert_allclose(total, np.round(demand, 4) - np.round(average, 4), atol=1e-4)
    for one in told:
        if one.feature != REST:  # more of it is more units
            assert (np.sign(one.per_day) * np.sign(logarithms[one.feature]) >= 0).all()


def test_logarithms_that_do_not_lead_to_the_demand_are_noticed() -> None:
    start, one = np.ones(3), {"promotion": np.full(3, 0.7)}
    assert consistent(start, start * np.exp(0.7), one)
    for wrong in (start * 2.1, np.zeros(3)):
        assert not consistent(start, wrong, one)
    assert not consistent(start, start, {"promotion": np.full(3, np.nan)})
    assert not consistent(start, start, {"promotion": np.full(3, 1e6)})


async def test_a_client_of_old_gets_no_explanation_unless_it_asks(var_dir: Path) -> None:
    async with service(var_dir) as client:
        answer = await forecast(client, ALL)
    assert {one["explanation"] for one in answer["forecasts"]} == {None}
    assert "explanation_reason" not in answer["forecasts"][0]


@pytest.mark.parametrize(
    ("within_ms", "pool_of", "reason"),
    [(0, 4, Reason.NO_TIME), (10_000, 0, Reason.OVERLOADED), (300, 4, Reason.TIMEOUT)],
)
async def test_where_there_is_no_explanation_it_is_said_why(
    table: pl.DataFrame, within_ms: int, pool_of: int, reason: Reason
) -> None:
    pool, history = WorkerPool("test", threads=1, queue=pool_of), SalesHistory.build(table)
    busy, free = threading.Event(), threading.Event()

    def occupy() -> None:
        busy.set()
        free.wait(10)

    forecaster = cast(Forecaster, SimpleNamespace(pool=pool, raise_bugs=True))
    occupied = asyncio.create_task(pool.run(occupy, deadline=Deadline.after_ms(10_000)))
    try:
        await asyncio.to_thread(busy.wait, 10)
        item = Item(store=ITEMS[0][0], sku=ITEMS[0][1])
        question = Question(as_of=LAST_DAY, horizon_days=7, version="1.0.0", quantiles=())
        deadline = Deadline.after_ms(within_ms)
        made = await explained(
            forecaster, [item], [Served()], question, history=history, versions={}, deadline=deadline
        )
    finally:
        free.set()
        await occupied
        pool.close()
    assert made == [reason]


def written(values: Floats) -> str:
    """Features as they travel in JSON."""
    return urlsafe_b64encode(values.astype("<f8").tobytes()).decode()


async def test_the_model_process_tells_the_contributions_behind_its_predictions(
    chain_dir: Path, items: list[dict[str, str]]
) -> None:
    app = create_app(RetailSettings(var_dir=chain_dir))
    history = SalesHistory.build(pl.read_parquet(RetailSettings(var_dir=chain_dir).table_path))
    assert history.last_day is not None
    keys = [(item["store"], item["sku"]) for item in items[:2]]
    stable = history.inputs(keys, as_of=history.last_day, horizon_days=3).stable
    question: dict[str, Any] = {
        "version": "champion",
        "features_version": FEATURES_VERSION,
        "as_of": history.last_day.isoformat(),
        "horizon_days": 3,
        "items": [{"id": str(row), "stable": written(values), "extended": None} for row, values in enumerate(stable)],
    }
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://m") as client:
        predicted = (await client.post("/v1/predictions", json=question)).json()["predictions"]
        why = (await client.post("/v1/contributions", json=question)).json()
        other = await client.post("/v1/contributions", json=question | {"features_version": "0"})
        short = await client.post(
            "/v1/contributions", json=question | {"items": [question["items"][0] | {"stable": written(stable[0, :1])}]}
        )
    assert (why["core_features"], other.status_code, short.status_code) == ([*CORE_FEATURES], 409, 422)
    start = moving_average_of(core_design(*per_target_day(stable, as_of=history.last_day, horizon_days=3))).reshape(
        2, 3
    )
    for row in range(2):
        assert why["items"][row]["correction"] is None
        added = np.array(why["items"][row]["core"]).sum(0)
        np.testing.assert_allclose(start[row] * np.exp(added), predicted[row]["core"], rtol=1e-4)
