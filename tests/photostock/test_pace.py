"""The reranker knows its own speed, and one slow moment does not silence it for good."""

from __future__ import annotations

from common.deadline import Deadline
from photostock.reranker.pace import Pace


def test_before_anything_is_known_it_tries() -> None:
    assert Pace().suffices(1_000, Deadline.after_ms(1))


def test_it_refuses_what_it_could_not_finish() -> None:
    pace = Pace()
    pace.learn(10, 100)
    assert not pace.suffices(20, Deadline.after_ms(150, clock=lambda: 0.0))
    assert pace.suffices(5, Deadline.after_ms(150, clock=lambda: 0.0))


def test_after_a_slow_moment_it_tries_again() -> None:
    pace, deadline = Pace(), Deadline.after_ms(150, clock=lambda: 0.0)
    pace.learn(1, 1_000)
    refusals = 0
    while not pace.suffices(20, deadline):
        pace.forgive()
        refusals += 1
    assert 0 < refusals < 60


def test_a_process_that_stood_still_was_not_slow() -> None:
    pace = Pace()
    for ms in (30, 30, 3_000, 30, 3_000):  # frozen in the midst of two of them
        pace.learn(5, ms)
    assert pace.suffices(20, Deadline(at_s=0.3, clock=lambda: 0.0))


def test_one_that_stays_slow_is_believed_and_tried_now_and_then() -> None:
    pace, deadline, tried = Pace(), Deadline(at_s=0.2, clock=lambda: 0.0), 0
    pace.learn(10, 60)
    for _ in range(1_000):
        if pace.suffices(10, deadline):
            pace.learn(10, 6_000)
            tried += 1
        else:
            pace.forgive()
    assert 10 < tried < 100
