"""The history in memory: immutable, the same however the rows arrived, and unmoved by gaps and ends."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supermegaretail.history import ModelInputs, SalesHistory
from supermegaretail.table import merge
from tests.supermegaretail.conftest import ITEMS, LAST_DAY, NEVER_SOLD, small_table

NOBODY = ("moon", "cheese")


def same(one: ModelInputs, other: ModelInputs) -> None:
    for name in ("known", "stable", "extended", "planned_missing"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def sale(item: tuple[str, str], day: date, units: float) -> pl.DataFrame:
    row = {"store": [item[0]], "sku": [item[1]], "date": [day], "sales": [units]}
    return pl.DataFrame(row, schema_overrides={"sales": pl.Float32})


@pytest.mark.parametrize("nothing", [pl.DataFrame(), small_table().clear()])
def test_an_empty_table_is_a_history_without_a_day(nothing: pl.DataFrame) -> None:
    history = SalesHistory.build(nothing)
    assert history.last_day is None
    assert not history.inputs(ITEMS, as_of=LAST_DAY, horizon_days=7).known.any()


def test_items_without_a_known_sale_are_unknown_and_keep_their_place() -> None:
    asked = [NOBODY, ITEMS[1], NEVER_SOLD, ITEMS[0]]
    found = SalesHistory.build(small_table()).inputs(asked, as_of=LAST_DAY, horizon_days=7)
    assert found.known.tolist() == [False, True, False, True]
    assert np.isnan(found.stable[[0, 2]]).all()
    assert np.isfinite(found.stable[[1, 3]]).all()


def test_nothing_is_known_before_the_first_day() -> None:
    history = SalesHistory.build(small_table(days=50))
    assert not history.inputs(ITEMS, as_of=LAST_DAY - timedelta(days=50), horizon_days=7).known.any()
    assert history.inputs(ITEMS, as_of=LAST_DAY - timedelta(days=49), horizon_days=7).known.all()


def test_the_prepared_state_is_what_would_be_computed_on_demand() -> None:
    table, day = small_table(), LAST_DAY - timedelta(days=9)
    earlier = table.with_columns(sales=pl.when(pl.col("date") <= day).then("sales"))
    prepared = SalesHistory.build(earlier)
    assert prepared.last_day == day
    same(
        prepared.inputs(ITEMS, as_of=day, horizon_days=9),
        SalesHistory.build(table).inputs(ITEMS, as_of=day, horizon_days=9),
    )


@pytest.mark.parametrize("days_later", [-40, 0, 1, 20])
def test_a_new_sale_gives_the_history_that_the_whole_table_would(days_later: int) -> None:
    table, day = small_table(), LAST_DAY + timedelta(days=days_later)
    new = sale(ITEMS[1], day, 99)
    updated, rebuilt = SalesHistory.build(table).updated(new), SalesHistory.build(merge(table, new))
    assert updated.last_day == rebuilt.last_day == max(day, LAST_DAY)
    for as_of in (max(day, LAST_DAY), LAST_DAY - timedelta(days=50)):
        same(
            updated.inputs(ITEMS, as_of=as_of, horizon_days=5),
            rebuilt.inputs(ITEMS, as_of=as_of, horizon_days=5),
        )


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([*ITEMS, NEVER_SOLD, NOBODY]), st.integers(-100, 40), st.floats(0, 100, width=16)),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
)
def test_any_updates_one_by_one_give_the_history_of_the_whole_table(
    sales: list[tuple[tuple[str, str], int, float]], asked_between: bool
) -> None:
    table, everybody = small_table(), [*ITEMS, NEVER_SOLD, NOBODY]
    updated = SalesHistory.build(table)
    for item, days_later, units in sales:
        new = sale(item, LAST_DAY + timedelta(days=days_later), units)
        updated, table = updated.updated(new), merge(table, new)
        if asked_between:
            assert updated.last_day is not None
            updated.inputs(everybody[::2], as_of=updated.last_day, horizon_days=1)
    rebuilt = SalesHistory.build(table)
    assert updated.last_day is not None
    assert (updated.last_day, updated.reported_until) == (rebuilt.last_day, rebuilt.reported_until)
    same(
        updated.inputs(everybody, as_of=updated.last_day, horizon_days=7),
        rebuilt.inputs(everybody, as_of=updated.last_day, horizon_days=7),
    )
    for as_of in (updated.last_day, LAST_DAY):
        assert updated.highest_sales(everybody, as_of=as_of).tolist() == [
            rebuilt.highest_sales([item], as_of=as_of)[0] for item in everybody
        ]


def test_it_is_known_whether_a_state_is_at_hand_or_would_have_to_be_computed() -> None:
    history, next_day = SalesHistory.build(small_table()), LAST_DAY + timedelta(days=1)
    assert history.is_prepared([*ITEMS, NOBODY], as_of=LAST_DAY)
    assert not history.is_prepared(ITEMS, as_of=LAST_DAY - timedelta(days=1))
    later = history.updated(sale(ITEMS[0], next_day, 7))
    assert not later.is_prepared(ITEMS[:1], as_of=next_day)
    later.inputs(ITEMS[:1], as_of=next_day, horizon_days=7)
    assert [later.is_prepared([item], as_of=next_day) for item in ITEMS[:2]] == [True, False]


def test_many_threads_may_ask_for_states_that_are_not_prepared_yet() -> None:
    table, next_day = small_table(), LAST_DAY + timedelta(days=1)
    prepared = SalesHistory.build(merge(table, sale(ITEMS[0], next_day, 7)))
    expected = prepared.inputs(ITEMS, as_of=next_day, horizon_days=7)
    for _ in range(5):
        fresh = SalesHistory.build(table).updated(sale(ITEMS[0], next_day, 7))
        with ThreadPoolExecutor(8) as threads:
            ask = partial(fresh.inputs, ITEMS, as_of=next_day, horizon_days=7)
            for answer in [threads.submit(ask) for _ in range(16)]:
                same(answer.result(), expected)


def test_the_most_sold_is_known_for_each_day() -> None:
    history = SalesHistory.build(small_table()).updated(sale(ITEMS[0], LAST_DAY - timedelta(days=2), 900))
    days = [LAST_DAY - timedelta(days=back) for back in (3, 2, 0)]
    highest = [history.highest_sales([ITEMS[0], NOBODY], as_of=day).tolist() for day in days]
    assert [nobody for _, nobody in highest] == [0, 0, 0]
    assert [most for most, _ in highest][1:] == [900, 900]
    assert 0 < highest[0][0] < 900


def test_an_update_leaves_the_old_history_as_it_was() -> None:
    history = SalesHistory.build(small_table())
    before = history.inputs(ITEMS, as_of=LAST_DAY, horizon_days=7)
    changed = history.updated(sale(ITEMS[0], LAST_DAY, 500))
    same(before, history.inputs(ITEMS, as_of=LAST_DAY, horizon_days=7))
    assert (changed.inputs(ITEMS, as_of=LAST_DAY, horizon_days=7).stable != before.stable).any()


def test_a_later_value_corrects_and_a_missing_one_keeps_the_plan() -> None:
    history = SalesHistory.build(small_table()).updated(sale(ITEMS[0], LAST_DAY + timedelta(days=1), 3))
    again = history.updated(sale(ITEMS[0], LAST_DAY + timedelta(days=1), 4))
    assert again.highest_sales([ITEMS[0]], as_of=LAST_DAY) == history.highest_sales([ITEMS[0]], as_of=LAST_DAY)
    assert not again.inputs(ITEMS[:1], as_of=LAST_DAY, horizon_days=7).planned_missing.any()


def test_plans_that_an_item_normally_has_are_missed() -> None:
    history = SalesHistory.build(small_table(planned_days=7))
    assert not history.inputs(ITEMS, as_of=LAST_DAY, horizon_days=7).planned_missing.any()
    assert history.inputs(ITEMS, as_of=LAST_DAY, horizon_days=8).planned_missing.all()
    plain = SalesHistory.build(small_table(planned_days=0).drop("price", "promotion"))
    assert not plain.inputs(ITEMS, as_of=LAST_DAY, horizon_days=7).planned_missing.any()


def test_a_gap_is_not_a_time_without_demand() -> None:
    gap = pl.col("date") > LAST_DAY - timedelta(days=200)
    table = small_table(days=300).filter((pl.col("sku") != "bread") | ~gap)
    found = SalesHistory.build(table).inputs([("north", "bread")], as_of=LAST_DAY, horizon_days=7)
    assert found.known.all()
    assert found.stable[0, 0] == pytest.approx(17, rel=0.1)
