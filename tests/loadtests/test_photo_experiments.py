"""The experiments and benches of the search index: what they would notice, and a short run of the real thing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from loadtests.bench import index as bench_index
from loadtests.bench.photos import Costs, new_queries, queries_of
from loadtests.experiments import photo_adds
from loadtests.processes import ProcessError


def phase(*, ms: Sequence[float], acknowledged: int = 0, missing: Sequence[str] = ()) -> photo_adds.Phase:
    return photo_adds.Phase(10.0, searches_ms=list(ms), acknowledged=acknowledged, missing=list(missing))


def test_adds_that_are_late_missing_or_felt_are_told() -> None:
    alone = phase(ms=[10.0] * 100)
    assert photo_adds.broken(alone, phase(ms=[19.0] * 100, acknowledged=2_000), 200) == []
    told = photo_adds.broken(alone, phase(ms=[25.0] * 100, acknowledged=1_000, missing=["dog"]), 200)
    assert told == [
        "'dog' was acknowledged, and the next search did not find it",
        "100 photos a second were taken, not 200",
        "with adds the p95 is 2.5 times as long",
    ]


def measured(photos: int, **changed: Any) -> dict[str, Any]:
    good = {"photos": photos, "built_s": 1.0, "bytes_per_photo": 590, "tenth": {"recall": 0.99, "p50_ms": 1.0}}
    return good | {"all": {"recall": 0.99, "p50_ms": 0.5}} | changed


def test_every_target_of_the_index_that_is_missed_is_told() -> None:
    assert bench_index.misses([measured(5_000), measured(100_000)]) == []
    bad = measured(100_000, bytes_per_photo=700, all={"recall": 0.9, "p50_ms": 5.0})
    assert bench_index.misses([measured(5_000), bad]) == [
        "100000 photos, all allowed: recall@100 is 0.900, not 0.98",
        "100000 photos: 700 bytes each, and 614 are allowed",
        "a search among the most photos takes 10.0 times as long as one among the fewest",
    ]


def test_the_index_bench_measures_a_small_index_in_its_own_process() -> None:
    assert bench_index._measured(500)["all"]["recall"] >= 0.98


def test_a_search_is_compared_with_what_nobody_can_save() -> None:
    assert Costs(api_ms=3.0, encode_ms=1.0, compare_ms=0.5, empty_ms=0.5).ratio == 1.5


def test_no_search_is_measured_twice() -> None:
    asked = list(islice(new_queries(["dog", "cat"]), 6))
    assert asked == ["dog", "cat", "dog 1", "cat 1", "dog 2", "cat 2"]


def test_without_a_demo_the_bench_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="catalogue demo"):
        queries_of(tmp_path / "demo.json")
