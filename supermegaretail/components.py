"""What of Supermegaretail has a version of its own, and where its code begins; `python -m common registry verify` asks.

Two kinds: models, whose versions are published with their data, and whose code has a version here; and plain code.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from common.versions.components import Component, fingerprint_of

CORE_CODE_VERSION = "2"  # 2: forecasts lean towards the median
CORRECTION_CODE_VERSION = "1"
BASELINE_VERSION = "1"
CHAIN_VERSION = "1"
MODEL_PROCESS_VERSION = "1"
EXPLANATIONS_VERSION = "1"
DRIFT_VERSION = "1"
SALES_VERSION = "1"
TRAINING_VERSION = "2"  # 2: learns how far forecasts lean
GATES_VERSION = "2"  # 2: rehearsals lean as what is to be published
MONITORING_VERSION = "1"

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
            "supermegaretail.judging",
            "supermegaretail.model_answers",
            "supermegaretail.asking",
            "supermegaretail.api",
            "supermegaretail.admin",
            "supermegaretail.app",
            "supermegaretail.batch",
            "supermegaretail.batch_file",
            "supermegaretail.batch_story",
            "supermegaretail.end_of_life",
            "supermegaretail.engine",
            "supermegaretail.events.*",
            "supermegaretail.override_effects",
            "supermegaretail.override_page",
            "supermegaretail.override_preview",
            "supermegaretail.override_rules",
            "supermegaretail.overriding",
            "supermegaretail.rollout",
            "supermegaretail.settings",
        ),
        follow=False,
        libraries=("numpy", "pydantic"),
        probe="supermegaretail.probes:chain",
    ),
    Component(
        name="model-process",
        version=MODEL_PROCESS_VERSION,
        entries=("supermegaretail.model_server", "supermegaretail.models", "supermegaretail.model_contract"),
        follow=False,
        libraries=("pydantic",),
    ),
    Component(
        name="explanations",
        version=EXPLANATIONS_VERSION,
        entries=(
            "supermegaretail.explanation",
            "supermegaretail.explanation_features",
            "supermegaretail.explanation_units",
            "supermegaretail.explanation_words",
        ),
        follow=False,
        libraries=("numpy",),
    ),
    # For which items a model must not speak.
    Component(
        name="drift",
        version=DRIFT_VERSION,
        entries=("common.drift", "supermegaretail.drift", "supermegaretail.drift_watch"),
        follow=False,
        libraries=("numpy",),
    ),
    # What counts as sold, from whatever file or request it came.
    Component(
        name="sales",
        version=SALES_VERSION,
        entries=(
            "supermegaretail.book",
            "supermegaretail.cells",
            "supermegaretail.columns",
            "supermegaretail.csv_lines",
            "supermegaretail.folding",
            "supermegaretail.freshretailnet",
            "supermegaretail.imports",
            "supermegaretail.ledger",
            "supermegaretail.m5",
            "supermegaretail.table",
            "supermegaretail.told_rows",
        ),
        follow=False,
        libraries=("polars",),
    ),
    Component(
        name="forecast-training",
        version=TRAINING_VERSION,
        entries=(
            "supermegaretail.training",
            "supermegaretail.train_command",
            "supermegaretail.decisions",
            "supermegaretail.label_command",
            "supermegaretail.labelled_examples",
            "supermegaretail.labelling",
            "supermegaretail.retiring",
        ),
        follow=False,
        libraries=("lightgbm", "numpy", "polars"),
    ),
    # What becomes a candidate, and what a candidate must not do.
    Component(
        name="forecast-gates",
        version=GATES_VERSION,
        entries=(
            "supermegaretail.quality.*",
            "supermegaretail.releases",
            "supermegaretail.releasing.*",
            "supermegaretail.review.*",
        ),
        follow=False,
        libraries=("numpy", "polars"),
    ),
    # What was forecast and what came of it: its alarms stop releases.
    Component(
        name="monitoring",
        version=MONITORING_VERSION,
        entries=("supermegaretail.monitoring.*",),
        follow=False,
        libraries=("numpy", "polars"),
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

HARMLESS: Mapping[str, str] = {
    "supermegaretail.__main__": "the command line",
    "supermegaretail.answer_story": "remembered for operators",
    "supermegaretail.batch_command": "the command line",
    "supermegaretail.benchmark": "measures speed",
    "supermegaretail.components": "what is declared is checked by what it declares",
    "supermegaretail.demo_assortment": "invented sales: a model's manifest has the fingerprint of its data",
    "supermegaretail.demo_calendar": "invented sales",
    "supermegaretail.demo_data": "invented sales",
    "supermegaretail.erasing": "takes the names of people out of what is kept",
    "supermegaretail.evaluation.*": "reports for people",
    "supermegaretail.data_command": "the command line",
    "supermegaretail.fold_command": "the command line",
    "supermegaretail.kept_tables": "keeps files for replays",
    "supermegaretail.replaying": "makes answers again: one that comes out otherwise says so",
    "supermegaretail.missing_plans": "an experiment",
    "supermegaretail.new_competitor": "an experiment",
    "supermegaretail.probes": "the questions themselves: other questions have other answers, which are recorded",
    "supermegaretail.published": "writes a document",
    "supermegaretail.reporting": "reports for people",
}


def code_of(name: str) -> str:
    """The fingerprint of a component's code, for its manifests."""
    return fingerprint_of(name, COMPONENTS, root=Path(__file__).resolve().parent.parent)
