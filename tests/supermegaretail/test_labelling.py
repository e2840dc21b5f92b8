"""From overrides to labels, to the next training, to an override that may go."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from sqlalchemy import create_engine

from common.overrides.agreements import Agreement, Agreements, sentence
from common.state.overrides import Override, OverrideStore, iso
from supermegaretail import label_command
from supermegaretail.decisions import Decisions, MadeAnew, functions_of
from supermegaretail.examples import draw
from supermegaretail.features import Floats
from supermegaretail.history import SalesHistory
from supermegaretail.labelled_examples import LARGEST_SHARE, labelled, together
from supermegaretail.labelling import LABEL_WEIGHT, MOST_FUNCTIONS, MOST_ITEM_DAYS, Forecast, Function, label
from supermegaretail.overriding import Scope
from supermegaretail.panel import Key
from supermegaretail.retiring import agreements
from supermegaretail.settings import RetailSettings
from supermegaretail.training import rehearse
from tests.supermegaretail.conftest import LAST_DAY

LAST = LAST_DAY.toordinal()
BEGUN = LAST - 9
WEEKS = len({day // 7 for day in range(BEGUN, LAST + 1)})
NOW = datetime.combine(LAST_DAY, datetime.min.time(), UTC) + timedelta(hours=30)


def fallen(days: int = 120) -> pl.DataFrame:
    """Two stores that sell ten a day; from ten days ago on the north sells seven."""
    rows = [
        (store, sku, LAST_DAY - timedelta(days=back), 7.0 if store == "north" and back < 10 else 10.0, "food")
        for store in ("north", "south")
        for sku in ("milk", "bread")
        for back in range(days)
    ]
    names, types = ["store", "sku", "date", "sales", "category_1"], {"sales": pl.Float32}
    return pl.DataFrame(rows, schema=names, orient="row", schema_overrides=types)


@pytest.fixture(scope="module")
def history() -> SalesHistory:
    return SalesHistory.build(fallen())


def factor(name: str, value: float, *, first: int = BEGUN, last: int = LAST + 14, store: str = "north") -> Function:
    return Function(name, Scope(store), "factor", value, first, last)


def constantly(units: float) -> Forecast:
    return lambda keys, _, days: np.full((len(keys), days), units)


def test_who_was_right_counts_and_who_was_wrong_does_not(history: SalesHistory) -> None:
    made = label(history, [factor("right", 0.7), factor("wrong", 1.5)])
    by_name = {one.name: one for one in made.standings}
    assert (by_name["right"].accuracy, by_name["wrong"].accuracy) == (1.0, 0.0)
    assert (by_name["right"].conflicts, by_name["right"].compared) == (1.0, WEEKS)
    assert set(made.rows["date"]) == {LAST_DAY + timedelta(days=ahead) for ahead in range(1, 15)}
    assert made.rows["ratio"].to_numpy() == pytest.approx(0.7, abs=0.1)
    assert made.rows["demand"].to_numpy() == pytest.approx(7.0, abs=1.0)


def test_labels_weigh_less_than_sales_and_name_whom_they_are_from(history: SalesHistory) -> None:
    rows = label(history, [factor("a", 0.7), factor("b", 0.72, last=LAST + 3)]).rows
    assert 0 < rows["weight"].min() <= rows["weight"].max() <= LABEL_WEIGHT  # type: ignore[operator]
    named = dict(rows.group_by("date").agg(pl.col("functions").first().list.join(" ")).iter_rows())
    assert (named[LAST_DAY + timedelta(days=1)], named[LAST_DAY + timedelta(days=9)]) == ("a b", "a")
    assert rows["probabilities"].list.sum().to_numpy() == pytest.approx(1)


def test_the_same_decisions_make_the_same_labels(history: SalesHistory) -> None:
    first, second = (label(history, [factor("a", 0.7), factor("b", 0.9)]).rows for _ in range(2))
    assert first.equals(second)


def test_without_decisions_there_are_no_labels(history: SalesHistory) -> None:
    assert label(history, []).rows.is_empty()
    assert label(history, [factor("nowhere", 0.7, store="west")]).rows.is_empty()


def test_sales_that_arrive_take_the_place_of_opinions() -> None:
    earlier = SalesHistory.build(fallen().filter(pl.col("date") <= LAST_DAY - timedelta(days=5)))
    rows = label(earlier, [factor("a", 0.7)]).rows
    assert rows["date"].min() == LAST_DAY - timedelta(days=4)
    later = labelled(SalesHistory.build(fallen()), rows, as_of=LAST_DAY)
    assert later is not None
    assert (later.demand > 0).all()
    origins = rows.filter(pl.col("date") > LAST_DAY)
    assert len(later.demand) <= 7 * origins.height  # those of days that were sold meanwhile are gone


def test_opinions_never_outweigh_what_was_sold(history: SalesHistory) -> None:
    sold = draw(history.panel, rows=40, seed=1)
    both = together(sold, labelled(history, label(history, [factor("a", 0.7)]).rows, as_of=LAST_DAY))
    share = both.weight[len(sold.weight) :].sum() / both.weight.sum()
    assert share == pytest.approx(LARGEST_SHARE, abs=0.01)
    assert together(sold, None) is sold


def test_a_label_is_not_learnt_before_anything_tells_its_items_from_others(history: SalesHistory) -> None:
    begins_now = label(history, [factor("a", 0.7, first=LAST + 1)]).rows
    assert begins_now.height > 0
    assert labelled(history, begins_now, as_of=LAST_DAY) is None


def test_an_override_without_days_begins_where_the_sales_end() -> None:
    engine = create_engine("sqlite://")
    store, now = OverrideStore(engine, "s"), datetime.now(UTC)
    value = {"effect": "constant", "value": 5.0}
    store.add("north\nmilk", value, owner="a", reason="told", ends_at=now + timedelta(days=9), now=now)
    (one,) = functions_of(store.in_force(now=now), [], LAST_DAY, now=now)
    assert (one.first, one.effect) == (min(now.date().toordinal(), LAST + 1), "constant")
    assert one.ratio(np.array([10.0])).tolist() == [0.5]
    engine.dispose()


@pytest.mark.parametrize(("said", "agrees"), [(7.0, True), (7.9, True), (10.0, False), (4.0, False)])
def test_an_override_may_go_when_the_model_says_the_same(history: SalesHistory, said: float, agrees: bool) -> None:
    (found,) = agreements(history, [factor("a", 0.7)], constantly(said), version="2.0.0")
    assert (found.agrees, found.compared) == (agrees, 28)
    assert found.ratio == pytest.approx(said / 7, rel=0.01)


def mixed(keys: list[Key], _: date, days: int) -> Floats:
    """Right in sum, wrong about each."""
    return np.array([[2.0 if sku == "milk" else 12.0] * days for _, sku in keys])


def test_an_override_stays_while_it_is_nearer_to_what_was_sold_though_the_sums_agree(history: SalesHistory) -> None:
    constant = Function("a", Scope("north"), "constant", 7.0, BEGUN, LAST + 14)
    (found,) = agreements(history, [constant], mixed, version="2")
    assert (found.ratio, found.agrees) == (1.0, False)
    assert (found.known, found.mean_error, found.mean_error_overridden) == (20, 5.0, 0.0)


def test_a_factor_means_times_what_would_be_sold_now_had_the_season_gone_on_without_it() -> None:
    summer = pl.col("store").eq("south") & (pl.col("date") > LAST_DAY - timedelta(days=40))
    grown = fallen().with_columns(pl.when(summer).then(15.0).otherwise(pl.col("sales")).cast(pl.Float32).alias("sales"))
    begun = factor("a", 0.7, first=LAST - 49)
    (found,) = agreements(SalesHistory.build(grown), [begun], constantly(10.5), version="2")
    assert found.ratio == pytest.approx(1.0, abs=0.01)


def test_an_override_is_not_proposed_before_any_of_its_days_are_known(history: SalesHistory) -> None:
    ahead = factor("a", 0.7, first=LAST + 1)
    (found,) = agreements(history, [ahead], constantly(7.0), version="2")
    assert (found.agrees, found.known, found.mean_error, found.mean_error_overridden) == (False, 0, None, None)
    assert sentence(asdict(found)).endswith("no truth is known yet")


def test_a_proposal_says_how_far_the_model_errs_with_the_override_and_without(history: SalesHistory) -> None:
    (found,) = agreements(history, [factor("a", 0.7)], constantly(7.0), version="2.0.0")
    assert found.agrees
    told = "2.0.0 says 1.00 of it by itself; mean error over 20 known days: 0.000 without it, 2.100 with it"
    assert sentence(asdict(found)) == told


def test_one_that_has_ended_or_is_hardly_compared_is_not_proposed(history: SalesHistory) -> None:
    functions = [factor("over", 0.7, last=LAST), factor("short", 0.7, last=LAST + 1)]
    assert agreements(history, functions, constantly(7.0), version="2") == []


def test_the_newest_comparison_takes_the_place_of_the_one_before() -> None:
    engine = create_engine("sqlite://")
    kept = Agreements(engine, "s")
    kept.replace([Agreement("a", "1", 9, 1.3, agrees=False), Agreement("b", "1", 9, 1.0, agrees=True)])
    kept.replace([Agreement("a", "2", 9, 1.0, agrees=True)])
    assert {name: (one["version"], one["agrees"]) for name, one in kept.all().items()} == {"a": ("2", True)}
    engine.dispose()


def decided(name: str = "a", **change: Any) -> Override:
    """Made ten days ago, in force for thirty more."""
    value = {"effect": "factor", "value": 0.7, **change.pop("value", {})}
    times = {"created_at": iso(NOW - timedelta(days=10)), "ends_at": iso(NOW + timedelta(days=30)), **change}
    return Override(name, "north\n", value, "ann", "told", **times)


def event(name: str, factor: float, **change: Any) -> Override:
    days = {"first_day": LAST_DAY.isoformat(), "last_day": (LAST_DAY + timedelta(days=9)).isoformat()}
    return decided(name, value={"name": name, "factor": factor, **days}, **change)


def test_what_was_withdrawn_teaches_nothing_of_days_to_come_and_a_mistake_of_a_minute_nothing_at_all() -> None:
    ahead = {"last_day": (LAST_DAY + timedelta(days=14)).isoformat()}
    early, late = iso(NOW - timedelta(days=10) + timedelta(minutes=1)), iso(NOW - timedelta(days=4))
    mistakes = [decided(value={"value": 3.0, **ahead}, withdrawn_at=early)]
    cancelled = [event("concert", 5.0, withdrawn_at=early)]
    assert functions_of(mistakes, cancelled, LAST_DAY, now=NOW) == []
    (held,) = functions_of([decided(value=ahead, withdrawn_at=late)], [], LAST_DAY, now=NOW)
    assert held.last == LAST - 4


def test_nothing_is_said_of_days_after_the_end_though_a_later_last_day_was_given() -> None:
    ahead = {"first_day": LAST_DAY.isoformat(), "last_day": (LAST_DAY + timedelta(days=14)).isoformat()}
    ends = {"ends_at": iso(NOW + timedelta(days=2))}
    (one, other) = functions_of([decided(value=ahead, **ends)], [event("fair", 1.5, **ends)], LAST_DAY, now=NOW)
    assert (one.last, other.last) == (LAST + 3, LAST + 3)


def test_the_newest_decisions_come_first_events_among_them(history: SalesHistory) -> None:
    made = [decided(f"{place}", created_at=iso(NOW - timedelta(hours=place))) for place in range(MOST_FUNCTIONS + 3)]
    found = functions_of(made[::-1], [event("fair", 1.5, created_at=iso(NOW + timedelta(hours=1)))], LAST_DAY, now=NOW)
    assert [one.name for one in found[:3]] == ["fair", "0", "1"]
    assert len(found) == MOST_FUNCTIONS + 4
    assert [one.name for one in label(history, found).standings] == [one.name for one in found[:MOST_FUNCTIONS]]


def test_a_decision_about_many_items_is_one_vote_a_week_and_no_certainty(history: SalesHistory) -> None:
    alone = label(history, [factor("a", 3.0, first=LAST + 1)])
    assert alone.accuracy == pytest.approx([0.7])
    assert alone.rows["weight"].max() < LABEL_WEIGHT / 2  # type: ignore[operator]
    assert alone.rows["ratio"].to_numpy() == pytest.approx(3.0)
    assert label(history, [factor("a", 0.7)]).standings[0].compared == WEEKS


def test_after_two_weeks_the_sales_tell_by_themselves_and_only_who_was_right_is_followed(history: SalesHistory) -> None:
    for first, taught in ((LAST - 12, True), (LAST - 13, False)):
        made = label(history, [factor("a", 0.7, first=first)])
        assert (made.rows.height > 0, made.standings[0].compared > 0) == (taught, True)


def test_all_item_days_together_are_bounded_and_no_function_goes_unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_ITEM_DAYS <= 200_000
    monkeypatch.setattr("supermegaretail.labelling.MOST_ITEM_DAYS", 50)
    made = label(SalesHistory.build(fallen()), [factor(name, 0.7) for name in "abcd"])
    assert made.item_days <= 50
    assert [one.compared for one in made.standings] == [WEEKS] * 4


def test_labels_of_an_earlier_day_know_what_was_decided_and_sold_by_then(history: SalesHistory) -> None:
    week_ago = LAST_DAY - timedelta(days=7)
    meanwhile = decided("late", created_at=iso(NOW - timedelta(days=3)))
    withdrawn = decided("gone", withdrawn_at=iso(NOW - timedelta(days=1)))
    labels = MadeAnew(Decisions([meanwhile, withdrawn], [], NOW), lambda _: None, lambda _: None)
    now, then = labels(history, LAST_DAY), labels(history, week_ago)
    assert {name for some in now["functions"].to_list() for name in some} == {"late"}
    assert {name for some in then["functions"].to_list() for name in some} == {"gone"}
    assert then["date"].min() == week_ago + timedelta(days=1)
    shorter = SalesHistory.build(fallen().filter(pl.col("date") <= week_ago))
    assert then.equals(replace(labels, decisions=labels.decisions.earlier(7))(shorter, week_ago))


def test_what_begins_later_is_judged_by_what_was_sold_by_then_and_by_no_later_sale() -> None:
    cut = LAST_DAY - timedelta(days=14)
    soon = factor("soon", 1.5, first=cut.toordinal() + 11, last=cut.toordinal() + 12)
    after = pl.when(pl.col("date") > cut).then(pl.col("sales") * 5).otherwise("sales").cast(pl.Float32)
    made = [
        label(SalesHistory.build(table), [soon], as_of=cut).rows
        for table in (fallen(), fallen().with_columns(after.alias("sales")))
    ]
    assert made[0].equals(made[1])
    assert not made[0].is_empty()


def test_a_rehearsal_learns_from_the_labels_of_the_day_until_which_it_sees(history: SalesHistory) -> None:
    asked: list[date] = []

    def labels(of: SalesHistory, day: date) -> pl.DataFrame:
        asked.append(day)
        return label(of, [factor("a", 0.7)], as_of=day).rows

    until = LAST_DAY - timedelta(days=5)
    made = rehearse(history, until=until, rows=200, seed=1, threads=1, labels=labels)
    assert asked == [until]
    assert made.labels is not None
    assert made.labels["date"].min() == until + timedelta(days=1)


def test_the_command_shows_what_the_next_training_learns_and_keeps_no_file(tmp_path: Path) -> None:
    settings, engine = RetailSettings.model_validate({"var_dir": tmp_path}), create_engine("sqlite://")
    store, now = OverrideStore(engine, "supermegaretail"), datetime.now(UTC)
    value = {"effect": "factor", "value": 0.7, "first_day": date.fromordinal(BEGUN).isoformat()}
    made = store.add("north\n", value, owner="a", reason="told", ends_at=now + timedelta(days=9), now=now)
    shown = label_command.run(settings, engine, fallen(), version="champion", console=Console(quiet=True))
    assert {name for some in shown.rows["functions"].to_list() for name in some} == {made.id}
    store.withdraw(made.id, now=now)
    shown = label_command.run(settings, engine, fallen(), version="champion", console=Console(quiet=True))
    assert shown.rows.is_empty()
    assert not list(tmp_path.rglob("*.parquet"))
    engine.dispose()
