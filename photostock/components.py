"""What of PhotoStock has a version of its own, and where its code begins; `python -m common registry verify` asks.

Two kinds: models, whose versions are published with their data, and whose code has a version here; and plain code.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from common.versions.components import Component, fingerprint_of

WORDS_VERSION = "2"
HINTS_CODE_VERSION = "1"
ORDER_VERSION = "1"
CATALOGUE_VERSION = "1"
ENCODER_CODE_VERSION = "1"
RERANKER_CODE_VERSION = "1"
CHAIN_VERSION = "3"  # 2: a release of the filter may move queries; 3: and take hubness off
RERANKER_PROCESS_VERSION = "1"
IMPORTS_VERSION = "1"
PICTURES_VERSION = "1"
FEEDBACK_VERSION = "1"
# 2: int8 weights of 7 bits; 3: in float32 where bfloat16 is slower; 4: queries are moved, and the reranker learns so;
# 5: hubness is taken off
TRAINING_VERSION = "5"
REVIEW_VERSION = "1"

COMPONENTS = (
    Component(
        name="filter",
        version="photostock.filter.filter:FILTER_VERSION",
        entries=("photostock.filter.filter", "photostock.filter.colours"),
        libraries=("numpy",),
        probe="photostock.probes.photos:photo_filter",
    ),
    Component(
        name="catalogue",
        version=CATALOGUE_VERSION,
        entries=("photostock.photo", "photostock.catalogue"),
        follow=False,
        probe="photostock.probes.photos:catalogue",
    ),
    Component(
        name="words",
        version=WORDS_VERSION,
        entries=("photostock.words", "photostock.lexical"),
        libraries=("numpy", "pystemmer"),
        probe="photostock.probes.words:words",
    ),
    Component(
        name="hints",
        version=HINTS_CODE_VERSION,
        entries=("photostock.hints.*", "photostock.moments"),
        follow=False,
        probe="photostock.probes.hints:hints",
    ),
    Component(
        name="index",
        version="photostock.index.vectors:INDEX_VERSION",
        entries=("photostock.index.vectors",),
        libraries=("faiss-cpu", "numpy"),
        probe="photostock.probes.index:index",
    ),
    Component(
        name="order",
        version=ORDER_VERSION,
        entries=("photostock.ranking", "photostock.popular"),
        libraries=("numpy",),
        probe="photostock.probes.photos:order",
    ),
    Component(
        name="encoder",
        version=ENCODER_CODE_VERSION,
        entries=("photostock.index.encoder", "photostock.text_model"),
        libraries=("numpy", "onnxruntime", "tokenizers"),
        probe="photostock.probes.models:text_model",
        load="photostock.index.encoder:OnnxEncoder.load",
    ),
    Component(
        name="reranker",
        version=RERANKER_CODE_VERSION,
        entries=("photostock.reranker.model", "photostock.reranker.fusion", "photostock.text_model"),
        libraries=("numpy", "onnxruntime", "tokenizers"),
        load="photostock.reranker.model:Reranker.load",
    ),
    # Which tier serves, what is refused, and what becomes of scores on their way out.
    Component(
        name="search-chain",
        version=CHAIN_VERSION,
        entries=(
            "photostock.search",
            "photostock.api",
            "photostock.admin",
            "photostock.app",
            "photostock.engine",
            "photostock.index.upkeep",
            "photostock.override_admin",
            "photostock.override_page",
            "photostock.override_rules",
            "photostock.overriding",
            "photostock.page_query",
            "photostock.pages",
            "photostock.settings",
            "photostock.shaping",
            "photostock.tables",
            "photostock.told",
        ),
        libraries=("numpy", "pydantic"),
    ),
    Component(
        name="reranker-process",
        version=RERANKER_PROCESS_VERSION,
        entries=("photostock.reranker.server", "photostock.reranker.partial", "photostock.reranker.turns"),
        follow=False,
    ),
    Component(
        name="photo-imports",
        version=IMPORTS_VERSION,
        entries=("photostock.imports", "photostock.importers.*"),
        follow=False,
    ),
    Component(
        name="pictures",
        version=PICTURES_VERSION,
        entries=(
            "photostock.pictures",
            "photostock.picture_cache",
            "photostock.scene",
            "photostock.drawing.*",
            "photostock.own_pictures.*",
        ),
        follow=False,
        libraries=("pillow",),
    ),
    # What people did, which models learn from.
    Component(
        name="feedback",
        version=FEEDBACK_VERSION,
        entries=("photostock.feedback.*", "photostock.erasing"),
        follow=False,
        libraries=("numpy",),
    ),
    Component(
        name="search-training",
        version=TRAINING_VERSION,
        entries=(
            "photostock.filter.query_map_training",
            "photostock.filter.relevance_training",
            "photostock.index.export",
            "photostock.index.picture_export",
            "photostock.labels.*",
            "photostock.onnx_export",
            "photostock.reranker.checkpoint",
            "photostock.reranker.learning",
            "photostock.reranker.measuring",
            "photostock.reranker.network",
            "photostock.reranker.plan",
            "photostock.reranker.precision",
            "photostock.reranker.split",
            "photostock.reranker.train",
            "photostock.reranker.training_ids",
            "photostock.reranker.views",
            "photostock.train_command",
        ),
        follow=False,
    ),
    # What a reviewer is told, and by which rules a version is good enough.
    Component(
        name="search-review",
        version=REVIEW_VERSION,
        entries=("photostock.releases", "photostock.review.*"),
        follow=False,
        libraries=("numpy",),
    ),
    Component(
        name="search-api",
        version=version("murphy-ml-integration"),
        entries=("photostock.contract",),
        follow=False,
        libraries=("pydantic",),
        probe="photostock.probes.shapes:api",
    ),
)

HARMLESS: Mapping[str, str] = {
    "photostock.__main__": "the command line",
    "photostock.components": "what is declared is checked by what it declares",
    "photostock.demo.*": "an invented catalogue: a model's manifest has the fingerprint of its data",
    "photostock.demo_catalogue": "an invented catalogue",
    "photostock.evaluation.*": "reports for people",
    "photostock.index.measure": "measures speed",
    "photostock.probes.*": "the questions themselves: other questions have other answers, which are recorded",
    "photostock.published": "writes a document",
    "photostock.reranker.cost": "measures speed",
}


def code_of(name: str) -> str:
    """The fingerprint of a component's code, for its manifests."""
    return fingerprint_of(name, COMPONENTS, root=Path(__file__).resolve().parent.parent)
