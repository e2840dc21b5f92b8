"""Requests that are computed by one core take turns: first everybody's best candidates, then the rest by deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import cast

import numpy as np
import numpy.typing as npt

from common.deadline import Deadline
from common.versions.registry import Registry
from photostock.reranker.model import Reranker
from photostock.reranker.pace import Pace
from photostock.reranker.partial import rank
from photostock.reranker.turns import Turn, Turns
from photostock.reranker_contract import Document, Ranking, Score

TIMES = 20_000  # ms that a test may take


class Watched:
    """Notes whose chunks it computes in which order; the first waits until it may go on."""

    def __init__(self, *, ms_per_pair: float = 0.0) -> None:
        self.pace = Pace()
        self.pace.learn(1, ms_per_pair)
        self.order: list[str] = []
        self.begun, self.may_go_on = threading.Event(), threading.Event()
        self._inside = threading.Lock()

    def score(self, query: str, texts: Sequence[str], cosines: Sequence[float]) -> npt.NDArray[np.float64]:
        assert self._inside.acquire(blocking=False)  # one at a time
        self.order.append(query)
        self.begun.set()
        assert self.may_go_on.wait(20)
        self._inside.release()
        return np.array(cosines)


def ranking(query: str, documents: int = 20) -> Ranking:
    return Ranking(
        query=query, documents=[Document(id=f"p{n}", text=f"a dog {n}", retrieval_score=0.5) for n in range(documents)]
    )


Asked = Future[list[list[Score] | None]]


class Desk:
    """Requests that come, one after the other, while the first chunk of the first one is computed."""

    def __init__(self, model: Watched) -> None:
        self.model, self.turns = model, Turns()
        self._pool = ThreadPoolExecutor(8)
        self._asked: list[Asked] = []

    def ask(self, *queries: str, budget_ms: float = TIMES, left: threading.Event | None = None) -> Asked:
        rankings, deadline = [ranking(query) for query in queries], Deadline.after_ms(budget_ms)
        asked = self._pool.submit(rank, cast(Reranker, self.model), rankings, deadline, self.turns, left)
        self._asked.append(asked)
        until(self.model.begun.is_set)
        until(lambda: asked.done() or len(self.turns._line) == len(self._asked) - 1)
        return asked

    def order(self) -> str:
        """Whose chunks were computed, when all are done."""
        self.model.may_go_on.set()
        for one in self._asked:
            one.result(20)
        self._pool.shutdown()
        return "".join(self.model.order)


def until(seen: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + 20
    while not seen():
        assert time.monotonic() < ends_s
        time.sleep(0.001)


def test_each_request_has_its_best_candidates_scored_before_any_has_its_rest_and_then_the_deadline_counts() -> None:
    desk = Desk(Watched())
    desk.ask("a", budget_ms=15_000)
    desk.ask("b", budget_ms=19_000)
    desk.ask("c", budget_ms=17_000)
    assert desk.order() == "aaccbbaaccbb"


def test_nobody_slips_in_between_two_chunks_of_a_request_that_is_in_front() -> None:
    turns = Turns()
    front, behind = (turns.place(rest=False, answered=0, ends_at_s=ends_at_s, pairs=10) for ends_at_s in (1.0, 2.0))
    with Turn(turns) as other, ThreadPoolExecutor(1) as pool:
        with Turn(turns) as first:
            assert first.comes(front, worth_it=lambda: True)
            waiting = pool.submit(other.comes, behind, worth_it=lambda: True)
            until(lambda: turns._line == [behind])
            for _ in range(200):
                assert first.comes(front, worth_it=lambda: not waiting.done())
        assert waiting.result(20)


def test_a_request_of_many_searches_takes_turns_with_those_of_one() -> None:
    desk = Desk(Watched())
    desk.ask(*"abcd", budget_ms=15_000)
    desk.ask("x", budget_ms=19_000)
    desk.ask("y", budget_ms=19_500)
    assert desk.order() == "aaxxyybbccddaabbccddxxyy"


def test_who_has_left_is_computed_no_more_and_the_others_go_on() -> None:
    desk, left = Desk(Watched()), threading.Event()
    first = desk.ask("a", left=left)
    gone = desk.ask("b", left=left)
    staying = desk.ask("c")
    left.set()
    assert desk.order() == "acccc"
    assert first.result() == gone.result() == [None]
    [scores] = staying.result()
    assert scores is not None
    assert len(scores) == 20


def test_who_would_wait_in_vain_is_told_at_once_and_who_waits_as_soon_as_it_is_in_vain() -> None:
    desk = Desk(Watched(ms_per_pair=40))
    desk.ask("a")
    waiting = [desk.ask(query, budget_ms=budget_ms) for query, budget_ms in (("b", 1_600), ("c", 1_620), ("d", 1_640))]
    refused = desk.ask("e", budget_ms=1_660)  # there would be time for its own ten, or for thirty, but not for forty
    assert refused.result(20) == [None]
    assert not any(one.done() for one in waiting)
    assert [one.result(20) for one in waiting] == [[None]] * 3
    assert desk.order() == "aaaa"


def test_scores_are_the_same_byte_for_byte_whoever_takes_turns(registry: Registry) -> None:
    model = Reranker.load(registry.load("reranker"))
    asked = [[ranking(query) for query in queries] for queries in (["red dog"], ["blue boat", "a cat"], ["tree"])]
    alone = [rank(model, rankings, Deadline.after_ms(TIMES)) for rankings in asked]
    turns = Turns()
    with ThreadPoolExecutor(3) as pool:
        for _ in range(5):
            together = [pool.submit(rank, model, rankings, Deadline.after_ms(TIMES), turns) for rankings in asked]
            assert [one.result() for one in together] == alone
