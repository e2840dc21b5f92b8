"""The moving average knows what holidays and events did to a store, and nothing of days that are yet to come."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supermegaretail.baseline import moving_average
from supermegaretail.boosting import Growth, grow
from supermegaretail.explanation_words import Subject, of_average, of_models
from supermegaretail.features import target_days
from supermegaretail.history import SalesHistory
from supermegaretail.panel import Panel

FIRST_DAY = date(2023, 1, 2)  # a Monday
DAYS = 800
FEASTS = tuple(FIRST_DAY + timedelta(days=day) for day in (200, 450, 640, 738))  # the last one is planned
AS_OF = FIRST_DAY + timedelta(days=729)
EVENTS = (
    *(
        "Chanukah End",
        "Christmas",
        "Cinco De Mayo",
        "ColumbusDay",
        "Easter",
        "Eid al-Fitr",
        "EidAlAdha",
        "Father's day",
    ),
    *("Halloween", "IndependenceDay", "LaborDay", "LentStart", "LentWeek2", "MartinLutherKingDay", "MemorialDay"),
    *("Mother's day", "NBAFinalsEnd", "NBAFinalsStart", "NewYear", "OrthodoxChristmas", "OrthodoxEaster", "Pesach End"),
    *("PresidentsDay", "Purim End", "Ramadan starts", "StPatricksDay", "SuperBowl", "Thanksgiving", "ValentinesDay"),
    *("VeteransDay", "none of these"),
)


def sold(store: str, *, feast: float, days: int = DAYS, sku: str = "p", flags: bool = True) -> pl.DataFrame:
    """Ten units a day up to AS_OF, more or less on feasts, and plans for the days after it."""
    calendar = [FIRST_DAY + timedelta(days=day) for day in range(DAYS - days, DAYS)]
    units = [None if day > AS_OF else 10 * feast if day in FEASTS else 10.0 for day in calendar]
    names = ["Feast" if flags and day in FEASTS else None for day in calendar]
    columns = {"store": [store] * days, "sku": [sku] * days, "date": calendar, "sales": units, "event": names}
    return pl.DataFrame(columns, schema_overrides={"sales": pl.Float32, "event": pl.String})


def factors(table: pl.DataFrame, *, store: str = "s", as_of: date = AS_OF, horizon_days: int = 14) -> list[float]:
    history = SalesHistory.build(table.sort("store", "sku", "date"))
    row: list[float] = history.special([(store, "p")], as_of=as_of, horizon_days=horizon_days)[0].tolist()
    return row


@pytest.mark.parametrize(("feast", "factor"), [(0, 0), (0.5, 0.5), (2, 2), (9, 5)])
def test_an_event_multiplies_the_day_as_it_did_before(feast: float, factor: float) -> None:
    made = factors(sold("s", feast=feast))
    assert made[8] == pytest.approx(factor, abs=0.06)
    assert made[:8] + made[9:] == [1] * 13


def test_the_moving_average_of_a_special_day_is_multiplied() -> None:
    history = SalesHistory.build(sold("s", feast=0))
    demand = moving_average(history, [("s", "p")], as_of=AS_OF, horizon_days=14)[0]
    assert demand[8] < 0.2
    np.testing.assert_allclose(np.delete(demand, 8), demand[0], rtol=0.1)


def test_an_explanation_tells_by_how_much_special_days_multiply() -> None:
    inputs = SalesHistory.build(sold("s", feast=0)).inputs([("s", "p")], as_of=AS_OF, horizon_days=14)
    subject = Subject(target_days(AS_OF, 14), inputs.stable[0], inputs.extended[0], (), inputs.special[0])
    told = f"So do holidays and events, by what was sold on such days: by 0.01 on Thursday {FEASTS[3]}."
    assert told in of_average(subject)
    assert "10.2 units a day, holidays and events aside;" in of_models([], subject, both=True, start=10.2, end=9)[0]
    ordinary = Subject(subject.days, subject.stable, subject.extended, (), np.ones(14))
    assert len(of_average(ordinary)) == len(of_average(subject)) - 1


def test_a_small_effect_that_was_seen_once_is_hardly_believed() -> None:
    once = sold("s", feast=1.1).with_columns(
        event=pl.when(pl.col("date").is_in([FEASTS[2], FEASTS[3]])).then(pl.lit("Feast"))
    )
    assert 1 < factors(once)[8] < 1.03


def test_a_store_that_has_seen_too_few_goes_by_the_chain() -> None:
    young = sold("s", feast=1, days=100)
    assert factors(pl.concat([young, sold("t", feast=3)]))[8] == pytest.approx(3, abs=0.2)
    assert factors(young)[8] == pytest.approx(1)


def test_a_store_that_has_seen_enough_goes_by_itself() -> None:
    assert factors(pl.concat([sold("s", feast=0.5), sold("t", feast=3)]))[8] == pytest.approx(0.5, abs=0.1)


def test_unknown_plans_and_unheard_of_events_change_nothing() -> None:
    table, later = sold("s", feast=3), pl.col("date") > AS_OF
    unplanned = table.with_columns(event=pl.when(~later).then("event"))
    unheard_of = table.with_columns(event=pl.when(later).then(pl.lit("Unheard of")).otherwise("event"))
    assert factors(unplanned) == factors(unheard_of) == [1] * 14
    nobody = SalesHistory.build(table).special([("no", "one")], as_of=AS_OF, horizon_days=3)
    assert nobody.tolist() == [[1, 1, 1]]


def test_a_weekday_that_is_a_holiday_every_week_is_no_special_day() -> None:
    table = sold("s", feast=1, flags=False)
    weekend, feast = pl.col("date").dt.weekday() >= 6, pl.col("date").is_in(FEASTS)
    table = table.with_columns(
        sales=pl.when(weekend).then(pl.col("sales") * 2).when(feast).then(pl.col("sales") * 3).otherwise("sales"),
        holiday=(weekend | feast).cast(pl.Int8),
    )
    made = factors(table)
    assert FEASTS[3].weekday() < 5
    assert made[8] == pytest.approx(3, abs=0.3)
    assert made[:8] + made[9:] == [1] * 13


def test_a_feast_that_is_going_on_is_in_the_level_already() -> None:
    table = sold("s", feast=2, flags=False).with_columns(holiday=pl.col("date").is_in(FEASTS[:2]).cast(pl.Int8))
    going_on = pl.col("date").is_between(AS_OF, AS_OF + timedelta(days=10))
    made = factors(table.with_columns(holiday=pl.when(going_on).then(1).otherwise("holiday").cast(pl.Int8)))
    assert made[:7] == [1] * 7
    assert min(made[7:10]) > 1


@settings(max_examples=15, deadline=None)
@given(
    units=st.lists(st.one_of(st.none(), st.floats(0, 1e6, width=32)), min_size=70, max_size=70),
    names=st.lists(st.sampled_from([None, "Feast", "Fair"]), min_size=70, max_size=70),
)
def test_nothing_that_is_told_of_another_series_after_as_of_changes_a_factor(
    units: list[float | None], names: list[str | None]
) -> None:
    table, other = sold("s", feast=2), sold("s", feast=2, sku="q")
    told = pl.DataFrame({"sales": units, "event": names}, schema_overrides={"sales": pl.Float32, "event": pl.String})
    later = pl.concat([other.tail(70).drop("sales", "event"), told], how="horizontal")
    changed = pl.concat([other.head(DAYS - 70), later.select(other.columns)])
    assert factors(pl.concat([table, other])) == factors(pl.concat([table, changed]))


def test_what_arrives_later_is_known_as_if_it_had_always_been() -> None:
    whole = pl.concat([sold("s", feast=2), sold("t", feast=3)]).sort("store", "sku", "date")
    recent = pl.col("date") > FEASTS[1] - timedelta(days=5)
    history = SalesHistory.build(whole.filter(~recent)).updated(whole.filter(recent & (pl.col("store") == "s")))
    history.prepare()
    history = history.updated(whole.filter(recent & (pl.col("store") == "t")))
    for store in ("s", "t"):
        made = history.special([(store, "p")], as_of=AS_OF, horizon_days=14)[0].tolist()
        assert made == pytest.approx(factors(whole, store=store))


def test_the_special_days_are_prepared_before_anyone_waits_for_them() -> None:
    history = SalesHistory.build(sold("s", feast=2))
    assert history.is_prepared([("s", "p")], as_of=AS_OF)
    later = history.updated(sold("s", feast=2).tail(3))
    assert not later.is_prepared([("s", "p")], as_of=AS_OF)
    later.stable([("s", "p")], as_of=AS_OF)
    assert later.is_prepared([("s", "p")], as_of=AS_OF)


def test_the_events_of_a_calendar_have_codes_of_their_own_that_trees_can_split_on(
    capfd: pytest.CaptureFixture[str],
) -> None:
    days = [FIRST_DAY + timedelta(days=day) for day in range(len(EVENTS))]
    names = pl.DataFrame({"store": "s", "sku": "p", "date": days, "sales": 1.0, "event": EVENTS})
    panel, _ = Panel().updated(names)
    codes = panel.series[0].values[6].astype(np.float64)
    assert len(set(codes.tolist())) == len(EVENTS)
    events, demand = np.repeat(codes, 200)[:, None], np.repeat(np.where(np.arange(len(codes)) % 2, 4.0, 1.0), 200)
    growth = Growth(trees=20, leaves=8, learning_rate=0.3, rows_per_leaf=20)
    ones = np.ones(len(demand))
    trees = grow(
        *(events, demand),
        weight=ones,
        start=ones,
        names=["event"],
        categorical=["event"],
        growth=growth,
        seed=1,
        threads=1,
        advance=lambda: None,
    )
    made = trees.factor(codes[:, None])
    assert made[1::2].min() > made[::2].max()
    assert capfd.readouterr() == ("", "")
