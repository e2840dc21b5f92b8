"""When time is short the reranker scores the best candidates, and the API puts those in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import numpy.typing as npt
import pytest

from common.deadline import Deadline
from photostock.app import create_app
from photostock.photo import Photo
from photostock.reranker.model import CHUNK, Reranker
from photostock.reranker.pace import Pace
from photostock.reranker.partial import LEAST_WAY_BACK_MS, WAY_BACK_SHARE, rank
from photostock.reranker_contract import LEAST_SCORED, Document, Ranking, Rankings, Score, difference
from photostock.settings import PhotoSettings
from tests.json_server import Answer, json_server
from tests.photostock.conftest import WordEncoder

MS_PER_PAIR = 10


class SteadyReranker:
    """Takes 10 ms per pair on a clock of its own."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.pace = Pace()
        self.pace.learn(1, MS_PER_PAIR)

    def score(self, _query: str, texts: Sequence[str], cosines: Sequence[float]) -> npt.NDArray[np.float64]:
        self.now_s += MS_PER_PAIR * len(texts) / 1000
        return np.array(cosines)


def ranking(documents: int) -> Ranking:
    return Ranking(
        query="dog", documents=[Document(id=f"p{n}", text="a dog", retrieval_score=n / 100) for n in range(documents)]
    )


def scored(sizes: Sequence[int], *, budget_ms: float) -> list[int | None]:
    """How many documents of each ranking get a score, with so much time beside the way back."""
    model = SteadyReranker()
    whole_ms = max(budget_ms / (1 - WAY_BACK_SHARE), budget_ms + LEAST_WAY_BACK_MS)
    deadline = Deadline.after_ms(whole_ms, clock=lambda: model.now_s)
    answers = rank(cast(Reranker, model), [ranking(size) for size in sizes], deadline)
    for size, answer in zip(sizes, answers, strict=True):
        asked = [document.id for document in ranking(size).documents]
        assert answer is None or [score.id for score in answer] == asked[: len(answer)]
    return [None if answer is None else len(answer) for answer in answers]


@pytest.mark.parametrize(
    ("size", "budget_ms", "expected"),
    [
        (20, 1_000, 20),
        (20, 201, 20),
        (20, 199, 15),
        (20, 101, 10),
        (20, 99, None),
        (12, 119, 10),
        (12, 121, 12),
        (7, 71, 7),
        (7, 69, None),
        (1, 11, 1),
    ],
)
def test_as_many_of_the_best_are_scored_as_there_is_time_for(size: int, budget_ms: int, expected: int | None) -> None:
    assert scored([size], budget_ms=budget_ms) == [expected]


def test_of_several_searches_each_has_its_best_scored_before_any_has_its_rest() -> None:
    assert scored([20, 20], budget_ms=251) == [15, 10]
    assert scored([20, 20], budget_ms=201) == [10, 10]
    assert scored([20, 20], budget_ms=151) == [15, None]


def test_a_machine_that_slows_down_meanwhile_costs_the_answer_and_nothing_else() -> None:
    model = SteadyReranker()
    model.pace = Pace()
    model.pace.learn(1, 1)
    deadline = Deadline.after_ms(20 + LEAST_WAY_BACK_MS, clock=lambda: model.now_s)
    assert rank(cast(Reranker, model), [ranking(20)], deadline) == [None]
    assert model.now_s == pytest.approx(CHUNK * MS_PER_PAIR / 1000)


def test_the_least_is_made_of_whole_chunks() -> None:
    assert LEAST_SCORED % CHUNK == 0


def test_a_shadow_that_scored_fewer_is_compared_on_what_both_scored() -> None:
    def answer(*scores: float) -> Rankings:
        return Rankings(version="1.0.0", rankings=[[Score(id=f"p{n}", score=score) for n, score in enumerate(scores)]])

    assert difference(answer(0.1, 0.2, 0.9), answer(0.1, 0.2)) == 0
    assert difference(answer(0.1, 0.2, 0.9), answer(0.2, 0.1)) == 1


MANY = [Photo(f"p{n:02}", "Dog on a beach", " ".join(f"word{k}" for k in range(n))) for n in range(25)]


@asynccontextmanager
async def searching(var_dir: Path, answer: Answer) -> AsyncIterator[Callable[[], Awaitable[dict[str, Any]]]]:
    """Searches a catalogue of 25 photos that are less and less about a dog on a beach, with that reranker."""
    with json_server(answer) as url:
        settings = PhotoSettings.model_validate({"var_dir": var_dir, "reranker_url": url, "low_timeout_ms": 2_000})
        app = create_app(settings, raise_bugs=True)
        async with app.router.lifespan_context(app):
            await asyncio.to_thread(app.state.engine.library.add, MANY)
            await asyncio.to_thread(app.state.engine.library.use_encoder, WordEncoder())
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://photos") as client:

                async def search() -> dict[str, Any]:
                    parameters: dict[str, Any] = {"query": "dog on a beach", "per_page": 25, "explain": True}
                    document: dict[str, Any] = (await client.get("/v1/search", params=parameters)).json()
                    return document

                yield search


def answering(count: int, *, sign: float = 1.0) -> Answer:
    """A reranker that scores the first `count` candidates: as their cosines, but the third is the best."""

    def answer(request: dict[str, Any]) -> Any:
        rankings = []
        for one in request["rankings"]:
            scores = [20 * document["retrieval_score"] for document in one["documents"]]
            scores[2] = max(scores) + 1
            scored = list(zip(one["documents"], scores, strict=True))[:count]
            rankings.append([{"id": document["id"], "score": sign * score} for document, score in scored])
        return {"version": "1.0.0", "rankings": rankings}

    return answer


@pytest.mark.parametrize("count", [LEAST_SCORED, 15, 20])
async def test_what_was_scored_is_put_in_order_and_the_rest_stays_behind(var_dir: Path, count: int) -> None:
    async with searching(var_dir, answering(count)) as search:
        answer = await search()
    results = answer["results"]
    before = sorted(results, key=lambda result: result["ranks"]["semantic"])
    moved = [before[2], *before[:2], *before[3:]]
    assert [result["id"] for result in results] == [result["id"] for result in moved]
    assert ["reranker" in result["scores"] for result in results] == [True] * count + [False] * (25 - count)
    assert (answer["served_by"], answer["degraded"], answer["reason"]) == ("reranker", False, None)
    assert answer["reranked"] == (count if count < 20 else None)
    scores = [result["score"] for result in results]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("count", "sign"), [(LEAST_SCORED - 1, 1.0), (0, 1.0), (20, -1.0), (LEAST_SCORED, -1.0)], ids=str
)
async def test_too_few_scores_and_scores_with_the_wrong_sign_are_not_believed(
    var_dir: Path, count: int, sign: float
) -> None:
    async with searching(var_dir, answering(count, sign=sign)) as search:
        answer = await search()
    assert (answer["served_by"], answer["degraded"], answer["reason"]) == ("semantic", True, "reranker:meaning")


async def test_scores_that_are_all_the_same_leave_the_order_as_it_is(var_dir: Path) -> None:
    async with searching(var_dir, answering(20, sign=0.0)) as search:
        answer = await search()
    assert answer["served_by"] == "reranker"
    assert [result["ranks"]["semantic"] for result in answer["results"]] == list(range(1, 26))
