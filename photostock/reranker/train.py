"""Trains and publishes a reranker: on the catalogue's own queries, from the encoder's weights, in given CPU time."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from common.progress import progress
from common.versions.probes import PROBES
from common.versions.registry import CHAMPION, Manifest, Registry, Release, sha256_of
from photostock.catalogue import Photo
from photostock.components import code_of
from photostock.filter.relevance import Relevance
from photostock.golden import reranker_probes
from photostock.index.encoder import OnnxEncoder
from photostock.index.export import model_folder, model_name
from photostock.labels.pairs import LabelledPair, bounded, provenance
from photostock.onnx_export import export_int8, libraries, prepare_torch
from photostock.ranking import RERANK_DEPTH
from photostock.reranker.fusion import Judged, ndcg_10, tuned
from photostock.reranker.lists import ListMaker, QueryList
from photostock.reranker.measuring import FIRST_STAGE, measured, share_confident
from photostock.reranker.model import Reranker
from photostock.reranker.plan import FEW_LAYERS, LEAST_BUDGET_S
from photostock.reranker.split import Split
from photostock.reranker.training_ids import TRAINING_IDS, written
from photostock.reranker.views import TURNS, interchangeable, views
from photostock.text_model import MODEL, TOKENIZER

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

MAX_TOKENS = 128  # of a pair; attention pays for the square of it
TUNING_QUERIES = 200, 400  # at the least and at the most, if there are so many
TUNING_QUERIES_PER_S = 0.25  # of the budget
RESERVED_SHARE, MOST_RESERVED_S = 0.2, 60.0  # of the budget, for export and tuning
TRAINING_THREADS = 1  # on two, a step costs a third more CPU time for a sixth less of the clock's
THREADS = 2


def train(
    photos: Iterable[Photo],
    registry: Registry,
    *,
    seed: int = 1,
    budget_seconds: float = LEAST_BUDGET_S,
    steps: int | None = None,
    encoder_model: str | Path | None = None,
    encoder_version: str = CHAMPION,
    layers: int = FEW_LAYERS,
    kept_vectors: Mapping[str, bytes] | None = None,
    checkpoint_dir: Path | None = None,
    promote: bool = True,
    relevance: Relevance | None = None,
    labels: Sequence[LabelledPair] = (),
) -> Manifest:
    """Publishes component "reranker", made for that encoder.

    Args:
        budget_seconds: of CPU time, most of it training; a faster machine makes a better model of it.
        steps: train for so many instead of by the clock, so that the same data give the same model.
        encoder_model: what the encoder was exported from, as for `publish_encoder`.
        layers: how many of the encoder's layers are kept, if it has so many; serving time is proportional to it.
        kept_vectors: of photos by id, from `Catalogue.vectors` for this encoder; what is missing is encoded.
        checkpoint_dir: where a training that is interrupted leaves what the next call with the same photos, encoder and
            arguments goes on with.
        promote: whether it becomes champion at once; without, no alias moves.
        relevance: the filter that will stand before it, made for the same encoder. Only what is tuned is tuned behind
            it: its map may have been fitted to the searches that are learnt here, and knows their answers too well.
        labels: pairs that operators decided about, learnt beside the photos' own queries.
    """
    started_s = time.process_time()
    release = _encoder_made_from(encoder_model, registry.load("encoder", encoder_version))
    encoder = OnnxEncoder.load(release)
    split = Split.of(photos, seed=seed, labelled={pair.photo_id for pair in labels})
    own = sum(len(photo.queries) for photo in split.learning)
    labels = bounded(labels, known=own)
    # What tunes is not even a wrong answer here.
    learnt_from = ListMaker(split.learning, encoder, kept=kept_vectors, labels=labels)
    lists = ListMaker(split.photos, encoder, kept=kept_vectors)
    tokenizer = tokenizer_of(release.path(TOKENIZER))
    network = _untrained(model_folder(encoder_model), layers=layers)
    from photostock.reranker.checkpoint import Checkpoint  # these import torch
    from photostock.reranker.learning import Budget, Lessons, learn
    from photostock.reranker.network import depth_of

    def another(photos: Sequence[Photo]) -> ListMaker:
        return ListMaker(photos, encoder, labels=labels)

    views_of = _views_of(split.learning, learnt_from, another)
    lessons = Lessons(view=views_of, queries=len(learnt_from), seed=seed)
    taught = {"labels": provenance(labels)} if labels else {}
    data = [split.fingerprint, *([taught["labels"]["fingerprint"]] if taught else [])]
    trained_with = {} if relevance is None else {"filter": relevance.version}
    purpose = [*data, encoder.version, trained_with, seed, budget_seconds, steps, layers, code_of("reranker")]
    checkpoint = Checkpoint(checkpoint_dir, json.dumps(purpose)) if checkpoint_dir else None
    spent_s = time.process_time() - started_s
    reserved_s = min(RESERVED_SHARE * budget_seconds, MOST_RESERVED_S)
    budget = Budget(cpu_s=max(budget_seconds - reserved_s - spent_s, budget_seconds / 2), steps=steps)
    learned = learn(network, tokenizer, lessons, budget, checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        draft = export(network, tokenizer, Path(folder), encoder_version=encoder.version)
        to_tune = range(own, min(own + _tuning_queries(budget_seconds), len(lists)))
        training = {"photos": split.fingerprint, "seed": seed, "layers": depth_of(network)}
        training |= trained_with | taught | asdict(learned)
        served = lists.as_served(to_tune, depth=RERANK_DEPTH, relevance=relevance)
        published = _publish(registry, draft, served, training, split.photos, promote)
    if checkpoint is not None:
        checkpoint.remove()
    return published


def _tuning_queries(budget_seconds: float) -> int:
    least, most = TUNING_QUERIES
    return min(max(round(TUNING_QUERIES_PER_S * budget_seconds), least), most)


def _views_of(
    photos: Sequence[Photo], as_they_are: ListMaker, lists_of: Callable[[Sequence[Photo]], ListMaker]
) -> Callable[[int], ListMaker]:
    """What each epoch learns from: where texts are interchangeable another view of the photos, else the photos."""
    turns = TURNS if interchangeable(photos) else 1

    def view_of(epoch: int) -> ListMaker:
        turn = epoch % turns
        return lists_of(views(photos, turn)) if turn else as_they_are

    return view_of


def _publish(
    registry: Registry,
    draft: Release,
    to_tune: Sequence[QueryList],
    training: Mapping[str, Any],
    photos: Sequence[Photo],
    promote: bool,
) -> Manifest:
    """The draft with the fusion weights under which the tuning queries find their answers best, and what they show."""
    judged = _judge(Reranker.load(draft), to_tune)
    fusion = tuned(judged)
    known = measured(judged, fusion)
    parameters = draft.manifest.parameters | fusion._asdict() | known
    served = Reranker.load(replace(draft, manifest=draft.manifest.model_copy(update={"parameters": parameters})))
    files = {name: draft.path(name) for name in draft.manifest.artifacts}
    return registry.publish(
        "reranker",
        {**files, TRAINING_IDS: written(photos), PROBES: reranker_probes(served)},
        parameters=parameters,
        compatible_with=draft.manifest.compatible_with,
        training=training,
        metrics={
            "tuning_ndcg_10_cosine": ndcg_10(judged, FIRST_STAGE),
            "tuning_ndcg_10_fused": ndcg_10(judged, fusion),
            "tuning_share_confident": share_confident(judged, known.get("confident_gap")),
        },
        libraries=libraries(),
        code=code_of("reranker"),
        alias=CHAMPION if promote else None,
        why="trained",
    )


def _encoder_made_from(model: str | Path | None, release: Release) -> Release:
    made_from = release.manifest.training.get("model")
    if made_from != model_name(model):
        raise ValueError(f"encoder {release.manifest.version} was made from {made_from}, not from {model_name(model)}")
    return release


def _untrained(folder: str, *, layers: int) -> CrossEncoder:
    prepare_torch()
    import torch

    from photostock.reranker.network import cross_encoder

    torch.set_num_threads(TRAINING_THREADS)
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
