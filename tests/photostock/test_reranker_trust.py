"""What a release says of itself decides what the API believes, and when it does not ask at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import ValidationError

from common.outcome import Reason
from common.versions.registry import Registry
from photostock.app import create_app
from photostock.photo import Photo
from photostock.reranker.released import Released, agreement, gap_of, reader
from photostock.reranker.trust import LEAST_RECENT, RECENT_QUERIES, VERSIONS, Trust
from photostock.reranker_contract import Document, Ranking, RankingRequest, Rankings, Score
from photostock.settings import PhotoSettings
from tests.json_server import Answer, json_server
from tests.photostock.conftest import WordEncoder

PARAMETERS = {
    "cosine_weight": 10.0,
    "logit_weight": 1.0,
    "lowest_logit": 4.0,
    "highest_logit": 14.0,
    "logit_agreement": 0.6,
    "least_agreement": 0.4,
}
RELEASED = Released.of(PARAMETERS)
MIDDLE = 9.0
PHOTOS = [Photo(f"p{n:02}", "Dog on a beach", " ".join(f"word{k}" for k in range(n))) for n in range(25)]

Search = Callable[[str], Awaitable[dict[str, Any]]]


@asynccontextmanager
async def searching(var_dir: Path, answer: Answer, **parameters: float) -> AsyncIterator[Search]:
    """Searches photos that are less and less about a dog on a beach, with that version 1.0.0 of the reranker."""
    with json_server(answer) as url:
        settings = PhotoSettings.model_validate({"var_dir": var_dir, "reranker_url": url, "low_timeout_ms": 5_000})
        files = {"model.onnx": b"weights", "tokenizer.json": b"{}"}
        Registry(settings.registry_dir).publish("reranker", files, parameters=PARAMETERS | parameters, alias="champion")
        app = create_app(settings, raise_bugs=True)
        async with app.router.lifespan_context(app):
            await asyncio.to_thread(app.state.engine.library.add, PHOTOS)
            await asyncio.to_thread(app.state.engine.library.use_encoder, WordEncoder())
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://photos") as client:

                async def search(query: str) -> dict[str, Any]:
                    headers = {"X-Timeout-Ms": "30000"}
                    parameters = {"query": query, "spelling": "off"}
                    answered = await client.get("/v1/search", params=parameters, headers=headers)
                    document: dict[str, Any] = answered.json()
                    return document

                yield search


class Judge:
    """A reranker whose logits agree with the cosines, as a real one's; `logit` can turn them over."""

    def __init__(self, logit: Callable[[float], float] = float) -> None:
        self.logit = logit
        self.asked = 0

    def __call__(self, request: dict[str, Any]) -> Any:
        self.asked += 1
        return {"version": "1.0.0", "rankings": [self._rank(one["documents"]) for one in request["rankings"]]}

    def _rank(self, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        cosines = np.array([document["retrieval_score"] for document in documents])
        place = (cosines - cosines.mean()) / max(float(np.ptp(cosines)), 1e-9)
        fused = 10 * cosines + [self.logit(MIDDLE + value) for value in place]
        return [{"id": d["id"], "score": float(s)} for d, s in zip(documents, fused, strict=True)]


async def test_negated_logits_under_right_cosines_are_noticed_at_once(var_dir: Path) -> None:
    async with searching(var_dir, Judge(lambda logit: -logit)) as search:
        answer = await search("dog on a beach")
    assert (answer["served_by"], answer["reason"]) == ("semantic", "reranker:out_of_range")


async def test_logits_the_wrong_way_round_within_their_range_are_noticed_in_a_few_searches_and_right_ones_again_at_once(
    var_dir: Path,
) -> None:
    judge = Judge(lambda logit: 2 * MIDDLE - logit)
    async with searching(var_dir, judge) as search:
        answers = [await search(f"dog on a beach word{n}") for n in range(LEAST_RECENT + 2)]
        judge.logit = float
        after = await search("dog on a beach again")
    served = [answer["served_by"] for answer in answers]
    assert served == ["reranker"] * (LEAST_RECENT - 1) + ["semantic"] * 3
    assert answers[-1]["reason"] == "reranker:meaning"
    assert (after["served_by"], after["degraded"]) == ("reranker", False)


async def test_right_logits_are_believed_however_many_searches_there_are(var_dir: Path) -> None:
    async with searching(var_dir, Judge()) as search:
        answers = [await search(f"dog on a beach word{n}") for n in range(RECENT_QUERIES + 2)]
    assert {answer["served_by"] for answer in answers} == {"reranker"}


@pytest.mark.parametrize(("gap", "served_by", "asked"), [(0.0, "semantic", 0), (1.5, "reranker", 1)], ids=str)
async def test_a_confident_first_stage_skips_the_reranker(
    var_dir: Path, gap: float, served_by: str, asked: int
) -> None:
    judge = Judge()
    async with searching(var_dir, judge, confident_gap=gap) as search:
        answer = await search("dog on a beach")
    assert (answer["served_by"], answer["degraded"]) == (served_by, False)
    assert answer["reason"] == ("reranker:confident" if asked == 0 else None)
    assert judge.asked == asked


async def test_scores_of_the_same_photos_for_the_search_before_are_noticed(var_dir: Path) -> None:
    judge, kept = Judge(), list[Any]()

    def one_behind(request: dict[str, Any]) -> Any:
        kept.append(judge(request))
        return kept[max(0, len(kept) - 2)]

    async with searching(var_dir, one_behind) as search:
        first, second = await search("dog on a beach"), await search("a dog on a beach")
    assert (first["served_by"], first["degraded"]) == ("reranker", False)
    assert (second["served_by"], second["reason"]) == ("semantic", "reranker:meaning")


@pytest.mark.parametrize("version", ["", "v" * 65, "In words."])
def test_a_version_that_is_no_short_name_is_refused(version: str) -> None:
    with pytest.raises(ValidationError):
        Rankings(version=version, rankings=[])


def exchange(query: str, logits: list[float], version: str = "1.0.0") -> tuple[RankingRequest, Rankings]:
    """Documents with falling cosines, and what a reranker with these logits answers."""
    cosines = np.linspace(0.6, 0.3, len(logits)).tolist()
    documents = [Document(id=f"p{n}", text="a dog", retrieval_score=cosine) for n, cosine in enumerate(cosines)]
    scores = [
        Score(id=f"p{n}", score=10 * cosine + logit)
        for n, (cosine, logit) in enumerate(zip(cosines, logits, strict=True))
    ]
    request = RankingRequest(version="champion", encoder="1.0.0", rankings=[Ranking(query=query, documents=documents)])
    return request, Rankings(version=version, rankings=[scores])


UPSIDE_DOWN = np.linspace(8.0, 10.0, 20).tolist()
RIGHT = UPSIDE_DOWN[::-1]


def test_one_odd_search_that_is_repeated_is_no_evidence() -> None:
    trust = Trust(lambda _version: RELEASED)
    assert {trust.problem(*exchange("odd", UPSIDE_DOWN)) for _ in range(100)} == {None}


def test_some_odd_searches_among_right_ones_are_believed() -> None:
    trust = Trust(lambda _version: RELEASED)
    for number in range(100):
        logits = UPSIDE_DOWN if number % 4 == 3 else RIGHT
        assert trust.problem(*exchange(f"q{number}", logits)) is None


def test_odd_searches_are_believed_again_a_minute_after_all_were_wrong_though_nobody_asks_for_others() -> None:
    now_s = [0.0]
    trust = Trust(lambda _version: RELEASED, clock=lambda: now_s[0])
    for number in range(3 * RECENT_QUERIES):
        trust.problem(*exchange(f"q{number}", UPSIDE_DOWN))
    told = []
    for _ in range(70):
        now_s[0] += 1.0
        told += [trust.problem(*exchange(query, UPSIDE_DOWN)) for query in ("odd", "odder")]
    assert told == [Reason.MEANING] * 120 + [None] * 20


@pytest.mark.parametrize("every_s", [0.02, 1.0, 5.0])
def test_what_stays_wrong_is_refused_for_as_long_as_it_is_asked_for(every_s: float) -> None:
    now_s = [0.0]
    trust = Trust(lambda _version: RELEASED, clock=lambda: now_s[0])
    told = []
    for number in range(200):
        now_s[0] += every_s
        told.append(trust.problem(*exchange(f"q{number}", UPSIDE_DOWN)))
    assert told == [None] * (LEAST_RECENT - 1) + [Reason.MEANING] * (200 - LEAST_RECENT + 1)


def test_each_version_answers_for_itself_and_only_the_last_ones_are_remembered() -> None:
    trust = Trust(lambda _version: RELEASED)
    for number in range(LEAST_RECENT):
        refused = trust.problem(*exchange(f"q{number}", UPSIDE_DOWN, "1.0.0"))
    assert refused == Reason.MEANING
    for minor in range(1, VERSIONS + 1):
        assert trust.problem(*exchange("q", UPSIDE_DOWN, f"1.{minor}.0")) is None
    assert trust.problem(*exchange("q", UPSIDE_DOWN, "1.0.0")) is None


def test_a_single_absurd_logit_spoils_the_answer() -> None:
    trust = Trust(lambda _version: RELEASED)
    assert trust.problem(*exchange("q", [18.0] + [9.0] * 19)) is None
    assert trust.problem(*exchange("q", [60.0] + [9.0] * 19)) == Reason.OUT_OF_RANGE


def test_of_a_version_that_says_nothing_of_itself_only_what_is_always_wrong_is_refused() -> None:
    trust = Trust(lambda _version: None)
    assert trust.problem(*exchange("q", [500.0] + [9.0] * 19)) is None
    assert trust.problem(*exchange("q", np.linspace(0, 50, 20).tolist())) == Reason.MEANING
    assert trust.problem(*exchange("q", [2_000.0] + [9.0] * 19)) == Reason.OUT_OF_RANGE


def test_versions_without_or_with_other_parameters_say_nothing(tmp_path: Path) -> None:
    assert Released.of({"cosine_weight": 10.0, "logit_weight": 1.0}) is None
    assert Released.of(PARAMETERS | {"confident_gap": "wide"}) is None
    registry = Registry(tmp_path)
    registry.publish("reranker", {"a": b"a"}, parameters={}, alias="champion")
    registry.publish("reranker", {"a": b"b"}, parameters=PARAMETERS, alias="champion")
    assert list(reader(registry)().values()) == [RELEASED]


def test_gap_and_agreement_of_little_are_nothing() -> None:
    assert gap_of(np.array([0.5])) == 0
    assert gap_of(np.array([0.5, 0.2, 0.4])) == pytest.approx(0.1)
    assert gap_of(np.array([0.3, 0.5])) == pytest.approx(-0.2)
    assert agreement([1.0, 1.0], [1.0, 2.0]) == 0
