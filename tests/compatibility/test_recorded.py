"""Past releases live on: their requests are answered as they were, and today's readers read what may be added."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from common.contract import AnswerModel
from photostock.contract import SearchAnswer, SearchesAnswer
from photostock.reranker_contract import Rankings
from supermegaretail.contract import Accepted, ForecastAnswer, OldPredictions
from supermegaretail.model_contract import Contributions, Predictions
from tests.compatibility.exchanges import EXCHANGES, RECORDED, SERVICES, asked, differences, record, services
from tests.photostock.conftest import by_id_backwards
from tests.supermegaretail.conftest import sevens

RELEASES = sorted(folder.name for folder in RECORDED.iterdir()) if RECORDED.is_dir() else []


def recorded(release: str, service: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads((RECORDED / release / f"{service}.json").read_text())
    return told


@pytest.mark.skipif("RECORD_RELEASE" not in os.environ, reason="only when a release is made")
async def test_a_release_is_recorded_when_it_is_made() -> None:
    await record(os.environ["RECORD_RELEASE"])


@pytest.mark.parametrize("release", RELEASES)
async def test_every_recorded_request_is_answered_as_it_was(release: str, tmp_path: Path) -> None:
    async with services(tmp_path) as clients:
        found = []
        for service in SERVICES:
            for one in recorded(release, service):
                now = await asked(clients[service], one["request"])
                place = f"{service} {one['name']}"
                found += [f"{place}: {what}" for what in differences(one["status"], now["status"], "status")]
                found += [f"{place}: {what}" for what in differences(one["answer"], now["answer"])]
    assert found == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda answer: answer.pop("as_of"), "answer.as_of is gone"),
        (lambda answer: answer["forecasts"][0].pop("dates"), "answer.forecasts[0].dates is gone"),
        (lambda answer: answer.update(seed="0"), "answer.seed is a string, not a number"),
        (lambda answer: answer["forecasts"][0].update(store="south"), "store is 'south', not 'north'"),
        (lambda answer: answer["forecasts"][0]["dates"].pop(), "dates has 2 elements, not 3"),
        (lambda answer: answer["forecasts"].append({}), "forecasts has 2 elements, not 1"),
        (lambda answer: answer.update(degraded=None), "degraded is null, not a truth value"),
    ],
)
def test_an_answer_that_would_trip_a_caller_is_noticed(change: Any, told: str) -> None:
    before = next(one["answer"] for one in recorded(RELEASES[0], "supermegaretail") if one["name"] == "one-item")
    now = copy.deepcopy(before)
    assert list(differences(before, now)) == []
    now["news"] = {"of": "today"}
    now["forecasts"][0]["more"] = 1
    assert list(differences(before, now)) == []
    change(now)
    assert any(told in what for what in differences(before, now))


def with_unknown_fields(value: Any, maps: frozenset[str] = frozenset(), name: str = "") -> Any:
    """The same with a new field in each object, except where the names are data."""
    if isinstance(value, dict):
        wider = {key: with_unknown_fields(part, maps, key) for key, part in value.items()}
        return wider if name in maps else {**wider, "of_tomorrow": {"deep": [1, None]}}
    return [with_unknown_fields(part, maps) for part in value] if isinstance(value, list) else value


READERS: list[tuple[type[BaseModel], str, str]] = [
    (ForecastAnswer, "supermegaretail", "bulk"),
    (OldPredictions, "supermegaretail", "old"),
    (Accepted, "supermegaretail", "sales"),
    (SearchAnswer, "photostock", "search"),
    (SearchAnswer, "photostock", "explained"),
    (SearchesAnswer, "photostock", "bulk"),
]
MAPS = frozenset({"versions", "quantiles", "scores", "ranks", "stages_ms"})  # fields whose own names are data


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(("reader", "service", "name"), READERS)
def test_readers_of_today_read_recorded_answers_with_unknown_fields(
    release: str, reader: type[BaseModel], service: str, name: str
) -> None:
    answer = next(one["answer"] for one in recorded(release, service) if one["name"] == name)
    plain = reader.model_validate_json(json.dumps(answer))
    assert reader.model_validate_json(json.dumps(with_unknown_fields(answer, MAPS))) == plain


def test_the_apis_read_answers_of_models_of_tomorrow() -> None:
    asked_of_model = {"horizon_days": 3, "version": "champion", "items": [{"id": "0", "extended": "x"}]}
    documents = [{"id": "cat"}, {"id": "dog"}]
    contributions = {
        "version": "1.0.0",
        "correction_version": None,
        "core_features": ["price"],
        "correction_features": [],
        "items": [{"id": "0", "core": [[0.1, 0.2]], "correction": None}],
    }
    told: list[tuple[type[BaseModel], dict[str, Any]]] = [
        (Predictions, sevens(asked_of_model)),
        (Rankings, by_id_backwards({"rankings": [{"documents": documents}]})),
        (Contributions, contributions),
    ]
    for reader, answer in told:
        plain = reader.model_validate_json(json.dumps(answer))
        assert reader.model_validate_json(json.dumps(with_unknown_fields(answer))) == plain


def descendants(model: type[BaseModel]) -> set[type[BaseModel]]:
    found = set(model.__subclasses__())
    return found.union(*(descendants(one) for one in found)) if found else found


def test_no_answer_model_refuses_unknown_fields() -> None:
    models = {one for one in descendants(AnswerModel) if one.__module__.split(".")[0] in (*SERVICES, "common")}
    assert len(models) > 10
    assert [one.__name__ for one in models if one.model_config.get("extra") != "ignore"] == []


def test_everything_that_is_recorded_is_named_once() -> None:
    names = [(one["service"], one["name"]) for one in EXCHANGES]
    assert len(set(names)) == len(names)
