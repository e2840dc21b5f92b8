"""The experiments in short: their promises hold, their exit codes tell the truth, and nobody stays behind."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from common import Upstream, low_timeout
from common.calls.answers import AnswerLimits, AnswerReader
from loadtests.__main__ import main
from loadtests.experiments.bulk_items import Slow, Spoiled
from loadtests.experiments.footprint import Footprint, footprint
from loadtests.experiments.server import open_connections, serving
from loadtests.experiments.shadow import broken
from loadtests.experiments.shadow_lanes import Echoed, Lane
from loadtests.experiments.shadow_server import largest_answer
from loadtests.experiments.torture import HEALTHY_CALLS, Run
from loadtests.experiments.torture_clients import RIGHT, WRONG, BareHttpx, Ours
from loadtests.experiments.tries import best_of

HELD = "the promise held"
GOOD_RUN = Run(
    client="common",
    seed=7,
    during=Counter(timeout=100),
    state="breaker closed",
    healthy=Counter({RIGHT: HEALTHY_CALLS}),
    recovered_seconds=0.0,
    connections=10,
    before=Footprint(tasks=1, descriptors=9, memory_bytes=0),
    after=Footprint(tasks=1, descriptors=9, memory_bytes=0),
)
GOOD_SPOILED = Spoiled("nan", items=1_000, right=900, defaults=100, seconds=1.0)


def test_callers_that_are_cancelled_in_the_midst_of_everything_leave_the_pool_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["experiment", "pool-torture", "--seconds", "1", "--cancel"]) == 0
    told = capsys.readouterr().out
    assert f"{HEALTHY_CALLS} of {HEALTHY_CALLS}" in told
    assert HELD in told


def test_after_callers_in_a_hurry_the_exit_code_says_whether_we_held(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["experiment", "pool-torture", "--seconds", "1"])
    told = capsys.readouterr().out
    assert "common, seed 7" in told
    assert code == int(HELD not in told)


@pytest.mark.parametrize("connect", [Ours, BareHttpx])
async def test_both_clients_bring_right_answers_and_name_what_is_none(connect: type[Ours] | type[BareHttpx]) -> None:
    async with serving("echo", delay_ms=30) as url:
        client = connect(url)
        assert (await client.ask(7, 2_000)).what == RIGHT
        assert (await client.ask(8, 10)).what in {"timeout", "TimeoutError"}
        await client.aclose()


def test_a_shadow_that_never_answers_fails_no_call_and_its_copies_are_dropped_and_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(["experiment", "shadow", "--seconds", "1", "--rate", "120"])
    told = capsys.readouterr().out
    assert "calls failed" not in told
    assert "timeout" in told
    assert "no_budget" in told
    assert "largest answers" in told
    assert code == int(HELD not in told)


def test_items_in_bulk_cost_one_budget_and_a_fault_costs_only_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    faults = [option for fault in ("http_500", "shuffled_ids", "negative") for option in ("--fault", fault)]
    assert main(["experiment", "bulk", "--items", "1000", *faults]) == 0
    told = capsys.readouterr().out
    assert "(computed)" in told
    assert "shuffled_ids" in told
    assert HELD in told


def test_a_good_run_breaks_nothing() -> None:
    assert GOOD_RUN.broken() == []


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (replace(GOOD_RUN, healthy=Counter({RIGHT: 49, "timeout": 1})), "49 of 50 healthy calls right; breaker closed"),
        (replace(GOOD_RUN, during=Counter({WRONG: 1})), "1 answers to somebody else's question"),
        (replace(GOOD_RUN, connections=11), "11 connections, over 10"),
        (replace(GOOD_RUN, after=replace(GOOD_RUN.after, tasks=3)), "2 tasks left behind"),
        (replace(GOOD_RUN, after=replace(GOOD_RUN.after, descriptors=20)), "11 file descriptors left behind"),
    ],
)
def test_each_way_to_break_the_promise_of_the_pool_is_seen(run: Run, told: str) -> None:
    (sentence,) = run.broken()
    assert told in sentence


@pytest.mark.parametrize(
    ("spoiled", "told"),
    [
        (replace(GOOD_SPOILED, right=899, defaults=101), "899 items right, and 900 were not affected"),
        (replace(GOOD_SPOILED, defaults=99), "1 wrong values passed as right"),
        (replace(GOOD_SPOILED, seconds=6.0), "6.0 s, over 5.25 s"),
    ],
)
def test_each_way_to_break_the_promise_of_many_items_is_seen(spoiled: Spoiled, told: str) -> None:
    (sentence,) = spoiled.broken()
    assert told in sentence


def lane(*rounds_ms: float, **seen: Any) -> Lane:
    """As seen in rounds of a hundred calls that took so long each."""
    client = low_timeout(Upstream("primary", "http://127.0.0.1:1"))
    endpoint = client.endpoint("/echo", answer=Echoed, default=Echoed(text=""))
    return Lane("lane", endpoint, None, rounds_ms=[[took_ms] * 100 for took_ms in rounds_ms], **seen)


def test_a_shadow_that_costs_as_much_as_noise_is_not_felt() -> None:
    assert broken(lane(7.0), lane(6.0)) == []


def test_a_busy_moment_of_the_machine_spoils_a_round_and_not_the_verdict() -> None:
    assert broken(lane(7.0, 90.0, 7.0, 90.0, 7.0), lane(6.0, 6.0, 6.0, 6.0, 6.0)) == []


def test_a_round_is_compared_with_the_same_round_without_a_shadow() -> None:
    assert broken(lane(7.0, 90.0, 90.0), lane(6.0, 80.0, 80.0)) == []
    p50, p99 = broken(lane(90.0, 90.0, 7.0), lane(6.0, 6.0, 80.0))
    assert "p50 is 90.0 ms, over 10.0 ms, in 2 of 3 rounds" in p50
    assert "p99 is 90.0 ms, over 37.0 ms, in 2 of 3 rounds" in p99


def test_of_a_shadow_that_keeps_the_process_busy_only_failures_count() -> None:
    assert broken(lane(90.0, busy=True), lane(6.0)) == []
    (sentence,) = broken(lane(90.0, busy=True, failures=Counter(timeout=2)), lane(6.0))
    assert "2 calls failed" in sentence


def test_the_largest_answer_is_just_within_the_limits() -> None:
    answer, limits = largest_answer(), AnswerLimits()
    assert len(answer) == limits.max_bytes
    assert len(AnswerReader(Echoed, limits).read(answer, None).numbers) > 0.45 * limits.max_values


@pytest.mark.parametrize(
    ("felt", "told"),
    [
        (lane(11.0), "p50 is 11.0 ms, over 10.0 ms"),
        (lane(6.0, failures=Counter(timeout=2)), "2 calls failed: 2 timeout"),
        (lane(6.0, most_tasks=900), "900 tasks"),
        (lane(6.0, most_descriptors=900), "900 file descriptors"),
    ],
)
def test_each_way_to_feel_a_shadow_is_seen(felt: Lane, told: str) -> None:
    (sentence,) = broken(felt, lane(6.0))
    assert told in sentence


@pytest.mark.parametrize(
    ("in_turn", "tries", "broken_at_last"),
    [
        ([GOOD_SPOILED], 1, 0),
        ([replace(GOOD_SPOILED, seconds=6.0), GOOD_SPOILED], 2, 0),
        ([replace(GOOD_SPOILED, seconds=6.0)] * 4, 3, 1),
        ([replace(GOOD_SPOILED, seconds=6.0), replace(GOOD_SPOILED, defaults=99), GOOD_SPOILED], 2, 1),
        ([replace(GOOD_SPOILED, seconds=6.0, defaults=99), GOOD_SPOILED], 1, 2),
    ],
)
async def test_only_what_was_late_and_nothing_else_is_measured_again_and_not_for_ever(
    in_turn: list[Spoiled], tries: int, broken_at_last: int
) -> None:
    turns = iter(in_turn)

    async def measure() -> Spoiled:
        return next(turns)

    seen = await best_of(measure)
    assert (seen.tries, len(seen.broken())) == (tries, broken_at_last)


def test_a_slow_bulk_call_or_a_missing_item_is_seen() -> None:
    assert len(Slow(bulk_seconds=3.5, bulk_right=14, loop_seconds=30, loop_right=None).broken()) == 2


async def test_the_service_counts_its_connections_and_the_footprint_those_of_this_process() -> None:
    async with serving("echo") as url:
        assert await open_connections(url) == 0
        before = footprint()
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        assert await open_connections(url) == 1
        assert footprint().descriptors == before.descriptors + 1
        writer.close()
        await writer.wait_closed()
    assert before.memory_bytes > 1024**2
