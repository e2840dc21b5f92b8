"""Training and publishing on a small chain: the whole path that `train` takes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from common.versions.probes import ProbeMismatch
from common.versions.registry import Manifest, Registry
from supermegaretail.history import SalesHistory
from supermegaretail.model_contract import Features, PredictionRequest, packed
from supermegaretail.model_server import predict
from supermegaretail.models import Models, read
from supermegaretail.training import held_out_from, train
from tests.supermegaretail.conftest import ITEMS, LAST_DAY, small_table

ROWS = 3_000


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = Registry(tmp_path_factory.mktemp("registry"))
    train(small_table(days=200), registry, rows=ROWS)
    return registry


@pytest.fixture(scope="module")
def models(registry: Registry) -> Models:
    return read(registry, "1.0.0")


def request(history: SalesHistory, *, correct: bool = True) -> PredictionRequest:
    inputs = history.inputs(ITEMS, as_of=LAST_DAY, horizon_days=7)
    stable, extended = packed(inputs.stable), packed(inputs.extended)
    items = [
        Features(id=str(place), stable=stable[place], extended=extended[place] if correct else None)
        for place in range(len(ITEMS))
    ]
    return PredictionRequest(version="1.0.0", features_version="2", as_of=LAST_DAY, horizon_days=7, items=items)


def test_the_correction_is_published_for_its_core_and_both_are_champions(registry: Registry) -> None:
    correction = registry.manifest("correction")
    assert correction.compatible_with["core"] == registry.resolve("core", "champion")
    assert set(correction.metrics) == {"held_out_wape_correction", "held_out_wape_moving_average"}


def test_training_again_on_the_same_sales_makes_no_new_version(registry: Registry) -> None:
    again: tuple[Manifest, Manifest] = train(small_table(days=200), registry, rows=ROWS)
    assert [manifest.version for manifest in again] == ["1.0.0", "1.0.0"]


def test_held_out_weeks_in_which_nothing_was_sold_leave_the_versions_without_that_error(tmp_path: Path) -> None:
    silent = pl.col("date").is_between(LAST_DAY - timedelta(days=60), LAST_DAY) & pl.col("sales").is_not_null()
    table = small_table(days=200).with_columns(sales=pl.when(silent).then(0).otherwise("sales").cast(pl.Float32))
    assert [manifest.metrics for manifest in train(table, Registry(tmp_path), rows=ROWS)] == [{}, {}]


@pytest.mark.parametrize("silent", [range(150), range(150, 200)], ids=["sold late", "sold early"])
def test_no_weeks_are_held_out_where_all_sales_lie_on_one_side_of_them(silent: range) -> None:
    first = LAST_DAY - timedelta(days=199)
    days = [first + timedelta(days=day) for day in silent]
    none = pl.col("date").is_in(days) & pl.col("sales").is_not_null()
    table = small_table(days=200).with_columns(sales=pl.when(none).then(0).otherwise("sales").cast(pl.Float32))
    assert (held_out_from(SalesHistory.build(table)) is None) == (silent.start == 0)


def test_other_sales_make_a_new_version_and_the_old_one_still_serves(registry: Registry) -> None:
    train(small_table(days=190), registry, rows=ROWS)
    assert registry.resolve("core", "champion") == "1.1.0"
    assert read(registry, "1.0.0").correction_version == "1.0.0"
    registry.point("core", "champion", "1.0.0")


def test_the_models_answer_about_right_for_products_that_sell_steadily(models: Models) -> None:
    answer = predict(models, request(SalesHistory.build(small_table())))
    for place, prediction in enumerate(answer.predictions):
        assert prediction.correction is not None
        assert sum(prediction.correction) / 7 == pytest.approx(11 + 5 * place, rel=0.3)


def test_without_extended_features_only_the_core_answers(models: Models) -> None:
    answer = predict(models, request(SalesHistory.build(small_table()), correct=False))
    assert [prediction.correction for prediction in answer.predictions] == [None] * len(ITEMS)


def test_a_promotion_raises_the_forecast(models: Models) -> None:
    table, day = small_table(), LAST_DAY + timedelta(days=5)
    planned = table.with_columns(
        promotion=pl.when(pl.col("date") == day).then(1).otherwise(pl.col("promotion")).cast(pl.Int8)
    )
    plain, promoted = (predict(models, request(SalesHistory.build(rows))) for rows in (table, planned))
    for before, after in zip(plain.predictions, promoted.predictions, strict=True):
        assert before.correction is not None
        assert after.correction is not None
        assert after.correction[4] > before.correction[4]
        assert after.core == before.core


def test_a_damaged_correction_leaves_the_core_alone(registry: Registry) -> None:
    path = registry.load("correction", "1.0.0").path("model.txt")
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    try:
        models = read(registry, "1.0.0")
    finally:
        path.write_bytes(content)
    assert (models.correction, models.correction_version, models.correction_reason) == (None, None, "not_loaded")


def test_a_model_that_answers_otherwise_than_at_its_release_is_not_served_and_says_why(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supermegaretail.core.model.TRUST", 0.71)
    with pytest.raises(ProbeMismatch, match=r"core 1\.0\.0: golden probe 1 of 4"):
        read(registry, "1.0.0")


def test_a_correction_that_answers_otherwise_leaves_the_core_alone_and_says_why(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supermegaretail.correction.model.correction_design", lambda core, _extended: 0 * core)
    models = read(registry, "1.0.0")
    assert models.correction is None
    assert "correction 1.0.0" in str(models.correction_trouble)


def test_the_manifest_tells_code_libraries_thresholds_and_seed(registry: Registry) -> None:
    for component in ("core", "correction"):
        manifest = registry.manifest(component)
        assert len(manifest.code) == 16
        assert set(manifest.libraries) == {"lightgbm", "numpy"}
        assert "plausible_factor" in manifest.defaults
        assert manifest.training["seed"] == 1
        assert [move.why for move in registry.history(component, "champion")][:1] == ["trained"]
