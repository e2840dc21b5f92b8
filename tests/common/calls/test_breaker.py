"""The circuit breaker, with a clock that only moves when told to."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from common.calls.breaker import Breaker, BreakerPolicy, ForcedState
from common.errors import BreakerOpen, CallFailed
from common.outcome import Reason


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def state_of(breaker: Breaker) -> str:
    """Read anew: mypy would remember the last comparison, but the state moves by itself."""
    return breaker.state


def fail(breaker: Breaker) -> None:
    with pytest.raises(ConnectionError), breaker.watch():
        raise ConnectionError


def open_breaker(clock: Clock) -> Breaker:
    breaker = Breaker(clock=clock)
    for _ in range(breaker.policy.min_failures):
        fail(breaker)
    return breaker


def test_it_opens_after_its_threshold_and_lets_nothing_through() -> None:
    breaker = open_breaker(Clock())
    with pytest.raises(BreakerOpen), breaker.watch():
        pass
    assert breaker.state == "open"


def test_it_stays_closed_while_most_calls_succeed() -> None:
    breaker = Breaker(clock=Clock())
    for call in range(100):
        if call % 3 == 0:
            fail(breaker)
        else:
            with breaker.watch():
                pass
    assert breaker.state == "closed"


def test_exactly_one_of_fifty_callers_probes_when_half_open() -> None:
    clock = Clock()
    breaker = open_breaker(clock)
    clock.now_s += 2
    let_through = 0

    async def caller() -> None:
        nonlocal let_through
        try:
            with breaker.watch():
                let_through += 1
                await asyncio.sleep(0)
        except BreakerOpen:
            pass

    async def everybody() -> None:
        await asyncio.gather(*(caller() for _ in range(50)))

    asyncio.run(everybody())
    assert (let_through, breaker.state) == (1, "closed")


def test_a_failed_probe_opens_it_again() -> None:
    clock = Clock()
    breaker = open_breaker(clock)
    clock.now_s += 2
    fail(breaker)
    assert breaker.state == "open"


def test_a_cancelled_probe_frees_its_slot_and_decides_nothing() -> None:
    clock = Clock()
    breaker = open_breaker(clock)
    clock.now_s += 2
    with pytest.raises(asyncio.CancelledError), breaker.watch():
        raise asyncio.CancelledError
    assert state_of(breaker) == "half_open"
    with breaker.watch():
        pass
    assert state_of(breaker) == "closed"


def test_a_result_from_before_it_opened_comes_too_late_to_count() -> None:
    clock = Clock()
    breaker = Breaker(clock=clock)
    slow = breaker.watch()
    slow.__enter__()
    for _ in range(breaker.policy.min_failures):
        fail(breaker)
    slow.__exit__(None, None, None)
    assert breaker.state == "open"


def test_our_own_bad_requests_do_not_open_it() -> None:
    breaker = Breaker(clock=Clock())
    for _ in range(20):
        with pytest.raises(CallFailed), breaker.watch():
            raise CallFailed(Reason.HTTP_STATUS, "422", our_fault=True)
    assert breaker.state == "closed"


def expire(breaker: Breaker, budget_ms: float) -> None:
    with pytest.raises(CallFailed), breaker.watch(budget_ms):
        raise CallFailed(Reason.TIMEOUT)


def answer(breaker: Breaker, clock: Clock, *, took_ms: float) -> None:
    with breaker.watch():
        clock.now_s += took_ms / 1000


def test_expired_calls_open_it() -> None:
    breaker = Breaker(clock=Clock())
    for _ in range(breaker.policy.min_failures):
        expire(breaker, 20)
    assert breaker.state == "open"


def test_callers_in_too_much_of_a_hurry_do_not_close_a_working_upstream_to_the_others() -> None:
    clock = Clock()
    breaker = Breaker(clock=clock)
    answer(breaker, clock, took_ms=30)
    for _ in range(100):
        expire(breaker, 5)
    assert breaker.state == "closed"


def test_who_waited_as_long_as_ever_is_always_heard() -> None:
    clock = Clock()
    breaker = Breaker(clock=clock)
    for _ in range(30):  # it takes 180 of 250 ms when it answers, and nine of ten are never answered
        answer(breaker, clock, took_ms=180)
        for _ in range(9):
            with suppress(BreakerOpen, CallFailed), breaker.watch(250, hurried=False):
                raise CallFailed(Reason.TIMEOUT)
        if state_of(breaker) == "open":
            return
    pytest.fail("it never opened")


def test_whoever_probed_in_another_process_is_forgotten() -> None:
    clock = Clock()
    breaker = open_breaker(clock)
    clock.now_s += 2
    probe = breaker.watch()  # kept: one that nobody holds any more gives its slot back by itself
    probe.__enter__()
    assert not breaker.admits()
    breaker.forget_probe()
    assert breaker.admits()


def test_an_upstream_that_fell_silent_has_no_such_excuse() -> None:
    clock = Clock()
    breaker = Breaker(clock=clock)
    answer(breaker, clock, took_ms=30)
    clock.now_s += 3
    for _ in range(breaker.policy.min_failures):
        expire(breaker, 5)
    assert breaker.state == "open"


def test_who_has_much_more_time_than_those_who_opened_it_finds_out_at_once() -> None:
    clock = Clock()
    breaker = Breaker(clock=clock)
    for budget_ms in (5, 20, 50, 10, 30):
        expire(breaker, budget_ms)
    assert (breaker.state, breaker.admits(60), breaker.admits(1_000)) == ("open", False, True)
    with breaker.watch(1_000):
        assert not breaker.admits(1_000)  # one at a time, as ever
    assert state_of(breaker) == "closed"


def test_more_time_is_no_reason_to_ask_one_that_nobody_can_reach() -> None:
    breaker = open_breaker(Clock())
    assert not breaker.admits(60_000)


def test_slow_answers_are_good_answers_unless_a_limit_is_set() -> None:
    clock = Clock()
    breaker = Breaker(clock=clock)
    for _ in range(20):
        answer(breaker, clock, took_ms=10_000)
    assert breaker.state == "closed"


def test_good_answers_that_take_too_long_open_it() -> None:
    clock = Clock()
    breaker = Breaker(BreakerPolicy(slow_ms=500), clock=clock)
    for _ in range(breaker.policy.min_failures):
        answer(breaker, clock, took_ms=600)
    assert breaker.state == "open"


NOW = datetime(2026, 1, 1, tzinfo=UTC)


def forced(breaker: Breaker, state: ForcedState) -> Breaker:
    breaker.force(state, owner="anna", reason="a test", ends_at=NOW + timedelta(minutes=5))
    return breaker


def test_forced_open_lets_nobody_through_however_well_the_upstream_is() -> None:
    breaker = forced(Breaker(clock=Clock(), now=lambda: NOW), "open")
    with pytest.raises(BreakerOpen), breaker.watch():
        pass
    assert (breaker.admits(), breaker.state) == (False, "closed")


@pytest.mark.parametrize("state", ["closed", "observe"])
def test_forced_closed_or_observing_lets_everybody_through_and_tells_what_the_breaker_thinks(
    state: ForcedState,
) -> None:
    breaker = forced(Breaker(clock=Clock(), now=lambda: NOW), state)
    for _ in range(20):
        fail(breaker)
    assert (breaker.admits(), breaker.state) == (True, "open")


def test_a_forced_state_ends_by_itself_or_when_it_is_released() -> None:
    moment = NOW
    breaker = forced(Breaker(clock=Clock(), now=lambda: moment), "open")
    moment = NOW + timedelta(minutes=6)
    assert (breaker.forced, breaker.admits()) == (None, True)
    moment = NOW
    forced(breaker, "open").release()
    assert breaker.admits()


class BreakerMachine(RuleBasedStateMachine):
    """Calls begin, end and vanish in any order; what must always hold is checked after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker(BreakerPolicy(window_calls=5, min_failures=2, open_ms=1_000), clock=self.clock)
        self.running: list[tuple[object, bool, int]] = []

    @rule()
    def begin(self) -> None:
        before = self.breaker.state
        watch = self.breaker.watch()
        try:
            watch.__enter__()
        except BreakerOpen:
            assert before != "closed"
        else:
            assert before != "open"
            probing = before == "half_open"
            assert not (probing and any(probe and era == self.breaker._era for _, probe, era in self.running))
            self.running.append((watch, probing, self.breaker._era))

    @rule(end=st.sampled_from([None, ConnectionError, asyncio.CancelledError]), which=st.integers(0, 20))
    def finish(self, end: type[BaseException] | None, which: int) -> None:
        if not self.running:
            return
        watch, _, _ = self.running.pop(which % len(self.running))
        error = end() if end else None
        with suppress(end) if end else nullcontext():
            watch.__exit__(end, error, None)  # type: ignore[attr-defined]  # a context manager

    @rule(seconds=st.sampled_from([0.4, 1.1]))
    def wait(self, seconds: float) -> None:
        self.clock.now_s += seconds

    @invariant()
    def when_nothing_runs_a_probe_is_possible(self) -> None:
        if not self.running and state_of(self.breaker) == "half_open":
            with self.breaker.watch():
                pass
            assert state_of(self.breaker) == "closed"


BreakerMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestBreakerMachine = BreakerMachine.TestCase
