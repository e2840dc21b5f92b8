"""From overrides to labels, to the next training, to an override that may go."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from sqlalchemy import create_engine

from common.overrides.agreements import Agreement, Agreements, sentence
from common.state.overrides import OverrideStore
from supermegaretail import label_command
from supermegaretail.examples import draw
from supermegaretail.features import Floats
from supermegaretail.history import SalesHistory
from supermegaretail.labelled_examples import LARGEST_SHARE, labelled, provenance, together
from supermegaretail.labelling import LABEL_WEIGHT, Forecast, Function, functions_of, label
from supermegaretail.overriding import Scope
from supermegaretail.panel import Key
from supermegaretail.retiring import agreements
from supermegaretail.settings import RetailSettings
from tests.supermegaretail.conftest import LAST_DAY

LAST = LAST_DAY.toordinal()
BEGUN = LAST - 9


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
    assert (by_name["right"].conflicts, by_name["right"].compared) == (1.0, 20)
    assert set(made.rows["date"]) == {LAST_DAY + timedelta(days=ahead) for ahead in range(1, 15)}
    assert made.rows["ratio"].to_numpy() == pytest.approx(0.7, abs=0.05)
    assert made.rows["demand"].to_numpy() == pytest.approx(7.0, abs=0.5)


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
    later = labelled(SalesHistory.build(fallen()), rows)
    assert later is not None
    assert (later.demand > 0).all()
    origins = rows.filter(pl.col("date") > LAST_DAY)
    assert len(later.demand) <= 7 * origins.height  # those of days that were sold meanwhile are gone


def test_opinions_never_outweigh_what_was_sold(history: SalesHistory) -> None:
    sold = draw(history.panel, rows=40, seed=1)
    both = together(sold, labelled(history, label(history, [factor("a", 0.7)]).rows))
    share = both.weight[len(sold.weight) :].sum() / both.weight.sum()
    assert share == pytest.approx(LARGEST_SHARE, abs=0.01)
    assert together(sold, None) is sold


def test_a_label_is_not_learnt_before_anything_tells_its_items_from_others(history: SalesHistory) -> None:
    begins_now = label(history, [factor("a", 0.7, first=LAST + 1)]).rows
    assert begins_now.height > 0
    assert labelled(history, begins_now) is None


def test_an_override_without_days_begins_where_the_sales_end() -> None:
    engine = create_engine("sqlite://")
    store, now = OverrideStore(engine, "s"), datetime.now(UTC)
    value = {"effect": "constant", "value": 5.0}
    store.add("north\nmilk", value, owner="a", reason="told", ends_at=now + timedelta(days=9), now=now)
    (one,) = functions_of(store.in_force(now=now), [], LAST_DAY)
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


def test_the_command_writes_labels_and_takes_old_ones_away(tmp_path: Path) -> None:
    settings, engine = RetailSettings.model_validate({"var_dir": tmp_path}), create_engine("sqlite://")
    store, now = OverrideStore(engine, "supermegaretail"), datetime.now(UTC)
    value = {"effect": "factor", "value": 0.7, "first_day": date.fromordinal(BEGUN).isoformat()}
    made = store.add("north\n", value, owner="a", reason="told", ends_at=now + timedelta(days=9), now=now)
    quiet = Console(quiet=True)
    label_command.run(settings, engine, fallen(), version="champion", console=quiet)
    rows = pl.read_parquet(settings.labels_path)
    assert provenance(rows)["functions"] == [made.id]
    assert provenance(rows) == provenance(pl.read_parquet(settings.labels_path))
    label_command.run(settings, create_engine("sqlite://"), fallen(), version="champion", console=quiet)
    assert not settings.labels_path.exists()
    engine.dispose()
