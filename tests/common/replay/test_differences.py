"""Two answers side by side: what differs is told once, in its place, and all of it is counted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from common.deadline import Deadline
from common.replay.again import Changes, Made, Replayer, differences, in_words
from common.replay.log import ReplayLog
from common.replay.pages import MOST_CHARACTERS, shown
from common.replay.store import Record, ReplayStore, digest_of
from common.service.problems import Problem
from common.workers import WorkerPool

MANY = {"demand": list(range(1_000))}
READERS = set[str]()


def told(then: Any, now: Any) -> list[tuple[str, Any, Any, str | None]]:
    return [(one["where"], one["then"], one["now"], one.get("only")) for one in differences(then, now)]


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, [("a.b", 1, 2, None)]),
        ({"b": None}, {}, [("b", None, None, "then")]),
        ({}, {"b": None}, [("b", None, None, "now")]),
        ([1, 0], [True, False], [("0", 1, True, None), ("1", 0, False, None)]),
        ([1, 2], [1, 2, 3], [("2", None, 3, "now")]),
        ({"a": [1]}, {"a": {"0": 1}}, [("a", [1], {"0": 1}, None)]),
        ([1.0, "x", None], [1, "x", None], [("0", 1.0, 1, None)]),
    ],
)
def test_what_differs_is_told_where_it_stands(
    then: Any, now: Any, expected: list[tuple[str, Any, Any, str | None]]
) -> None:
    assert repr(told(then, now)) == repr(expected)
    assert told(then, then) == []


class Body(bytes):
    """Tells on which threads it is read."""

    def decode(self, *given: str) -> str:
        READERS.add(threading.current_thread().name)
        return bytes(self).decode(*given)


class OtherVersions:
    """Answers with some numbers, or with others where something is changed."""

    async def again(self, _record: Record, changes: Changes, _deadline: Deadline) -> Made:
        return Made(Body(json.dumps({"demand": [-one for one in range(1_000)]} if changes else MANY).encode()), {})

    async def now(self, record: Record, _caller: str, deadline: Deadline) -> Made:
        return await self.again(record, Changes(), deadline)


@contextmanager
def replayer_in(folder: Path) -> Iterator[Replayer]:
    """It has one answer."""
    store = ReplayStore(folder / "replays.sqlite3", most_bytes=2**30, most_days=14)
    body, at = json.dumps(MANY).encode(), datetime.now(UTC).isoformat(timespec="milliseconds")
    store.write([Record("one", at, "web", "/v1/forecasts", digest_of(body), len(body), {})], [])
    pool = WorkerPool("replay", threads=1, queue=4)
    try:
        yield Replayer("retail", "core", ReplayLog(store, CollectorRegistry()), OtherVersions(), pool)
    finally:
        pool.close()


async def test_all_differences_are_counted_though_few_are_told_and_the_event_loop_compares_nothing(
    tmp_path: Path,
) -> None:
    with replayer_in(tmp_path) as replayer:
        document = await replayer.replay("one", with_=["version=2.0.0"])
    assert READERS
    assert threading.current_thread().name not in READERS
    assert document["same_bytes"] is True
    assert (document["changed"]["in_all"], len(document["changed"]["differences"])) == (999, 200)
    assert "changed: 999 differences, the first 200:" in in_words(document)


async def test_what_a_page_tells_of_an_answer_is_not_worked_out_on_the_event_loop(tmp_path: Path) -> None:
    threads = set[str]()

    class Watched(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            threads.add(threading.current_thread().name)
            return super().__getitem__(name)

    with replayer_in(tmp_path) as replayer:
        told = await replayer.replay("one", shown=lambda document: shown(Watched(document)))
    assert json.loads(told["whole"]) == MANY
    assert threads
    assert threading.current_thread().name not in threads


async def test_a_page_that_takes_too_long_to_work_out_is_refused_as_what_cannot_be_made_just_now(
    tmp_path: Path,
) -> None:
    def late(_document: dict[str, Any]) -> dict[str, Any]:
        raise TimeoutError

    with replayer_in(tmp_path) as replayer, pytest.raises(Problem) as refused:
        await replayer.replay("one", shown=late)
    assert refused.value.status == 503


def test_of_a_large_answer_the_page_writes_the_beginning_and_offers_every_decision_once() -> None:
    one = {"demand": [0.25] * 28, "quantiles": {"0.5": [0.125] * 28}, "override_id": "7"}
    answer = {"forecasts": [one] * 1_000, "overrides": [{"id": "8"}], "note": "Zoë"}
    told = shown({"answer": answer})
    assert told["whole"] == json.dumps(answer, indent=1, ensure_ascii=False)[:MOST_CHARACTERS]
    assert told["offered"] == ["override=7", "override=8"]
