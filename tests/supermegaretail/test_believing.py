"""What the model process says in a right form and is no answer to this question: it never reaches a caller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import ValidationError

from common.metrics import MOST_REASONS, ChainMetrics
from common.versions.registry import Registry
from supermegaretail.model_contract import Contributions, Predictions
from supermegaretail.settings import RetailSettings
from tests.json_server import json_server
from tests.supermegaretail.conftest import sevens
from tests.supermegaretail.test_api import ALL, forecast, service
from tests.supermegaretail.test_api import var_dir as var_dir
from tests.supermegaretail.test_explanation import adds_up
from tests.supermegaretail.trained import both_questions, models_in, trained_chain

RIGHT: dict[str, Any] = {
    "version": "1.0.0",
    "correction_version": None,
    "correction_reason": "not_loaded",
    "predictions": [],
}
WHY: dict[str, Any] = {
    "version": "1.0.0",
    "correction_version": None,
    "core_features": [],
    "correction_features": [],
    "items": [],
}


def one_behind(answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A stale cache between the API and its model: each request gets the answer to the one before."""
    kept: list[Any] = []

    def stale(request: Any) -> Any:
        kept.append(answer(request))
        return kept[-2] if len(kept) > 1 else kept[-1]

    return stale


def told(answer: dict[str, Any]) -> set[tuple[str, str | None]]:
    return {(one["served_by"], one["reason"]) for one in answer["forecasts"]}


async def test_the_answer_to_the_request_before_is_served_to_nobody(var_dir: Path) -> None:
    with json_server(one_behind(sevens)) as url:
        async with service(var_dir, url) as client:
            first = await forecast(client, ALL[:1])
            others = [await forecast(client, [item]) for item in ALL[1:]]
    assert told(first) == {("correction", None)}
    assert [told(answer) for answer in others] == [{("moving_average", "core:meaning")}] * len(others)


async def test_the_contributions_of_the_request_before_explain_nothing(tmp_path: Path) -> None:
    chain = trained_chain(tmp_path)
    table = pl.read_parquet(RetailSettings(var_dir=chain).table_path)
    items = table.select("store", "sku").unique().sort("store", "sku").head(2).to_dicts()
    with json_server(both_questions(models_in(chain), items=one_behind(lambda items: items))) as url:
        async with service(chain, url) as client:
            answers = [(await forecast(client, [item], explain=True))["forecasts"][0] for item in items]
    for one in answers:
        assert (one["served_by"], one["explanation"]["reason"]) == ("correction", "meaning")
        assert adds_up(one["explanation"])


async def test_a_correction_that_was_never_published_is_not_believed(var_dir: Path) -> None:
    def other(request: dict[str, Any]) -> Any:
        return sevens(request) | {"correction_version": "0.0.0-other"}

    with json_server(other) as url:
        async with service(var_dir, url) as client:
            unjudged = await forecast(client, ALL)  # where no correction is known, none can be missed
    publish(var_dir, "1.1.0")
    with json_server(other) as url:
        async with service(var_dir, url) as client:
            refused = await forecast(client, ALL)
    assert told(unjudged) == {("correction", None)}
    assert told(refused) == {("moving_average", "core:version")}


async def test_a_correction_that_was_published_a_moment_ago_is_believed_at_once(var_dir: Path) -> None:
    publish(var_dir, "1.0.0")
    with json_server(sevens) as url:
        async with service(var_dir, url) as client:
            before = await forecast(client, ALL)
            publish(var_dir, "1.1.0")
            after = await forecast(client, ALL)
    assert told(before) == {("moving_average", "core:version")}
    assert told(after) == {("correction", None)}


@pytest.mark.parametrize(
    "change",
    [
        {"version": ""},
        {"version": "v" * 65},
        {"correction_version": "not a version"},
        {"correction_reason": "x" * 65},
        {"correction_reason": "In words."},
    ],
)
def test_a_text_that_is_no_short_name_is_refused(change: dict[str, Any]) -> None:
    assert Predictions.model_validate(RIGHT).correction_reason == "not_loaded"
    with pytest.raises(ValidationError):
        Predictions.model_validate(RIGHT | change)


@pytest.mark.parametrize("change", [{"version": "1" * 65}, {"correction_version": ""}, {"core_features": ["x" * 65]}])
def test_a_text_beside_contributions_that_is_no_short_name_is_refused(change: dict[str, Any]) -> None:
    Contributions.model_validate(WHY)
    with pytest.raises(ValidationError):
        Contributions.model_validate(WHY | change)


def test_reasons_that_differ_each_time_do_not_become_more_and_more_series() -> None:
    registry = CollectorRegistry()
    metrics = ChainMetrics(registry)
    for number in range(5 * MOST_REASONS):
        metrics.refused("correction", f"reason_{number}")
    lines = [line for line in generate_latest(registry).decode().splitlines() if "fallback_refused_total{" in line]
    assert len(lines) == MOST_REASONS + 1
    assert f'fallback_refused_total{{reason="other",tier="correction"}} {4.0 * MOST_REASONS}' in lines


def publish(var_dir: Path, version: str) -> None:
    settings = RetailSettings(var_dir=var_dir)
    Registry(settings.registry_dir).publish("correction", {"model.txt": version.encode()}, version=version, alias=None)
