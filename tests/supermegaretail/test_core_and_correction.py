"""Both models as functions: deterministic, picky about their features, and better for knowing more."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from common.command_line import Failed
from common.versions.registry import Manifest, Release
from supermegaretail.boosting import MODEL_FILE, FeatureMismatch
from supermegaretail.core import train as core_training
from supermegaretail.core.model import START, CoreModel
from supermegaretail.correction.model import CorrectionModel
from supermegaretail.examples import draw
from supermegaretail.features import CORE_DESIGN, CORRECTION_DESIGN, EXTENDED, FEATURES_VERSION, STABLE
from supermegaretail.history import SalesHistory
from supermegaretail.training import Trained, fit
from tests.supermegaretail.conftest import ITEMS, LAST_DAY, small_table

ROWS = 3_000


@pytest.fixture(scope="module")
def history() -> SalesHistory:
    return SalesHistory.build(small_table(days=200))


@pytest.fixture(scope="module")
def trained(history: SalesHistory) -> Trained:
    return fit(history, rows=ROWS, threads=1)


def release(folder: Path, trained: Trained, *, features: list[str], version: str = FEATURES_VERSION) -> Release:
    (folder / MODEL_FILE).write_text(trained.core.trees.text)
    compatible = {"features": version}
    manifest = Manifest(
        component="core",
        version="1.0.0",
        artifacts={},
        features=features,
        parameters={START: trained.core.start},
        compatible_with=compatible,
    )
    return Release(manifest, folder)


def test_the_same_history_and_seed_give_the_same_trees(history: SalesHistory, trained: Trained) -> None:
    again = fit(history, rows=ROWS, threads=1)
    assert again.core.trees.text == trained.core.trees.text
    assert again.correction.trees.text == trained.correction.trees.text


def test_another_seed_gives_other_trees(history: SalesHistory, trained: Trained) -> None:
    other = core_training.fit(draw(history.panel, rows=ROWS, seed=2), seed=2, threads=1, advance=lambda: None)
    assert other.trees.text != trained.core.trees.text


def test_a_saved_model_predicts_the_same(history: SalesHistory, trained: Trained, tmp_path: Path) -> None:
    loaded = CoreModel.load(release(tmp_path, trained, features=list(CORE_DESIGN)))
    stable = history.inputs(ITEMS, as_of=LAST_DAY, horizon_days=7).stable
    before, after = (model.predict(stable, as_of=LAST_DAY, horizon_days=7) for model in (trained.core, loaded))
    np.testing.assert_array_equal(before, after)


def test_a_model_of_other_features_is_refused_with_the_difference(trained: Trained, tmp_path: Path) -> None:
    swapped = [CORE_DESIGN[1], CORE_DESIGN[0], *CORE_DESIGN[2:]]
    with pytest.raises(FeatureMismatch, match="'day_of_week' as feature 1, where this code computes 'horizon'"):
        CoreModel.load(release(tmp_path, trained, features=swapped))
    with pytest.raises(FeatureMismatch, match="trained on features 0"):
        CoreModel.load(release(tmp_path, trained, features=list(CORE_DESIGN), version="0"))
    with pytest.raises(FeatureMismatch, match="as feature 1,"):
        CorrectionModel.load(release(tmp_path, trained, features=list(reversed(CORRECTION_DESIGN))))


def test_features_of_another_shape_are_refused(trained: Trained) -> None:
    with pytest.raises(ValueError, match="stable features are needed"):
        trained.core.predict(np.zeros((2, 3)), as_of=LAST_DAY, horizon_days=7)
    with pytest.raises(ValueError, match="extended features of shape"):
        trained.correction.predict(
            np.zeros((2, len(STABLE))),
            np.zeros((2, 6, len(EXTENDED))),
            np.ones((2, 7)),
            as_of=LAST_DAY,
            horizon_days=7,
        )


def test_an_item_that_nothing_is_known_about_gets_no_number_and_harms_no_other(
    history: SalesHistory, trained: Trained
) -> None:
    found = history.inputs([("no", "one"), *ITEMS], as_of=LAST_DAY, horizon_days=7)
    core = trained.core.predict(found.stable, as_of=LAST_DAY, horizon_days=7)
    assert np.isnan(core[0]).all()
    np.testing.assert_array_equal(core[1:], trained.core.predict(found.stable[1:], as_of=LAST_DAY, horizon_days=7))


def test_without_plans_the_correction_does_not_go_astray(history: SalesHistory, trained: Trained) -> None:
    found = history.inputs(ITEMS, as_of=LAST_DAY, horizon_days=28)
    core = trained.core.predict(found.stable, as_of=LAST_DAY, horizon_days=28)
    blank = np.full_like(found.extended, np.nan)
    blind = trained.correction.predict(found.stable, blank, core, as_of=LAST_DAY, horizon_days=28)
    np.testing.assert_allclose(blind, core, rtol=0.35)


def test_a_product_that_sold_out_at_noon_did_not_have_half_a_days_demand() -> None:
    lately = pl.col("date") > LAST_DAY - timedelta(days=10)
    steady = pl.when(pl.col("sales").is_not_null()).then(20)
    whole = small_table(days=200).with_columns(sales=steady.cast(pl.Float32), stockout_hours=pl.lit(0.0, pl.Float32))
    noon = whole.with_columns(
        sales=pl.when(lately).then(pl.col("sales") / 2).otherwise("sales"),
        stockout_hours=pl.when(lately).then(10.0).otherwise(0.0).cast(pl.Float32),
    )
    levels = [
        SalesHistory.build(table).inputs(ITEMS[:1], as_of=LAST_DAY, horizon_days=1).stable[0, STABLE.index("level")]
        for table in (whole, noon)
    ]
    assert levels[1] == pytest.approx(levels[0], rel=0.01)


def test_newer_examples_weigh_more() -> None:
    examples = draw(SalesHistory.build(small_table(days=200)).panel, rows=ROWS, seed=1)
    assert 0.1 < examples.weight.min() < 0.3  # 200 days at a half-life of 80
    assert examples.weight.max() == 1


def test_a_fifth_of_the_examples_lack_their_plans() -> None:
    examples = draw(SalesHistory.build(small_table(days=200)).panel, rows=ROWS, seed=1)
    missing = np.isnan(examples.extended[:, EXTENDED.index("promotion")])
    assert missing.mean() == pytest.approx(0.2, abs=0.03)


def test_no_example_reaches_beyond_the_last_known_day() -> None:
    table = small_table(days=200)
    cut = LAST_DAY - timedelta(days=60)
    early = table.filter(pl.col("date") <= cut)
    hidden = table.with_columns(sales=pl.when(pl.col("date") <= cut).then("sales"))
    np.testing.assert_array_equal(
        draw(SalesHistory.build(early).panel, rows=ROWS, seed=1).demand,
        draw(SalesHistory.build(hidden).panel, rows=ROWS, seed=1).demand,
    )


def test_nothing_to_learn_from_is_said() -> None:
    with pytest.raises(Failed, match="no sales to learn from"):
        draw(SalesHistory.build(pl.DataFrame()).panel, rows=ROWS, seed=1)
