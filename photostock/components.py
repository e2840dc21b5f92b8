"""What of PhotoStock has a version of its own, and where its code begins; `python -m common registry verify` asks.

Two kinds: models, whose versions are published with their data, and whose code has a version here; and plain code.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from common.versions.components import Component, fingerprint_of

WORDS_VERSION = "1"
HINTS_CODE_VERSION = "1"
ORDER_VERSION = "1"
CATALOGUE_VERSION = "1"
ENCODER_CODE_VERSION = "1"
RERANKER_CODE_VERSION = "1"
CHAIN_VERSION = "1"

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
        entries=("photostock.hints.*",),
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
        entries=("photostock.search", "photostock.api"),
        stop=("photostock.engine", "photostock.feedback", "photostock.picture_cache", "photostock.pictures"),
        libraries=("numpy", "pydantic"),
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


def code_of(name: str) -> str:
    """The fingerprint of a component's code, for its manifests."""
    return fingerprint_of(name, COMPONENTS, root=Path(__file__).resolve().parent.parent)
