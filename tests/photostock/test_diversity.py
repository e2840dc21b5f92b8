"""No page full of one photographer, and nobody left out."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from photostock.contract import SearchFields
from photostock.filter.diversity import BLOCK, MOST_PER_BLOCK, UNKNOWN, WINDOW, spread
from photostock.finding import Found, Wanted
from photostock.hints.rewriting import Rewritten
from photostock.replaying import _spread_late


def places(photographers: list[int]) -> list[int]:
    new = spread(np.array(photographers))
    return list(range(len(photographers))) if new is None else new.tolist()


def test_the_fourth_photo_of_one_person_steps_back_behind_the_others_of_its_block() -> None:
    photographers = [7] * 5 + list(range(10, 40))
    assert places(photographers)[:BLOCK] == [0, 1, 2, *range(5, 22)]
    assert places(photographers)[BLOCK : BLOCK + 3] == [3, 4, 22]


def test_nothing_moves_where_nobody_has_too_many() -> None:
    assert spread(np.array([1, 1, 1, 2, 2, 2, 3])) is None


def test_photos_without_a_photographer_are_not_one_persons() -> None:
    assert spread(np.array([UNKNOWN] * 50)) is None


def test_where_there_is_nobody_else_the_order_stays() -> None:
    assert places([5] * 30) == list(range(30))


def test_no_results_are_no_trouble() -> None:
    assert spread(np.array([], dtype=np.int32)) is None


@given(st.lists(st.integers(0, 6), max_size=2 * WINDOW))
def test_everybody_stays_and_the_blocks_do_not_depend_on_how_much_is_asked_for(photographers: list[int]) -> None:
    new = places(photographers)
    assert sorted(new) == list(range(len(photographers)))
    assert new[WINDOW:] == list(range(len(photographers)))[WINDOW:]
    assert new[:WINDOW] == places(photographers[:WINDOW])


@given(st.lists(st.integers(0, 60), min_size=WINDOW, max_size=WINDOW))
def test_no_block_has_more_of_one_person_than_needed_while_others_are_left(photographers: list[int]) -> None:
    block = [photographers[place] for place in places(photographers)[:BLOCK]]
    offered = sum(min(count, MOST_PER_BLOCK) if who else count for who, count in Counter(photographers).items())
    if offered >= BLOCK:
        assert max((count for who, count in Counter(block).items() if who), default=0) <= MOST_PER_BLOCK


def test_a_tape_of_before_is_spread_after_the_reranker_as_it_was_then() -> None:
    rows = np.arange(30)
    photographers = [7] * 10 + list(range(10, 30))
    wanted = Wanted(SearchFields(query="dog"), "dog", Rewritten("dog", "dog"), np.ones(30, dtype=np.bool_))
    tape = {"rows": rows.tolist(), "photographers": photographers}
    found = Found(rows[::-1], np.linspace(1, 0, 30), retrieval=np.zeros(20))
    then = spread(np.array(photographers[::-1]))
    assert then is not None
    assert _spread_late(tape, wanted, found).rows.tolist() == found.rows[then].tolist()
    assert _spread_late({**tape, "spread": True}, wanted, found) is found


def test_what_was_spread_stays_as_it_is_when_it_is_spread_again() -> None:
    found = Found(np.arange(30), np.linspace(1, 0, 30), nearness=np.linspace(1, 0, 30))
    photographers = np.array([7] * 10 + list(range(10, 30)))
    once = found.spread(spread(photographers))
    assert once.spread(spread(photographers[once.rows])).rows.tolist() == once.rows.tolist()
    assert once.nearness is not None
    assert once.nearness.tolist() == found.scores[once.rows].tolist()
    assert sorted(once.scores, reverse=True) == once.scores.tolist()
