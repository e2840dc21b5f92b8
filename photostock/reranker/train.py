"""Trains a reranker on the catalogue's own queries, starting from the encoder's weights, within a time budget."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.progress import progress
from common.registry import Manifest, Registry, Release, sha256_of
from photostock.catalogue import Photo
from photostock.index.encoder import OnnxEncoder
from photostock.index.export import model_folder, model_name
from photostock.onnx_export import export_int8, libraries, prepare_torch
from photostock.reranker.fusion import Judged, ndcg_10, tuned
from photostock.reranker.lists import ListMaker, QueryList
from photostock.reranker.model import Reranker
from photostock.reranker.training_ids import TRAINING_IDS, written
from photostock.text_model import MODEL, TOKENIZER

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder
    from tokenizers import Tokenizer

LAYERS = 4  # of the encoder's
MOST_PHOTOS = 5_000
KEPT_FOR_EVALUATION = 0.2  # share of the photos with queries that training never sees
KEPT_FOR_TUNING = 0.1
MOST_TUNING_QUERIES = 120
TUNING_DEPTH = 20
QUERIES_PER_STEP = 8
COSINE_WEIGHT = 20.0  # in training: near the temperature that such encoders were trained with
LEARNING_RATE = 1e-4
WARM_UP_STEPS = 20
TRAINING_SHARE = 0.8  # of the time budget; the rest is for export and tuning


class NothingToLearnFrom(Exception):
    """Too few photos have queries."""


def train(
    photos: Iterable[Photo],
    registry: Registry,
    *,
    seed: int = 1,
    budget_seconds: float = 72.0,
    encoder_model: str | Path | None = None,
    layers: int = LAYERS,
    threads: int = 2,
) -> Manifest:
    """Publishes component "reranker", made for the champion encoder.

    Args:
        budget_seconds: of wall time in all, nearly; a machine with more to give gets a better model out of it.
        encoder_model: what the champion encoder was exported from, as for `publish_encoder`.
    """
    ends_at = time.monotonic() + TRAINING_SHARE * budget_seconds
    prepare_torch()
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    release = registry.load("encoder")
    if release.manifest.training.get("model") != model_name(encoder_model):
        raise ValueError(f"the champion encoder was not made from {model_name(encoder_model)}")
    encoder = OnnxEncoder.load(release)
    learning, tuning = _split(photos, seed=seed)
    ...
