"""Other people's forecasters in the evaluation: where they are installed, where they are not, and where they fail."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest

from supermegaretail.evaluation import evaluate
from supermegaretail.evaluation.peers import Asked, ask_peers, missing
from supermegaretail.features import Floats
from supermegaretail.history import SalesHistory
from tests.supermegaretail.conftest import ITEMS, LAST_DAY, small_table

PACKAGES = ("statsforecast", "mlforecast")
PEERS = {"AutoETS", "CrostonSBA", "SeasonalES", "mlforecast + LightGBM"}
LEVELS = [11, 16, 21]  # of `small_table`, units a day
ROWS = 3_000


def absent(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)  # what Python itself takes for "is not there"


class Mean:
    """Forecasts the mean, of what it is given or has learnt."""

    def __init__(self, **_options: Any) -> None:
        self.learnt = pl.DataFrame()

    def forecast(self, *, y: Floats, h: int) -> Mapping[str, Floats]:
        return {"mean": np.full(h, y.mean())}

    def fit(self, learnt: pl.DataFrame, **_options: Any) -> None:
        self.learnt = learnt

    def predict(self, horizon_days: int, X_df: pl.DataFrame | None) -> pl.DataFrame:  # noqa: N803  mlforecast's name
        assert X_df is not None
        assert set(X_df.columns) == {"unique_id", "ds", "price", "promotion"}
        assert len(X_df) == horizon_days * self.learnt["unique_id"].n_unique()
        means = self.learnt.group_by("unique_id").agg(answer=pl.mean("y"))
        return X_df.select("unique_id", "ds").join(means, on="unique_id")


class Failing(Mean):
    def forecast(self, *, y: Floats, h: int) -> Mapping[str, Floats]:
        raise ZeroDivisionError


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if both packages were installed; of their models one always fails."""
    models = {"AutoETS": Mean, "CrostonSBA": Failing, "SeasonalExponentialSmoothingOptimized": Mean}
    contents: dict[str, Mapping[str, Any]] = {
        "statsforecast": {},
        "statsforecast.models": models,
        "mlforecast": {"MLForecast": Mean},
        "mlforecast.lag_transforms": {"RollingMean": Mean},
    }
    for name, members in contents.items():
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, loader=None)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize("packages", [PACKAGES, PACKAGES[:1], PACKAGES[1:]])
def test_peers_that_are_not_installed_are_named_and_not_asked(
    stand_ins: None, monkeypatch: pytest.MonkeyPatch, packages: tuple[str, ...]
) -> None:
    absent(monkeypatch, *packages)
    assert missing() == list(packages)
    answers, _ = ask_peers(Asked(SalesHistory.build(small_table()), ITEMS, LAST_DAY, 7), seed=1, threads=1)
    assert len(answers) == ("statsforecast" not in packages) * 3 + ("mlforecast" not in packages)


def test_without_any_peer_the_rest_is_measured_and_the_report_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    absent(monkeypatch, *PACKAGES)
    found = evaluate(small_table(days=130), horizon_days=7, origin_count=1, threads=1, rows=ROWS, peers=True)
    assert any("statsforecast, mlforecast" in note and "[forecast-peers]" in note for note in found.notes)
    assert found.whole("all")["wape"].is_finite().all()


def test_a_peer_that_fails_is_told_and_the_seasonal_naive_stands_in_for_it(stand_ins: None) -> None:
    asked = Asked(SalesHistory.build(small_table(days=200)), ITEMS, LAST_DAY, 7)
    answers, notes = ask_peers(asked, seed=1, threads=1)
    assert set(answers) == PEERS
    assert notes == [f"CrostonSBA failed at 3 of 3 series as of {LAST_DAY}; seasonal naive stands in there"]
    np.testing.assert_allclose(answers["CrostonSBA"].demand, asked.sales[:, -7:], rtol=1e-6)
    for name in PEERS - {"CrostonSBA"}:
        np.testing.assert_allclose(answers[name].demand, np.nanmean(asked.sales, axis=1)[:, None].repeat(7, axis=1))


def test_the_real_peers_answer_for_every_item_in_units() -> None:
    for package in PACKAGES:
        pytest.importorskip(package, reason="NOT TESTED: the extra `forecast-peers` is not installed")
    history = SalesHistory.build(small_table(days=200))
    answers, notes = ask_peers(Asked(history, ITEMS, LAST_DAY, 7), seed=1, threads=1)
    assert set(answers) == PEERS
    for answer in answers.values():
        assert answer.demand.shape == (len(ITEMS), 7)
        assert np.isfinite(answer.demand).all()
        assert answer.demand.mean(axis=1) == pytest.approx(LEVELS, rel=0.35)
    assert notes == []
