"""Nothing that is not known on the day of the forecast gets into a feature, and nothing known is ever missing."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supermegaretail.features import (
    CORE_DESIGN,
    CORRECTION_DESIGN,
    EXTENDED,
    STABLE,
    Floats,
    core_design,
    correction_design,
    per_target_day,
)
from supermegaretail.history import ModelInputs, SalesHistory

FIRST_DAY = date(2025, 1, 1)
DAYS = 130
AS_OF = FIRST_DAY + timedelta(days=99)
ITEMS = [("north", "milk"), ("north", "bread"), ("south", "milk")]


def rows(seed: int = 1) -> pl.DataFrame:
    """Three series with everything a table can have, to 30 days after AS_OF."""
    dice = np.random.default_rng(seed)
    n = DAYS
    return pl.concat(
        pl.DataFrame(
            {
                "store": [store] * n,
                "sku": [sku] * n,
                "date": [FIRST_DAY + timedelta(days=day) for day in range(n)],
                "sales": dice.poisson(3, n).astype(np.float32),
                "stockout_hours": np.where(dice.random(n) < 0.1, 14, 0).astype(np.float32),
                "price": dice.choice([2.0, 2.5], n).astype(np.float32),
                "discount": dice.choice([1.0, 0.8], n).astype(np.float32),
                "promotion": dice.integers(0, 2, n).astype(np.int8),
                "holiday": dice.integers(0, 2, n).astype(np.int8),
                "event": dice.choice(["Easter", ""], n),
                "category_1": ["food"] * n,
                "x_temperature": dice.normal(10, 5, n).astype(np.float32),
            }
        )
        for store, sku in ITEMS
    ).with_columns(pl.col("event").replace("", None))


def inputs(table: pl.DataFrame) -> ModelInputs:
    return SalesHistory.build(table).inputs(ITEMS, as_of=AS_OF, horizon_days=28)


def after_as_of(column: str, value: pl.Expr) -> pl.Expr:
    return pl.when(pl.col("date") > AS_OF).then(value).otherwise(column).alias(column)


@settings(max_examples=15, deadline=None)
@given(
    sales=st.lists(st.one_of(st.none(), st.floats(0, 1e6, width=32)), min_size=30, max_size=30),
    hours=st.one_of(st.none(), st.integers(0, 24)),
)
def test_no_sale_or_stock_out_after_as_of_changes_any_feature(sales: list[float | None], hours: int | None) -> None:
    later = {AS_OF + timedelta(days=1 + place): value for place, value in enumerate(sales)}
    sold = pl.col("date").replace_strict(later, default=None, return_dtype=pl.Float32)
    changed = rows().with_columns(
        after_as_of("sales", sold), after_as_of("stockout_hours", pl.lit(hours, dtype=pl.Float32))
    )
    before, after = inputs(rows()), inputs(changed)
    np.testing.assert_array_equal(before.stable, after.stable)
    np.testing.assert_array_equal(before.extended, after.extended)
    np.testing.assert_array_equal(before.planned_missing, after.planned_missing)


@settings(max_examples=15, deadline=None)
@given(
    price=st.one_of(st.none(), st.floats(0, 1e6, width=32)),
    promotion=st.sampled_from([0, 1, None]),
    event=st.sampled_from(["Easter", "Christmas", None]),
)
def test_no_plan_after_as_of_changes_a_stable_feature(
    price: float | None, promotion: int | None, event: str | None
) -> None:
    changed = rows().with_columns(
        *(after_as_of(name, pl.lit(price, dtype=pl.Float32)) for name in ("price", "discount", "x_temperature")),
        *(after_as_of(name, pl.lit(promotion, dtype=pl.Int8)) for name in ("promotion", "holiday")),
        after_as_of("event", pl.lit(event, dtype=pl.String)),
    )
    np.testing.assert_array_equal(inputs(rows()).stable, inputs(changed).stable)


def test_a_plan_reaches_the_extended_features_of_its_own_day() -> None:
    day = AS_OF + timedelta(days=5)
    table = rows().with_columns(promotion=pl.lit(0, dtype=pl.Int8))
    planned = table.with_columns(promotion=pl.when(pl.col("date") == day).then(1).otherwise(0).cast(pl.Int8))
    place = EXTENDED.index("promotion")
    changed = np.flatnonzero((inputs(table).extended != inputs(planned).extended)[0, :, place])
    assert changed.tolist() == [4]


@pytest.mark.parametrize("plan", ["promotion", "discount"])
def test_the_lift_of_an_unknown_plan_is_unknown(plan: str) -> None:
    day = AS_OF + timedelta(days=3)
    table = rows().with_columns(pl.when(pl.col("date") == day).then(None).otherwise(plan).alias(plan))
    lifts = inputs(table).extended[0, :5, EXTENDED.index(f"{plan}_lift")]
    assert np.isnan(lifts).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("hidden", ["sales", "stockout"])
def test_a_stable_feature_is_never_missing_once_a_sale_is_known(hidden: str) -> None:
    table = rows()
    recently = pl.col("date") > AS_OF - timedelta(days=40)
    if hidden == "sales":
        table = table.with_columns(sales=pl.when(recently).then(None).otherwise("sales"))
    else:
        table = table.with_columns(stockout_hours=pl.when(recently).then(16.0).otherwise(0.0))
    found = inputs(table)
    assert found.known.all()
    assert np.isfinite(found.stable).all()


def test_a_day_out_of_stock_is_unknown_and_not_low_demand() -> None:
    table = rows().with_columns(sales=pl.lit(4.0), stockout_hours=pl.lit(0.0))
    empty_shelf = pl.col("date").is_between(AS_OF - timedelta(days=4), AS_OF)
    censored = table.with_columns(
        sales=pl.when(empty_shelf).then(0.0).otherwise("sales"),
        stockout_hours=pl.when(empty_shelf).then(16.0).otherwise(0.0),
    )
    level = STABLE.index("level")
    np.testing.assert_allclose(inputs(censored).stable[:, level], inputs(table).stable[:, level])


def test_columns_that_a_table_lacks_are_missing_features() -> None:
    found = inputs(rows().drop("price", "discount", "promotion", "holiday", "event", "x_temperature"))
    absent = [place for place, name in enumerate(EXTENDED) if not name.startswith("event")]
    assert np.isnan(found.extended[..., absent]).all()
    assert np.isfinite(found.stable).all()
    assert not found.planned_missing.any()


AMOUNTS = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 1e9]), st.floats(0, 1e9, width=32))


@settings(max_examples=25, deadline=None)
@given(
    table=st.fixed_dictionaries(
        {
            "sales": st.lists(AMOUNTS, min_size=30, max_size=30),
            "stockout_hours": st.lists(st.sampled_from([None, 0.0, 11.0, 12.0, 24.0]), min_size=30, max_size=30),
            "price": st.lists(AMOUNTS, min_size=30, max_size=30),
            "discount": st.lists(st.one_of(st.none(), st.floats(0, 2, width=32)), min_size=30, max_size=30),
            "promotion": st.lists(st.sampled_from([None, 0.0, 1.0]), min_size=30, max_size=30),
        }
    ),
    days_back=st.integers(0, 29),
)
def test_whatever_is_missing_a_feature_is_a_number_or_unknown(
    table: dict[str, list[float | None]], days_back: int
) -> None:
    days = [AS_OF - timedelta(days=29 - place) for place in range(30)]
    types = dict.fromkeys(table, pl.Float32)
    made = pl.DataFrame({"store": "s", "sku": "p", "date": days, **table}, schema_overrides=types)
    as_of = AS_OF - timedelta(days=days_back)
    found = SalesHistory.build(made).inputs([("s", "p")], as_of=as_of, horizon_days=28)
    assert not np.isinf(found.extended).any()
    assert np.isfinite(found.stable).all() == found.known[0]
    assert found.known[0] == any(value is not None for value in table["sales"][: 30 - days_back])


def test_the_features_are_what_their_formulas_say() -> None:
    table = rows().filter((pl.col("store") == "north") & (pl.col("sku") == "milk"))
    past = table.filter(pl.col("date") <= AS_OF).with_columns(
        demand=pl.when(pl.col("stockout_hours") < 12).then("sales").cast(pl.Float64)
    )
    recent = {days: past["demand"].tail(days).drop_nulls() for days in (7, 14, 28)}
    level = float(np.mean([np.mean(demand.to_numpy()) for demand in recent.values()])) + 0.02
    promoted = past.tail(28).filter(pl.col("promotion") == 1)["demand"].drop_nulls().to_numpy().mean()
    target = AS_OF + timedelta(days=1)
    on_promotion = table.with_columns(promotion=pl.when(pl.col("date") == target).then(1).otherwise("promotion"))
    found = SalesHistory.build(on_promotion).inputs(ITEMS[:1], as_of=AS_OF, horizon_days=1)
    stable = dict(zip(STABLE, found.stable[0].tolist(), strict=True))
    assert stable["level"] == pytest.approx(level, abs=1e-4)
    assert stable["recent_7"] == pytest.approx(recent[7].to_numpy().mean() / level, abs=1e-4)
    assert stable["zero_share_14"] == pytest.approx((recent[14] == 0).to_numpy().mean(), abs=1e-4)
    assert stable["variation_28"] == pytest.approx(recent[28].to_numpy().std() / level, abs=1e-4)
    assert stable["peak_28"] == pytest.approx(recent[28].to_numpy().max() / level, abs=1e-4)
    assert stable["days_known_28"] == len(recent[28])
    assert found.extended[0, 0, EXTENDED.index("promotion_lift")] == pytest.approx(promoted / level, abs=1e-3)


def test_the_calendar_of_a_target_day() -> None:
    design = core_design(*per_target_day(np.zeros((1, len(STABLE))), as_of=date(2024, 2, 28), horizon_days=3))
    assert design[:, :4].tolist() == [[1, 4, 29, 60], [2, 5, 1, 61], [3, 6, 2, 62]]


def test_a_price_of_nothing_gives_no_infinite_feature() -> None:
    found = inputs(rows().with_columns(price=pl.lit(0.0)))
    assert not np.isinf(found.extended).any()


def test_each_target_day_has_the_profile_of_its_own_weekday() -> None:
    stable: Floats = np.arange(len(STABLE), dtype=float)[None]
    design = core_design(*per_target_day(stable, as_of=AS_OF, horizon_days=15))
    profile = design[:, CORE_DESIGN.index("weekday")].tolist()
    assert profile == [STABLE.index(f"weekday_{step % 7 + 1}") for step in range(15)]
    assert correction_design(design, np.zeros((15, len(EXTENDED)))).shape == (15, len(CORRECTION_DESIGN))
