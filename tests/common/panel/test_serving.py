"""The blocks of the home page, from counters and from whatever a part says."""

from __future__ import annotations

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from common.metrics import ChainMetrics, HttpMetrics
from common.panel.answers import MOST_ANSWERS, RecentAnswers, ToldAnswer
from common.panel.blocks import Block, Shown
from common.panel.health import budgets, serving
from common.panel.serving import WINDOW_S, Serving


def test_only_the_last_minutes_count() -> None:
    registry, now_s = CollectorRegistry(), 0.0
    chain, http = ChainMetrics(registry), HttpMetrics(registry)
    recent = Serving(registry, budget_ms=3_000, clock=lambda: now_s)
    recent.refresh()
    assert serving(recent).level == "quiet"
    chain.served("constant", degraded=True, items=1_000)
    recent.refresh()
    assert serving(recent).level == "bad"
    while now_s < 2 * WINDOW_S:
        now_s += 5
        recent.refresh()
    chain.served("core", degraded=False, items=99)
    chain.served("constant", degraded=True, items=1)
    chain.refused("core", "timeout", items=1)
    said = serving(recent)
    assert said.sentence == "1.00% of 100 items degraded in the last 5 minutes"
    assert list(said.lines) == [("core", "99.00%"), ("constant", "1.00%"), ("core: timeout", "1")]
    http.observe(route="/v1/search", method="GET", status=200, seconds=0.1)
    http.observe(route="/admin/switches", method="GET", status=500, seconds=9)
    assert (budgets(recent).level, budgets(recent).sentence[:16]) == ("good", "100% of 1 reques")
    http.observe(route="/v1/search", method="GET", status=503, seconds=9)
    assert budgets(recent).level == "bad"


def test_a_block_with_a_bug_says_so_and_a_long_one_is_cut() -> None:
    def broken() -> Shown:
        raise ZeroDivisionError

    assert Block("Broken", None, broken).shown().level == "bad"
    assert len(Block("Long", None, lambda: Shown("good", "", [("a", "b")] * 100)).shown().lines) == 8


def test_the_last_answers_are_bounded() -> None:
    recent = RecentAnswers()
    for number in range(2 * MOST_ANSWERS):
        recent.put(ToldAnswer(f"r-{number}", datetime(2026, 1, 1, tzinfo=UTC), "", {}, {}, []))
    assert recent.find("r-0") is None
    assert recent.find(f"r-{2 * MOST_ANSWERS - 1}") is not None
    assert len(recent.newest(10_000)) == MOST_ANSWERS
