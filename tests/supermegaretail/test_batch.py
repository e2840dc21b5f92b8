"""A whole chain at once: by the same rules as a request, in bounded memory, into a file that is whole or not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from common.chain.switches import Switch, Switchboard
from common.overrides.uses import OverrideUses
from common.state.database import open_state
from common.state.overrides import Override, OverrideStore
from supermegaretail import batch as batching
from supermegaretail.baseline import moving_average
from supermegaretail.batch import Batch
from supermegaretail.batch_file import write
from supermegaretail.batch_story import schema
from supermegaretail.benchmark import Silent
from supermegaretail.core.model import CoreModel
from supermegaretail.correction.model import CorrectionModel
from supermegaretail.features import Floats
from supermegaretail.history import SalesHistory
from supermegaretail.models import Models
from supermegaretail.overriding import Overrides, Scope
from supermegaretail.settings import RetailSettings
from supermegaretail.spread import Spread
from supermegaretail.training import fit
from tests.supermegaretail.conftest import ITEMS, LAST_DAY, NEVER_SOLD, small_table

DAYS = 7
KEYS = [*ITEMS, NEVER_SOLD]


class Says(CoreModel):
    """A core model that says the same about every day."""

    def __init__(self, units: float) -> None:
        self.spread = None
        self._units = units

    def demand(self, design: Floats) -> Floats:
        return np.full(len(design), self._units)


@pytest.fixture(scope="module")
def history() -> SalesHistory:
    return SalesHistory.build(small_table())


@pytest.fixture(scope="module")
def models(history: SalesHistory) -> Models:
    trained = fit(history, rows=2_000, threads=1)
    return Models("1.0.0", trained.core, "1.0.0", trained.correction, None)


@pytest.fixture
def batch(history: SalesHistory, models: Models) -> Batch:
    return Batch(history=history, models=models, as_of=LAST_DAY, horizon_days=DAYS)


def by_item(table: pl.DataFrame) -> dict[tuple[str, str], dict[str, object]]:
    """The first day of each item."""
    return {(row["store"], row["sku"]): row for row in reversed(table.to_dicts())}


def test_every_series_has_a_row_for_every_day_in_order(batch: Batch) -> None:
    table = batch.table(KEYS)
    assert table.schema == pl.Schema(schema(()))
    assert list(table.select("store", "sku").unique(maintain_order=True).iter_rows()) == KEYS
    assert table["date"].to_list() == [LAST_DAY + timedelta(days=day) for day in range(1, DAYS + 1)] * len(KEYS)
    assert table["demand"].is_finite().all()


def test_the_batch_says_what_the_models_say_about_each_item(batch: Batch, models: Models) -> None:
    inputs = batch.history.inputs(ITEMS, as_of=LAST_DAY, horizon_days=DAYS)
    core = models.core.predict(inputs.stable, as_of=LAST_DAY, horizon_days=DAYS)
    assert models.correction is not None
    corrected = models.correction.predict(inputs.stable, inputs.extended, core, as_of=LAST_DAY, horizon_days=DAYS)
    table = batch.table(ITEMS)
    assert table["served_by"].unique().to_list() == ["correction"]
    assert table["reason"].null_count() == table.height
    assert table["demand"].to_numpy().reshape(-1, DAYS) == pytest.approx(corrected, abs=1e-4)


def test_an_unknown_item_gets_the_constant_and_the_others_are_not_touched(batch: Batch) -> None:
    found = by_item(replace(batch, constant_demand=2.5).table(KEYS))
    assert found[NEVER_SOLD]["served_by"] == "constant"
    assert found[NEVER_SOLD]["demand"] == 2.5
    assert found[NEVER_SOLD]["reason"] == "core:unknown_item, moving_average:unknown_item"
    assert found[ITEMS[0]]["served_by"] == "correction"


def test_without_a_model_the_moving_average_serves_all_that_it_knows(batch: Batch) -> None:
    table = replace(batch, models=None).table(ITEMS)
    expected = moving_average(batch.history, ITEMS, as_of=LAST_DAY, horizon_days=DAYS)
    assert table["demand"].to_numpy().reshape(-1, DAYS) == pytest.approx(expected, abs=1e-4)
    assert table["reason"].unique().to_list() == ["core:not_loaded"]
    assert table["core_version"].null_count() == table.height


@pytest.mark.parametrize(("units", "reason"), [(1e6, "out_of_range"), (-1.0, "out_of_range"), (np.nan, "meaning")])
def test_what_no_shop_sells_is_refused(batch: Batch, models: Models, units: float, reason: str) -> None:
    table = replace(batch, models=replace(models, core=Says(units))).table(ITEMS)
    assert table["served_by"].unique().to_list() == ["moving_average"]
    assert table["reason"].unique().to_list() == [f"core:{reason}"]


def test_an_override_wins_over_the_models(batch: Batch) -> None:
    end = "9998-12-31T00:00:00+00:00"
    decided = Override("1", Scope(*ITEMS[1]).target, {"demand_per_day": 99.0}, "Ann", "party", end, end)
    found = by_item(replace(batch, overrides=Overrides.of([decided])).table(ITEMS))
    assert (found[ITEMS[1]]["served_by"], found[ITEMS[1]]["demand"], found[ITEMS[1]]["reason"]) == (
        "override",
        99.0,
        None,
    )
    assert found[ITEMS[0]]["served_by"] == "correction"


def test_items_without_plans_keep_the_cores_answer(models: Models) -> None:
    history = SalesHistory.build(small_table(planned_days=0))
    table = Batch(history=history, models=models, as_of=LAST_DAY, horizon_days=DAYS).table(ITEMS)
    assert table["served_by"].unique().to_list() == ["core"]
    assert table["reason"].unique().to_list() == ["correction:inputs_missing"]


def test_where_no_series_has_plans_the_corrections_spread_is_asked_about_none(models: Models) -> None:
    history = SalesHistory.build(small_table(planned_days=0))
    spread = corrected_by(models, proportional(1))
    batch = Batch(history=history, models=spread, as_of=LAST_DAY, horizon_days=DAYS, levels=(0.5,))
    assert batch.table(ITEMS)["reason"].unique().to_list() == ["correction:inputs_missing"]


def test_a_core_without_a_correction_serves_alone_and_says_why(batch: Batch, models: Models) -> None:
    alone = replace(models, correction=None, correction_reason="not_loaded")
    table = replace(batch, models=alone).table(ITEMS)
    assert table["reason"].unique().to_list() == ["correction:not_loaded"]
    assert table["correction_version"].null_count() == table.height


@pytest.mark.parametrize(
    ("tier", "serves"), [("correction", "core"), ("core", "moving_average"), ("moving_average", "correction")]
)
def test_a_tier_that_was_switched_off_is_not_asked(batch: Batch, tier: str, serves: str) -> None:
    ends_at = datetime.now(UTC) + timedelta(hours=1)
    switch = Switch(target=tier, state="off", owner="ada", reason="a test", ends_at=ends_at)
    table = replace(batch, switches=Switchboard(lambda: {tier: switch})).table(ITEMS)
    assert table["served_by"].unique().to_list() == [serves]


def test_parts_and_threads_change_nothing(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = batch.table(KEYS)
    monkeypatch.setattr(batching, "SERIES_AT_ONCE", 1)
    for threads in (1, 2):
        parts = list(batch.tables(KEYS, threads=threads))
        assert len(parts) == len(KEYS)
        assert pl.concat(parts).equals(whole)


def test_the_file_holds_the_batch_and_the_summary_counts_series(batch: Batch, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "forecasts.parquet"
    written = write(batch, KEYS, path, threads=1, report=Silent())
    assert pl.read_parquet(path).equals(batch.table(KEYS))
    assert written.served_by == {"correction": 3, "constant": 1}
    assert written.reasons == {"core:unknown_item, moving_average:unknown_item": 1}


@pytest.mark.parametrize("lost", [False, True])
def test_a_batch_counts_as_use_of_each_override_about_each_item_and_needs_no_database_for_the_file(
    batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    state = open_state(RetailSettings(var_dir=tmp_path))
    store, now = OverrideStore(state, "supermegaretail"), datetime.now(UTC)
    of_all, of_one = (
        store.add(target, value, owner="Ann", reason="party", ends_at=now + timedelta(days=9), now=now)
        for target, value in (
            (Scope(ITEMS[0][0]).target, {"effect": "factor", "value": 2.0}),
            (Scope(*ITEMS[0]).target, {"effect": "constant", "value": 9.0}),
        )
    )
    monkeypatch.setattr(batching, "SERIES_AT_ONCE", 1)
    path, uses = tmp_path / "forecasts.parquet", OverrideUses(store)
    counting = replace(batch, overrides=Overrides.of(store.in_force(now=now)), uses=uses)
    if lost:
        with state.begin() as connection:
            connection.exec_driver_sql("DROP TABLE override_uses")
    write(counting, KEYS, path, threads=2, report=Silent())
    assert path.exists()
    in_that_store = sum(key[0] == ITEMS[0][0] for key in KEYS)
    told = {one: use["used"] for one, use in uses.stored.items()}
    assert told == ({} if lost else {of_all.id: in_that_store - 1, of_one.id: 1})
    assert (uses.trouble is not None) == lost
    state.dispose()


class Proportional(Spread):
    """Quantiles that are shares of the forecast, high ones times the last of `scale`."""

    def quantiles(self, demand: Floats, design: Floats, levels: Sequence[float]) -> Floats:
        shares = np.asarray(levels) * np.where(np.asarray(levels) > 0.97, self.scale[-1], self.scale[0])
        return np.asarray(demand[:, None] * shares)


def proportional(times: float, *, tail: float | None = None) -> Spread:
    steps = (0.0, 1.0)
    return Proportional(
        zero=(0.0,) * 8,
        scale=(*(times,) * 7, tail or times),
        shapes=steps,
        levels=steps,
        table=(steps, steps),
        whole_units=False,
    )


def corrected_by(models: Models, spread: Spread) -> Models:
    assert models.correction is not None
    return replace(models, correction=CorrectionModel(models.correction.trees, spread=spread))


def test_quantiles_are_those_of_the_tier_that_serves(batch: Batch, models: Models) -> None:
    levels = (0.5, 0.95)
    table = replace(batch, models=corrected_by(models, proportional(1)), levels=levels).table(KEYS)
    sold = table.filter(pl.col("served_by") == "correction")
    assert sold["quantile_0.95"].to_list() == pytest.approx((0.95 * sold["demand"]).to_list(), abs=1e-3)
    assert table.filter(pl.col("served_by") == "constant")["quantile_0.5"].null_count() == DAYS
    assert table.schema == pl.Schema(schema(levels))
    average = replace(batch, models=None, levels=levels).table(ITEMS)
    assert (average["quantile_0.5"] < average["quantile_0.95"]).all()


def test_a_correction_that_is_not_sure_leaves_the_cores_answer(batch: Batch, models: Models) -> None:
    unsure = replace(batch, models=corrected_by(models, proportional(100)))
    table = replace(unsure, levels=(0.5,)).table(ITEMS)
    assert table["served_by"].unique().to_list() == ["core"]
    assert table["reason"].unique().to_list() == ["correction:uncertain"]
    assert unsure.table(ITEMS)["served_by"].unique().to_list() == ["core"]  # asked for quantiles or not


def test_quantiles_below_nothing_cost_a_model_the_item(batch: Batch, models: Models) -> None:
    damaged = corrected_by(models, proportional(-1))
    table = replace(batch, models=damaged, levels=(0.5, 0.95)).table(ITEMS)
    assert table["reason"].unique().to_list() == ["correction:meaning"]


def test_quantiles_beyond_all_that_was_ever_sold_cost_a_model_the_item(batch: Batch, models: Models) -> None:
    table = replace(batch, models=corrected_by(models, proportional(1, tail=1e6)), levels=(0.99,)).table(ITEMS)
    assert table["reason"].unique().to_list() == ["correction:meaning"]
    assert table["served_by"].unique().to_list() == ["core"]


def test_an_item_without_plans_says_so_though_there_is_no_correction_either(models: Models) -> None:
    history = SalesHistory.build(small_table(planned_days=0))
    alone = replace(models, correction=None, correction_reason="not_loaded")
    table = Batch(history=history, models=alone, as_of=LAST_DAY, horizon_days=DAYS).table(ITEMS)
    assert table["reason"].unique().to_list() == ["correction:inputs_missing"]


class Breaks(Batch):
    """Fails in the middle."""

    def tables(self, keys: Sequence[tuple[str, str]], *, threads: int = 1) -> Iterator[pl.DataFrame]:
        yield self.table(keys)
        raise MemoryError


def test_a_batch_that_fails_leaves_the_file_of_the_last_one(batch: Batch, tmp_path: Path) -> None:
    path = tmp_path / "forecasts.parquet"
    write(batch, KEYS, path, threads=1, report=Silent())
    before = path.read_bytes()
    broken = Breaks(history=batch.history, models=None, as_of=LAST_DAY, horizon_days=DAYS)
    with pytest.raises(MemoryError):
        write(broken, KEYS, path, threads=1, report=Silent())
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
