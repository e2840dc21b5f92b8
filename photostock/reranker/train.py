"""Trains and publishes a reranker: on the catalogue's own queries, from the encoder's weights, within a time budget."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from common.progress import progress
from common.versions.registry import Manifest, Registry, Release, sha256_of
from photostock.catalogue import Photo
from photostock.index.encoder import OnnxEncoder
from photostock.index.export import model_folder, model_name
from photostock.onnx_export import export_int8, libraries, prepare_torch
from photostock.ranking import RERANK_DEPTH
from photostock.reranker.fusion import Fusion, Judged, ndcg_10, tuned
from photostock.reranker.lists import ListMaker, QueryList
from photostock.reranker.model import Reranker
from photostock.reranker.split import Split
from photostock.reranker.training_ids import TRAINING_IDS, written
from photostock.text_model import MODEL, TOKENIZER

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

LAYERS = 4  # of the encoder's
MAX_TOKENS = 128  # of a pair; attention pays for the square of it
TUNING_QUERIES = 120
TRAINING_TIME_SHARE = 0.8  # of the budget; the rest is for export and tuning
THREADS = 2


def train(
    photos: Iterable[Photo],
    registry: Registry,
    *,
    seed: int = 1,
    budget_seconds: float = 72.0,
    steps: int | None = None,
    encoder_model: str | Path | None = None,
    layers: int = LAYERS,
    kept_vectors: Mapping[str, bytes] | None = None,
) -> Manifest:
    """Publishes component "reranker", made for the champion encoder.

    Args:
        budget_seconds: of wall time, most of it training; a faster machine makes a better model of it.
        steps: train for so many instead of by the clock, so that the same data give the same model.
        encoder_model: what the champion encoder was exported from, as for `publish_encoder`.
        layers: how many of the encoder's layers are kept; serving time is proportional to it.
        kept_vectors: of photos by id, from `Catalogue.vectors` for this encoder; what is missing is encoded.
    """
    started = time.monotonic()
    release = _encoder_made_from(encoder_model, registry)
    encoder = OnnxEncoder.load(release)
    split = Split.of(photos, seed=seed)
    lists = ListMaker(split.photos, encoder, kept=kept_vectors)
    to_learn = sum(len(photo.queries) for photo in split.learning)
    tokenizer = tokenizer_of(release.path(TOKENIZER))
    network = _untrained(model_folder(encoder_model), layers=layers)
    from photostock.reranker.learning import learn  # imports torch

    ends_at = max(started + TRAINING_TIME_SHARE * budget_seconds, time.monotonic() + budget_seconds / 2)
    learned = learn(network, tokenizer, lists, queries=to_learn, ends_at=ends_at, steps=steps, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        draft = export(network, tokenizer, Path(folder), encoder_version=encoder.version)
        to_tune = range(to_learn, min(to_learn + TUNING_QUERIES, len(lists)))
        judged = _judge(Reranker.load(draft), lists.as_served(to_tune, depth=RERANK_DEPTH))
        fusion = tuned(judged)
        return registry.publish(
            "reranker",
            {name: draft.path(name) for name in draft.manifest.artifacts} | {TRAINING_IDS: written(split.photos)},
            parameters=draft.manifest.parameters | fusion._asdict(),
            compatible_with=draft.manifest.compatible_with,
            training={"photos": split.fingerprint, "seed": seed, "layers": layers} | asdict(learned),
            metrics={
                "tuning_ndcg_10_encoder": ndcg_10(judged, Fusion(1.0, 0.0)),
                "tuning_ndcg_10_fused": ndcg_10(judged, fusion),
            },
            libraries=libraries(),
        )


def _encoder_made_from(model: str | Path | None, registry: Registry) -> Release:
    release = registry.load("encoder")
    made_from = release.manifest.training.get("model")
    if made_from != model_name(model):
        raise ValueError(f"the champion encoder was made from {made_from}, not from {model_name(model)}")
    return release


def _untrained(folder: str, *, layers: int) -> CrossEncoder:
    prepare_torch()
    import torch

    from photostock.reranker.network import cross_encoder

    torch.set_num_threads(THREADS)
    return cross_encoder(folder, layers=layers)


def tokenizer_of(path: Path) -> Tokenizer:
    """A tokenizer as training and serving use it: cut at the same length, not padded."""
    tokenizer: Tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def export(network: CrossEncoder, tokenizer: Tokenizer, folder: Path, *, encoder_version: str) -> Release:
    """Writes the network as it will be served to `folder`; not tuned yet, so its weights are those of training."""
    from photostock.reranker.learning import COSINE_WEIGHT
    from photostock.reranker.network import OnnxReady

    with progress("exporting the reranker"):
        ready = OnnxReady(network)
        (folder / MODEL).write_bytes(export_int8(ready, ready.sample(tokenizer), output="score"))
        (folder / TOKENIZER).write_text(tokenizer.to_str())
    manifest = Manifest(
        component="reranker",
        version="0.0.0",
        artifacts={name: sha256_of(folder / name) for name in (MODEL, TOKENIZER)},
        parameters={"max_tokens": MAX_TOKENS, "cosine_weight": COSINE_WEIGHT, "logit_weight": 1.0},
        compatible_with={"encoder": encoder_version},
    )
    return Release(manifest, folder)


def _judge(reranker: Reranker, candidates: Sequence[QueryList]) -> list[Judged]:
    """What the network, as it will be served, says about the candidates that the encoder finds."""

    def judge(one: QueryList) -> Judged:
        return Judged(one, reranker.logits(one.query, one.texts))

    judged: list[Judged] = []
    with progress("tuning the fusion", len(candidates)) as report, ThreadPoolExecutor(THREADS) as pool:
        for one in pool.map(judge, candidates):
            judged.append(one)
            report.advance()
    return judged
