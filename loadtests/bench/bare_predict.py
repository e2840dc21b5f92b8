"""What nobody can save: the two calls of LightGBM's `predict` behind a forecast."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

from common.versions.registry import Registry, RegistryError
from loadtests.processes import ProcessError

COMPONENTS = ("core", "correction")
MODEL_FILE = "model.txt"
LOWEST_S = 0.2  # a measurement is at least so long


class BarePredict:
    """The champions of a registry, without anything of ours around them; `ProcessError` where there are none."""

    def __init__(self, registry_dir: Path, *, seed: int = 0) -> None:
        import numpy as np

        registry = Registry(registry_dir)
        try:
            texts = [registry.load(name).path(MODEL_FILE).read_text() for name in COMPONENTS]
        except RegistryError as error:
            raise ProcessError(f"{error}: `python -m supermegaretail train` makes the models") from error
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        import lightgbm

        self._dice = np.random.default_rng(seed)
        self._models = [(lightgbm.Booster(model_str=text), _ranges(text)) for text in texts]

    def predict(self, rows: int) -> list[float]:
        """Made-up rows through both models, with as many threads as the library likes: the sum of both."""
        asked = [low + (high - low) * self._dice.random((rows, len(low))) for _, (low, high) in self._models]
        told = [booster.predict(features) for (booster, _), features in zip(self._models, asked, strict=True)]
        return [float(value) for value in sum(told)]

    def cpu_s(self, rows: int) -> float:
        """Processor time of predicting so many rows once with each model, on one thread: the mean of many times."""
        asked = [
            (booster, low + (high - low) * self._dice.random((rows, len(low)))) for booster, (low, high) in self._models
        ]
        calls, started_s = 0, time.thread_time()
        while (took_s := time.thread_time() - started_s) < LOWEST_S:
            for booster, features in asked:
                booster.predict(features, raw_score=True, num_threads=1)
            calls += 1
        return took_s / calls


def _ranges(text: str) -> tuple[Any, Any]:
    """The least and the greatest value [features] of each feature in training: such rows end in many leaves."""
    import numpy as np

    told = re.search(r"^feature_infos=(.*)$", text, re.MULTILINE)
    infos = told[1].split() if told else []
    pairs = [[float(value) for value in re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", info)] or [0.0] for info in infos]
    return np.array([min(values) for values in pairs]), np.array([max(values) for values in pairs])
