"""The experiments and benches of the search index: what they would notice, and a short run of the real thing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from common.progress import progress
from loadtests.bench import index as bench_index
from loadtests.bench.photos import Costs, queries_of
from loadtests.experiments import photo_adds, photo_kills
from loadtests.experiments.photo_kills import Ledger
from loadtests.processes import ProcessError


def test_what_was_acknowledged_and_is_gone_is_noticed() -> None:
    ledger = Ledger()
    ledger.begin("a", "first")
    ledger.acknowledge("a", "first")
    ledger.see("a", None, 1)
    assert ledger.broken == ["after kill 1: a is gone, and it should be 'first'"]


def test_what_was_deleted_and_is_back_is_noticed() -> None:
    ledger = Ledger()
    for title in ("first", None):
        ledger.begin("a", title)
        ledger.acknowledge("a", title)
    ledger.see("a", "first", 2)
    assert ledger.broken == ["after kill 2: a is 'first', and it should be gone"]


def test_a_change_without_an_answer_may_have_happened_or_not_but_then_it_stays_so() -> None:
    ledger = Ledger()
    ledger.begin("a", "first")
    ledger.acknowledge("a", "first")
    ledger.begin("a", "second")
    ledger.see("a", "second", 1)
    assert ledger.broken == []
    ledger.see("a", "first", 2)
    assert len(ledger.broken) == 1


async def test_nothing_is_lost_and_nothing_comes_back_after_sigkill(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))  # without an encoder: words are searched
    with progress("kills") as reporter:
        ledger = await photo_kills.kill_again_and_again(2, 1, reporter=reporter)
    assert ledger.broken == []
    assert ledger.acknowledged > 0
    assert len(ledger.restarts_s) == 2


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


def test_without_a_demo_the_bench_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="catalogue demo"):
        queries_of(tmp_path / "demo.json")
