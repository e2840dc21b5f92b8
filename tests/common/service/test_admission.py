"""Who is let in: up to a limit that follows the queue, and nobody at the others' expense."""

from __future__ import annotations

import time

import pytest

from common.deadline import Deadline
from common.service.admission import (
    ANSWERING_MS,
    ANSWERING_SHARE,
    FEWEST,
    FEWEST_LOOKS,
    OPERATORS,
    STANDING_MS,
    WINDOW_S,
    Admission,
)
from common.service.auth import Callers


def windows(admission: Admission, wait_ms: float, count: int) -> None:
    for _ in range(count):
        for _ in range(FEWEST_LOOKS):
            admission.waited(wait_ms)
        time.sleep(WINDOW_S)
        admission.waited(wait_ms)


def entered(admission: Admission, caller: str, tries: int) -> int:
    return sum(admission.enter(caller) is not None for _ in range(tries))


def test_a_caller_who_is_alone_may_have_every_place() -> None:
    assert entered(Admission(most=9), "a", 20) == 9


def test_a_place_that_is_given_back_is_free_and_callers_who_have_gone_are_forgotten() -> None:
    admission = Admission(most=1)
    for number in range(1000):
        assert admission.enter(f"caller {number}")
        admission.leave(f"caller {number}")
    assert len(admission._of) == 0


def test_a_greedy_caller_leaves_room_as_soon_as_there_is_another() -> None:
    admission = Admission(most=9)
    entered(admission, "greedy", 20)
    assert not admission.enter("modest")
    admission.leave("greedy")
    assert not admission.enter("greedy")
    assert admission.enter("modest")


def test_the_limit_falls_while_a_line_stands_and_comes_back_when_it_is_gone() -> None:
    admission = Admission(most=100)
    entered(admission, "a", 100)
    windows(admission, STANDING_MS * 2, 8)
    assert int(admission.limit) == FEWEST
    windows(admission, 1.0, 1)
    assert admission.limit > FEWEST


def test_one_quick_turn_of_the_loop_shows_that_there_is_no_line() -> None:
    admission = Admission(most=100)
    entered(admission, "a", 100)
    windows(admission, 1.0, 1)
    for wait_ms in (500.0, 1.0, 500.0):
        admission.waited(wait_ms)
    windows(admission, 1.0, 1)
    assert admission.limit == 100


def test_callers_are_told_apart_by_keys_only_where_there_are_keys() -> None:
    assert Admission(most=1).caller("Bearer made-up", "10.0.0.1") == "10.0.0.1"
    keyed = Admission(most=1, callers=Callers({"shop": "key"}))
    assert keyed.caller("Bearer key", "10.0.0.1") == "shop"
    assert keyed.caller("Bearer made-up", "10.0.0.1") == "10.0.0.1"
    assert keyed.caller(None, "10.0.0.1") == "10.0.0.1"


def test_one_block_of_the_loop_is_no_line() -> None:
    admission = Admission(most=100)
    entered(admission, "a", 3)
    windows(admission, 1.0, 2)
    time.sleep(WINDOW_S)
    admission.waited(STANDING_MS * 5)
    assert admission.limit == 100


def test_the_limit_falls_by_half_while_more_are_let_in_than_are_answered_in_time_and_then_by_a_fifth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    admission, limits = Admission(most=200), []
    for _ in range(4):
        for _ in range(25):  # answered in a tenth of a second: 50 in `WITHIN_S`
            admission.enter("a")
            admission.leave("a")
        for _ in range(10):
            now[0] += WINDOW_S / 9.99
            admission.waited(STANDING_MS * 2)
        limits.append(round(admission.limit))
    assert limits == [100, 50, 40, 32]


def test_operators_have_places_of_their_own() -> None:
    admission = Admission(most=4)
    entered(admission, "a", 10)
    assert not admission.enter("b")
    let_in = [admission.enter("a", operator=True) is not None for _ in range(OPERATORS + 1)]
    assert let_in == [True] * OPERATORS + [False]


def test_behind_a_line_who_has_little_time_left_is_let_in_only_where_there_is_much_room() -> None:
    admission = Admission(most=10)
    admission.limit = 9.9  # it was lowered
    assert admission.enter("a", passed=1.0)
    entered(admission, "a", 4)
    assert not admission.enter("a", passed=0.5)
    assert admission.enter("a", passed=0.4)
    assert admission.enter("a")


def test_after_a_pause_of_the_machine_the_few_who_came_meanwhile_are_let_in() -> None:
    admission = Admission(most=4 * FEWEST)
    late = [admission.enter("a", passed=1.0) is not None for _ in range(FEWEST + 5)]
    assert late == [True] * FEWEST + [False] * 5


def test_a_place_that_is_left_twice_is_given_back_once() -> None:
    admission = Admission(most=2)
    first, second = admission.enter("a"), admission.enter("a")
    assert first is not None
    assert second is not None
    first.leave()
    first.leave()
    assert entered(admission, "a", 3) == 1


def test_a_place_that_was_left_without_an_answer_makes_nobody_look_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    admission = Admission(most=200)
    for _ in range(100):  # heads without bodies
        place = admission.enter("a")
        assert place is not None
        place.leave(answered=False)
    for _ in range(10):
        now[0] += WINDOW_S / 9.99
        admission.waited(STANDING_MS * 2)
    assert admission.limit == 100  # halved: nothing was answered


def test_who_would_stand_in_line_for_too_much_of_their_time_is_refused_and_who_has_more_time_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("common.service.turns.Turns.expected_wait_ms", 100.0)
    admission = Admission(most=100)
    assert all(admission.enter("a", budget_ms=300.0) for _ in range(FEWEST))
    assert not admission.enter("a", budget_ms=300.0)
    assert admission.enter("a", budget_ms=3_000.0)
    assert admission.enter("a")  # whose time is not known yet


def test_the_more_are_at_work_the_earlier_each_is_to_be_done_but_most_of_its_time_is_its_own() -> None:
    admission, now_s = Admission(most=100), 50.0

    def left_ms(budget_ms: float) -> float | None:
        begun = admission.begin(Deadline(now_s + budget_ms / 1000, clock=lambda: now_s))
        return None if begun is None else begun.remaining_ms

    assert left_ms(300) == pytest.approx(300)
    entered(admission, "a", 10)
    assert left_ms(300) == pytest.approx(300 - 10 * ANSWERING_MS)
    assert left_ms(15) == pytest.approx(15 * (1 - ANSWERING_SHARE))
    assert left_ms(0) == 0  # where few are at work even who comes late is answered
    entered(admission, "a", 40)
    assert left_ms(300) == pytest.approx(300 * (1 - ANSWERING_SHARE))
    assert left_ms(49 * ANSWERING_MS) is None
    assert admission.refused == 1
