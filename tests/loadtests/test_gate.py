"""The gate says which threshold broke, and refuses a file that it does not understand."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.gate import BadThresholds, Gate, Row, Thresholds, broken, read_gate

QUICK = Row("search", 1000, 0, 0, {10: 990, 100: 10})


def judged(limits: Thresholds, row: Row) -> list[str]:
    return broken(Gate(limits, {}), row, [])


def test_the_file_of_the_project_can_be_read() -> None:
    gate = read_gate()
    assert gate.whole.min_requests
    assert "search" in gate.endpoints
    assert all((one.degraded_share or 0) < 1 for one in gate.endpoints.values()), "a limit that nothing can break"


def test_what_keeps_every_threshold_breaks_none() -> None:
    limits = Thresholds(
        min_requests=1000,
        error_share=0,
        degraded_share=0,
        budget_ms=50,
        late_share=0.01,
        p95_ms=10,
        p99_ms=10,
        max_ms=100,
    )
    assert judged(limits, QUICK) == []


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (Thresholds(min_requests=1001), "search: only 1000 requests, which proves nothing"),
        (Thresholds(p50_ms=9), "search: p50 is 10 ms, more than 9"),
        (Thresholds(max_ms=99), "search: the slowest is 100 ms, more than 99"),
        (Thresholds(budget_ms=50, late_share=0.009), "search: 10 of 1000 answers after 50 ms"),
    ],
)
def test_each_threshold_that_breaks_is_told_with_its_figure(limits: Thresholds, sentence: str) -> None:
    assert judged(limits, QUICK) == [sentence]


def test_errors_and_degraded_answers_count_against_their_shares() -> None:
    row = Row("search", 100, 2, 30, {10: 100})
    assert judged(Thresholds(error_share=0.02, degraded_share=0.3), row) == []
    assert judged(Thresholds(error_share=0.01, degraded_share=0.29), row) == [
        "search: 2 of 100 answers missing or malformed",
        "search: 30 of 100 answers degraded",
    ]


def test_an_endpoint_has_thresholds_of_its_own() -> None:
    gate = Gate(Thresholds(), {"search": Thresholds(p99_ms=5)})
    assert broken(gate, QUICK, [QUICK]) == ["search: p99 is 10 ms, more than 5"]


def test_an_endpoint_that_nobody_asked_or_that_is_misspelt_is_no_proof() -> None:
    gate = Gate(Thresholds(), {"serach": Thresholds(p99_ms=5), "other": Thresholds(min_requests=2)})
    assert broken(gate, QUICK, [QUICK]) == [
        f"{name}: only 0 requests, which proves nothing" for name in ("serach", "other")
    ]


def test_a_run_in_which_every_answer_is_degraded_breaks_the_thresholds_of_the_project() -> None:
    gate = read_gate()
    for name in gate.endpoints:
        row = Row(name, 1000, 0, 1000, {10: 1000})
        assert f"{name}: 1000 of 1000 answers degraded" in broken(gate, row, [row])
        assert (gate.endpoints[name].p99_ms or 0) <= (gate.whole.budget_ms or 0)


@pytest.mark.parametrize(
    "text", ["[al]\n", "[all]\np98_ms = 1\n", "[all]\np99_ms = -1\n", "all = 1\n", "[all", '[all]\np99_ms = "1"\n']
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "thresholds.toml"
    path.write_text(text)
    with pytest.raises(BadThresholds):
        read_gate(path)
    with pytest.raises(BadThresholds):
        read_gate(tmp_path / "none.toml")
