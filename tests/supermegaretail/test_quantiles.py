"""Quantiles: by the models, by the moving average without any model, and refused when they make no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from common.chain.tiers import Refused
from common.outcome import Reason
from supermegaretail.demand import Demand, demands_of
from supermegaretail.model_contract import Prediction
from supermegaretail.models import Models
from tests.json_server import json_server
from tests.supermegaretail.conftest import sevens
from tests.supermegaretail.test_api import ADMIN, ALL, NOBODY, UNKNOWN, an_override, forecast, service
from tests.supermegaretail.test_api import var_dir as var_dir
from tests.supermegaretail.trained import LEVELS, both_questions, models_in, trained_chain


@pytest.fixture(scope="module")
def chain_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_chain(tmp_path_factory.mktemp("quantiles"))


@pytest.fixture(scope="module")
def models(chain_dir: Path) -> Models:
    return models_in(chain_dir)


def rising(one: dict[str, Any]) -> bool:
    rows = np.array([one["quantiles"][level] for level in ("0.25", "0.5", "0.9")])
    return bool((rows >= 0).all() and (np.diff(rows, axis=0) >= 0).all() and rows.shape[1] == len(one["demand"]))


async def test_the_models_tell_the_quantiles_that_are_asked_for_under_the_callers_names(
    chain_dir: Path, models: Models
) -> None:
    with json_server(both_questions(models)) as url:
        async with service(chain_dir, url) as client:
            items = await known_items(client)
            asked = await forecast(client, items, quantiles=LEVELS)
            plain = await forecast(client, items)
    for one, without in zip(asked["forecasts"], plain["forecasts"], strict=True):
        assert one["served_by"] == "correction"
        assert list(one["quantiles"]) == ["0.9", "0.25", "0.5"]
        assert rising(one)
        assert (without["quantiles"], without["demand"]) == (None, one["demand"])


async def known_items(client: httpx.AsyncClient) -> list[dict[str, str]]:
    """Two items of the chain."""
    panel = client._transport.app.state.engine.book.history.panel  # type: ignore[attr-defined]
    return [{"store": store, "sku": sku} for store, sku in list(panel.places)[:2]]


async def test_get_takes_quantiles_as_a_repeated_parameter(var_dir: Path) -> None:
    async with service(var_dir) as client:
        query: Any = {**ALL[0], "quantiles": [0.9, 0.25, 0.5]}
        one = (await client.get("/v1/forecasts", params=query)).json()["forecasts"][0]
        wrong = await client.get("/v1/forecasts", params={**ALL[0], "quantiles": 1.5})
    assert list(one["quantiles"]) == ["0.9", "0.25", "0.5"]
    assert wrong.status_code == 422


async def test_the_moving_average_has_quantiles_without_any_model(var_dir: Path) -> None:
    async with service(var_dir, NOBODY) as client:
        answer = await forecast(client, [*ALL, UNKNOWN], quantiles=LEVELS)
    *known, unknown = answer["forecasts"]
    assert all(rising(one) and one["served_by"] == "moving_average" for one in known)
    assert (unknown["served_by"], unknown["quantiles"]) == ("constant", None)
    near = [abs(np.array(one["quantiles"]["0.5"]) / one["demand"] - 1).max() for one in known]
    assert max(near) < 0.5


async def test_more_numbers_than_fit_an_answer_are_refused_with_the_limit(var_dir: Path) -> None:
    levels = [step / 21 for step in range(1, 21)]
    async with service(var_dir) as client:
        body = {"items": ALL * 120, "horizon_days": 28, "quantiles": levels}
        response = await client.post("/v1/forecasts", json=body)
    assert response.status_code == 422
    assert response.json()["detail"] == "quantiles: 211680 numbers are too many for one answer: 200000 at most"


async def test_an_override_has_no_quantiles(var_dir: Path) -> None:
    async with service(var_dir) as client:
        await client.post("/v1/admin/overrides", json=an_override(), headers=ADMIN)
        answer = await forecast(client, ALL[:2], quantiles=[0.5])
    first, second = answer["forecasts"]
    assert (first["served_by"], first["quantiles"]) == ("override", None)
    assert second["quantiles"] is not None


async def test_a_model_without_a_spread_serves_without_quantiles(var_dir: Path) -> None:
    with json_server(sevens) as url:
        async with service(var_dir, url) as client:
            answer = await forecast(client, ALL, quantiles=[0.5])
    assert {(one["served_by"], one["quantiles"]) for one in answer["forecasts"]} == {("correction", None)}


async def test_an_answer_with_many_quantiles_comes_in_smaller_pieces(var_dir: Path) -> None:
    sizes: list[int] = []

    def counted(request: dict[str, Any]) -> Any:
        sizes.append(len(request["items"]))
        days, levels = request["horizon_days"], len(request["quantiles"])
        document = sevens(request)
        for prediction in document["predictions"]:
            prediction |= {f"{model}_quantiles": [[7.0] * days] * levels for model in ("core", "correction")}
        return document

    with json_server(counted) as url:
        async with service(var_dir, url) as client:
            answer = await forecast(client, ALL * 5, horizon_days=28, quantiles=[n / 21 for n in range(1, 21)])
    assert {one["served_by"] for one in answer["forecasts"]} == {"correction"}
    assert max(sizes) * (2 + 2 * 20) * 28 <= 3_500


@pytest.mark.parametrize(
    "spoilt",
    [
        {"core_quantiles": [[1.0, 1.0], [2.0, 2.0]]},  # 0.9 below 0.25
        {"core_quantiles": [[2.0, 2.0], [-1.0, 1.0]]},
        {"core_quantiles": [[2.0, 2.0]]},
        {"core_quantiles": [[2.0, 2.0], [1.0]]},
        {"core_quantiles": [[60.0, 60.0], [9.0, 9.0]]},  # three days of four above 9 make a mean of more than 6
        {"core": [2.0, 80.0], "core_quantiles": [[3.0, 3.0], [1.0, 1.0]]},  # 100 in a tenth of the days is most
        {"core_quantiles": [[1.7e308, 1.7e308], [1.0, 1.0]]},
        {"core_width": -0.1},
        {"core": None},
    ],
)
def test_quantiles_that_make_no_sense_cost_the_item_its_answer(spoilt: dict[str, Any]) -> None:
    good: dict[str, Any] = {
        "id": "0",
        "core": [2.0, 2.0],
        "correction": None,
        "core_quantiles": [[3.0, 3.0], [1.0, 1.0]],
    }
    told = [Prediction(**good), Prediction(**(good | spoilt))]
    of_both = np.array([100.0, 100.0])
    fine, bad = demands_of(
        told, "core", (0.9, 0.25), horizon_days=2, most=of_both, level=of_both, by_the_piece=of_both > 0
    )
    assert isinstance(fine, Demand)
    assert bad == Refused(Reason.MEANING)


def test_a_product_that_sells_much_on_few_days_is_no_contradiction_and_a_huge_mean_is_refused_for_itself() -> None:
    few = Prediction(id="0", core=[1.2, 1.2], correction=None, core_quantiles=[[0.0, 0.0], [0.0, 0.0]])
    huge = Prediction(id="1", core=[1.7e308, 0.5], correction=None, core_quantiles=[[9.0, 9.0], [1.0, 1.0]])
    most = np.array([240.0, 240.0])
    lumpy, absurd = demands_of(
        [few, huge], "core", (0.9, 0.25), horizon_days=2, most=most, level=most, by_the_piece=most > 0
    )
    assert isinstance(lumpy, Demand)
    assert absurd == Refused(Reason.OUT_OF_RANGE)


@pytest.mark.parametrize("most", [10_000.0, 1.7e308])
async def test_quantiles_that_nobody_can_sell_cost_the_item_its_answer_and_are_never_null_in_one(
    var_dir: Path, most: float
) -> None:
    def absurd(request: dict[str, Any]) -> Any:
        document = sevens(request)
        for prediction in document["predictions"]:
            prediction |= {f"{model}_quantiles": [[most] * request["horizon_days"]] for model in ("core", "correction")}
        return document

    with json_server(absurd) as url:
        async with service(var_dir, url) as client:
            answer = await forecast(client, ALL[:1], quantiles=[0.99])
    [one] = answer["forecasts"]
    assert (one["served_by"], one["reason"], one["degraded"]) == ("moving_average", "core:meaning", True)
    assert all(0 <= value < most for value in one["quantiles"]["0.99"])


async def test_a_model_that_is_not_sure_is_not_believed_about_that_item(var_dir: Path) -> None:
    def unsure(request: dict[str, Any]) -> Any:
        document = sevens(request)
        document["predictions"][0] |= {"core_width": 500.0, "core_quantiles": [[6.0] * request["horizon_days"]]}
        return document

    with json_server(unsure) as url:
        async with service(var_dir, url) as client:
            for _ in range(20):  # and however often: it demotes nobody
                first, second, _third = (await forecast(client, ALL, quantiles=[0.5]))["forecasts"]
    assert (first["served_by"], first["reason"]) == ("moving_average", "core:uncertain")
    assert second["served_by"] == "correction"
