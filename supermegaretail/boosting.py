"""LightGBM as it is used here: Tweedie trees on top of a starting value, deterministic, kept as text.

The only module that imports LightGBM, and only when it is needed: the API process never gets here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.versions.registry import Manifest
from supermegaretail.features import FEATURES_VERSION, Floats

MODEL_FILE = "model.txt"


class FeatureMismatch(ValueError):
    """A model that was trained on other features than this code computes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How trees are grown."""

    trees: int
    leaves: int = 31
    learning_rate: float = 0.08
    rows_per_leaf: int = 200
    variance_power: float = 1.5  # Tweedie: between counts (1) and sizes (2)


class Trees:
    """A grown model: what it adds to the logarithm of the starting value."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._booster = _lightgbm().Booster(model_str=text)

    @classmethod
    def load(cls, path: Path) -> Trees:
        return cls(path.read_text())

    def factor(self, features: Floats) -> Floats:
        """By what the starting value is to be multiplied, per row. One thread: more make single rows slow."""
        raw = self._booster.predict(features, raw_score=True, num_threads=1)
        return np.exp(np.asarray(raw, dtype=np.float64))

    def contributions(self, features: Floats) -> Floats:
        """What each feature adds to the logarithm: [rows, features + 1], the last being the same for all rows.

        A row's sum is the logarithm of its `factor`. Some milliseconds per row (SHAP values, Lundberg 2018).
        """
        return np.asarray(self._booster.predict(features, pred_contrib=True, num_threads=1), dtype=np.float64)


def grow(
    features: Floats,
    demand: Floats,
    *,
    weight: Floats,
    start: Floats,
    names: Sequence[str],
    categorical: Sequence[str] = (),
    growth: Growth,
    seed: int,
    threads: int,
    advance: Callable[[], None],
) -> Trees:
    """Trees that multiply `start` (units, above 0) so that it meets `demand`; the same input gives the same trees."""
    lightgbm = _lightgbm()
    data = lightgbm.Dataset(
        features,
        demand,
        weight=weight,
        init_score=np.log(start),
        feature_name=list(names),
        categorical_feature=list(categorical),
        # One thread, because `verbose` silences only one: LightGBM warns that event codes are not consecutive.
        params={"max_bin": 127, "verbose": -1, "num_threads": 1},
    ).construct()
    parameters: dict[str, Any] = {
        "objective": "tweedie",
        "tweedie_variance_power": growth.variance_power,
        "num_leaves": growth.leaves,
        "learning_rate": growth.learning_rate,
        "min_data_in_leaf": growth.rows_per_leaf,
        "feature_fraction": 0.7,
        "lambda_l2": 1.0,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "verbose": -1,
    }
    booster = lightgbm.train(parameters, data, growth.trees, callbacks=[lambda _: advance()])
    return Trees(booster.model_to_string())


def check_features(manifest: Manifest, names: Sequence[str]) -> None:
    """Raises `FeatureMismatch` unless the model was trained on just these features, in this order."""
    model = f"{manifest.component} {manifest.version}"
    version = manifest.compatible_with.get("features")
    if version != FEATURES_VERSION:
        raise FeatureMismatch(f"{model} was trained on features {version}, this code computes {FEATURES_VERSION}")
    if manifest.features != list(names):
        pairs = zip([*manifest.features, None], [*names, None], strict=False)
        place, (theirs, ours) = next((n, pair) for n, pair in enumerate(pairs) if pair[0] != pair[1])
        raise FeatureMismatch(f"{model} has {theirs!r} as feature {place + 1}, where this code computes {ours!r}")


def libraries() -> dict[str, str]:
    """What shapes the numbers beside our own code."""
    return {"lightgbm": str(_lightgbm().__version__), "numpy": np.__version__}


def _lightgbm() -> Any:
    # OpenMP reads this when it is loaded. Waiting threads that spin made training 10 times slower on busy cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import lightgbm

    return lightgbm
