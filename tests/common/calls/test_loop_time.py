"""A share of the event loop's time, with a clock that only moves when told to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from common.calls.loop_time import LoopTime
from tests.common.conftest import FakeClock


def work(loop_time: LoopTime, clock: FakeClock, ms: float) -> None:
    with loop_time.used():
        clock.advance(ms / 1000)


def test_what_overdraws_it_is_finished_and_the_next_waits_until_that_is_made_up_for(clock: FakeClock) -> None:
    loop_time = LoopTime(share=0.1, burst_ms=10, clock=clock)
    work(loop_time, clock, 30)
    assert not loop_time.is_left
    clock.advance(0.16)
    assert not loop_time.is_left
    clock.advance(0.03)
    assert loop_time.is_left


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 500)), max_size=100))
def test_no_more_is_used_than_its_share_a_burst_and_the_last_piece(days: list[tuple[float, float]]) -> None:
    clock = FakeClock()
    loop_time, used_ms, began_s = LoopTime(share=0.05, burst_ms=20, clock=clock), 0.0, clock.now_s
    longest_ms = 0.0
    for work_ms, pause_ms in days:
        if loop_time.is_left:
            work(loop_time, clock, work_ms)
            used_ms, longest_ms = used_ms + work_ms, max(longest_ms, work_ms)
        clock.advance(pause_ms / 1000)
    assert used_ms <= 20 + longest_ms + 0.05 * (clock.now_s - began_s) * 1000 + 1e-6
