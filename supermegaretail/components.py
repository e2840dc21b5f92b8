"""What of Supermegaretail has a version of its own, and where its code begins; `python -m common registry verify` asks.

Two kinds: models, whose versions are published with their data, and whose code has a version here; and plain code.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from common.versions.components import Component, fingerprint_of

CORE_CODE_VERSION = "1"
CORRECTION_CODE_VERSION = "1"
BASELINE_VERSION = "1"
CHAIN_VERSION = "1"

COMPONENTS = (
    Component(
        name="features",
        version="supermegaretail.features:FEATURES_VERSION",
        entries=("supermegaretail.features", "supermegaretail.history"),
        stop=("supermegaretail.special_days",),
        libraries=("numpy", "polars"),
        probe="supermegaretail.probes:features",
    ),
    Component(
        name="baseline",
        version=BASELINE_VERSION,
        entries=("supermegaretail.baseline", "supermegaretail.baseline_spread", "supermegaretail.special_days"),
        libraries=("numpy",),
        probe="supermegaretail.probes:baseline",
    ),
    Component(
        name="core",
        version=CORE_CODE_VERSION,
        entries=("supermegaretail.core.model", "supermegaretail.core.train"),
        libraries=("lightgbm", "numpy"),
        probe="supermegaretail.probes:core",
        load="supermegaretail.core.model:CoreModel.load",
    ),
    Component(
        name="correction",
        version=CORRECTION_CODE_VERSION,
        entries=("supermegaretail.correction.model", "supermegaretail.correction.train"),
        libraries=("lightgbm", "numpy"),
        probe="supermegaretail.probes:correction",
        load="supermegaretail.correction.model:CorrectionModel.load",
    ),
    # What becomes of the models' numbers on their way out: which tier serves, what is refused, how it is rounded.
    Component(
        name="forecast-chain",
        version=CHAIN_VERSION,
        entries=(
            "supermegaretail.forecast",
            "supermegaretail.prepared",
            "supermegaretail.demand",
            "supermegaretail.model_answers",
            "supermegaretail.asking",
            "supermegaretail.api",
        ),
        follow=False,
        libraries=("numpy", "pydantic"),
        probe="supermegaretail.probes:chain",
    ),
    Component(
        name="forecast-api",
        version=version("murphy-ml-integration"),
        entries=("supermegaretail.contract",),
        follow=False,
        libraries=("pydantic",),
        probe="supermegaretail.probes:api",
    ),
)


def code_of(name: str) -> str:
    """The fingerprint of a component's code, for its manifests."""
    return fingerprint_of(name, COMPONENTS, root=Path(__file__).resolve().parent.parent)
