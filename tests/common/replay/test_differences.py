"""Two answers side by side: what differs is told once, in its place, and all of it is counted."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from common.deadline import Deadline
from common.replay.again import Changes, Made, Replayer, differences, in_words
from common.replay.log import ReplayLog
from common.replay.store import Record, ReplayStore, digest_of
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


async def test_all_differences_are_counted_though_few_are_told_and_the_event_loop_compares_nothing(
    tmp_path: Path,
) -> None:
    store = ReplayStore(tmp_path / "replays.sqlite3", most_bytes=2**30, most_days=14)
    body, at = json.dumps(MANY).encode(), datetime.now(UTC).isoformat(timespec="milliseconds")
    store.write([Record("one", at, "web", "/v1/forecasts", digest_of(body), len(body), {})], [])
    pool = WorkerPool("replay", threads=1, queue=4)
    replayer = Replayer("retail", "core", ReplayLog(store, CollectorRegistry()), OtherVersions(), pool)
    try:
        document = await replayer.replay("one", with_=["version=2.0.0"])
    finally:
        pool.close()
    assert READERS
    assert threading.current_thread().name not in READERS
    assert document["same_bytes"] is True
    assert (document["changed"]["in_all"], len(document["changed"]["differences"])) == (999, 200)
    assert "changed: 999 differences, the first 200:" in in_words(document)
