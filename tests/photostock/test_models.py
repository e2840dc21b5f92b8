"""Encoder and reranker, from a torch model to what is served; with a model so tiny that it knows nothing."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from common.versions.registry import ArtifactError, Registry, Release
from photostock.catalogue import Photo
from photostock.evaluate import StageQuality, evaluate, render
from photostock.index.encoder import OnnxEncoder, encode_all
from photostock.index.export import PROBES, UntrustedWeights, checked, load_original, publish_encoder
from photostock.reranker.model import Reranker
from photostock.reranker.split import NothingToLearnFrom, Split
from photostock.reranker.train import train
from photostock.reranker.training_ids import trained_on

SUBJECTS = ("dog", "cat", "horse", "bird", "boat", "tree")
COLOURS = ("red", "blue", "green", "white", "black")
PLACES = ("beach", "park", "street", "lake")
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "on", "the", "at", ".", *SUBJECTS, *COLOURS, *PLACES)


def photos() -> list[Photo]:
    """Every subject in every colour at every place, asked for in two ways."""
    return [
        Photo(id=f"p{number:03}", title=f"A {c} {s}", description=f"At the {p}", queries=(f"{c} {s} {p}", f"{p} {s}"))
        for number, (s, c, p) in enumerate(itertools.product(SUBJECTS, COLOURS, PLACES))
    ]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sentence-transformers model of three small random layers."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "tiny"
    tokens = Tokenizer(models.WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokens.normalizer = normalizers.BertNormalizer()
    tokens.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokens.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    torch.manual_seed(1)
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(WORDS), **sizes, max_position_embeddings=64, initializer_range=0.2)
    PreTrainedTokenizerFast(tokenizer_object=tokens, model_max_length=64, **special).save_pretrained(folder)
    BertModel(config).save_pretrained(folder)
    transformer = Transformer(str(folder))
    SentenceTransformer(modules=[transformer, Pooling(32)], device="cpu").save(str(folder))
    return folder


@pytest.fixture(scope="module")
def registry(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Holds a tiny encoder and a tiny reranker."""
    registry = Registry(tmp_path_factory.mktemp("registry"))
    publish_encoder(registry, model=tiny)
    train(photos(), registry, encoder_model=tiny, steps=6, layers=2)
    return registry


@pytest.fixture(scope="module")
def encoder(registry: Registry) -> OnnxEncoder:
    return OnnxEncoder.load(registry.load("encoder"))


@pytest.fixture(scope="module")
def reranker(registry: Registry) -> Reranker:
    return Reranker.load(registry.load("reranker"))


def test_the_packaged_encoder_agrees_with_its_original_and_knows_what_words_mean(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    manifest = publish_encoder(registry)
    encoder = OnnxEncoder.load(registry.load("encoder"))
    ours = encoder.encode(PROBES)
    agreement = np.sum(ours * load_original().encode(list(PROBES), normalize_embeddings=True), axis=1)
    assert agreement.min() > 0.985
    assert manifest.metrics["agreement_least"] == pytest.approx(agreement.min(), abs=1e-4)
    query, near, far = encoder.encode(["a dog at the seaside", "puppy running on a beach", "pasta with tomatoes"])
    assert query @ near > query @ far + 0.3


def test_vectors_are_of_unit_length_and_depend_on_their_own_text_only(encoder: OnnxEncoder) -> None:
    texts = [photo.text for photo in photos()[:20]]
    together = encoder.encode(texts)
    assert together.dtype == np.float32
    assert together.shape == (20, encoder.dimensions)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    assert together.tobytes() == alone.tobytes()
    by_id = {str(number): text for number, text in enumerate(texts)}
    assert encode_all(encoder, by_id, what="encoding", threads=2).tobytes() == alone.tobytes()


def test_kept_vectors_are_used_and_only_missing_ones_are_made(encoder: OnnxEncoder) -> None:
    kept = {"b": np.arange(encoder.dimensions, dtype="<f4").tobytes()}
    vectors = encode_all(encoder, {"a": "a dog", "b": "a cat", "c": "a bird"}, kept=kept, what="encoding")
    assert vectors[1].tolist() == list(range(encoder.dimensions))
    assert vectors[[0, 2]].tobytes() == encoder.encode(["a dog", "a bird"]).tobytes()
    assert encode_all(encoder, {}, what="encoding").shape == (0, encoder.dimensions)


def test_odd_texts_have_vectors_too(encoder: OnnxEncoder) -> None:
    vectors = encoder.encode(["", " ", "犬 \u0301 🐕", "dog " * 5000])
    assert np.isfinite(vectors).all()
    assert encoder.encode([]).shape == (0, encoder.dimensions)


def test_the_same_model_is_published_once(registry: Registry, tiny: Path) -> None:
    assert publish_encoder(registry, model=tiny).version == "1.0.0"
    assert registry.versions("encoder") == ["1.0.0"]


def test_weights_that_were_not_examined_are_refused(tiny: Path) -> None:
    with pytest.raises(UntrustedWeights, match="SHA-256"):
        checked(tiny, sha256="0" * 64)


def test_a_split_depends_on_photos_and_seed_and_leaves_some_out() -> None:
    split, backwards = Split.of(photos(), seed=1), Split.of(photos()[::-1], seed=1)
    assert split == backwards
    assert split.fingerprint == backwards.fingerprint
    assert split != Split.of(photos(), seed=2)
    assert (len(split.learning), len(split.tuning)) == (86, 10)
    assert not {photo.id for photo in split.learning} & {photo.id for photo in split.tuning}


def test_training_for_so_many_steps_gives_the_same_model_again(registry: Registry, tiny: Path) -> None:
    first = registry.manifest("reranker")
    assert first.training["steps"] == 6
    again = train(photos(), registry, encoder_model=tiny, steps=6, layers=2)
    assert again.version == first.version == "1.0.0"


def test_a_pair_has_the_same_score_whatever_is_scored_beside_it(reranker: Reranker) -> None:
    texts = [photo.text for photo in photos()[:10]]
    cosines = np.linspace(0.9, 0.1, 10).tolist()
    scores = reranker.score("red dog beach", texts, cosines)
    backwards = reranker.score("red dog beach", texts[::-1], cosines[::-1])
    alone = [reranker.score("red dog beach", [t], [c])[0] for t, c in zip(texts, cosines, strict=True)]
    assert scores.tolist() == backwards[::-1].tolist() == alone
    assert reranker.pace.ms_per_pair
    assert reranker.score("red dog", [], []).shape == (0,)


def test_a_higher_cosine_gives_a_higher_score(reranker: Reranker) -> None:
    low, high = reranker.score("red dog", ["A red dog"] * 2, [0.2, 0.3])
    assert high > low


def test_scores_without_texts_are_refused(reranker: Reranker) -> None:
    with pytest.raises(ValueError, match="retrieval scores"):
        reranker.score("red dog", ["A red dog"], [0.2, 0.3])


def test_a_reranker_belongs_to_one_version_of_the_encoder(registry: Registry, reranker: Reranker) -> None:
    assert reranker.encoder_version == registry.resolve("encoder", "champion")


def test_the_served_reranker_agrees_with_the_trained_network(tiny: Path, tmp_path: Path) -> None:
    from photostock.reranker.network import cross_encoder, logits
    from photostock.reranker.train import export, tokenizer_of

    network, tokens = cross_encoder(tiny, layers=2), tokenizer_of(tiny / "tokenizer.json")
    served = Reranker.load(export(network, tokens, tmp_path, encoder_version="1.0.0"))
    texts = [photo.text for photo in photos()[::7]]
    expected = logits(network, tokens, [("blue boat lake", text) for text in texts]).detach().numpy()
    np.testing.assert_allclose(served.logits("blue boat lake", texts), expected, atol=0.3)


def _with(release: Release, **changes: object) -> Release:
    return Release(release.manifest.model_copy(update=changes), release.folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"component": "core"},
        {"artifacts": {}},
        {"parameters": {}},
        {"parameters": {"max_tokens": "64", "dimensions": 32}},
        {"parameters": {"max_tokens": 64, "dimensions": 31}},
    ],
    ids=str,
)
def test_an_encoder_that_is_not_what_its_manifest_says_is_refused(
    registry: Registry, changes: dict[str, object]
) -> None:
    with pytest.raises(ArtifactError):
        OnnxEncoder.load(_with(registry.load("encoder"), **changes))


def test_a_reranker_without_weights_or_encoder_is_refused(registry: Registry) -> None:
    release = registry.load("reranker")
    for changed in (
        _with(release, compatible_with={}),
        _with(release, parameters={"max_tokens": 64}),
        _with(release, component="encoder"),
    ):
        with pytest.raises(ArtifactError):
            Reranker.load(changed)


def test_a_file_that_is_no_model_is_refused(registry: Registry, tmp_path: Path) -> None:
    release = registry.load("encoder")
    (tmp_path / "model.onnx").write_bytes(b"nonsense")
    (tmp_path / "tokenizer.json").write_bytes(release.path("tokenizer.json").read_bytes())
    with pytest.raises(ArtifactError, match="can't be loaded"):
        OnnxEncoder.load(replace(release, folder=tmp_path))


def test_an_evaluation_leaves_out_what_was_trained_on(registry: Registry) -> None:
    trained = trained_on(registry.load("reranker"))
    assert len(trained) == 96
    whole = evaluate(photos(), registry, max_queries=10_000)
    assert whole.left_out == 96
    assert whole.queries == 2 * 24
    assert [stage.stage for stage in whole.stages] == ["lexical (BM25)", "semantic", "semantic + reranker on 12"]
    few = evaluate(photos(), registry, max_queries=5, seed=2)
    assert few.queries == 5


def test_an_evaluation_is_shown_as_a_table(registry: Registry) -> None:
    console = Console(record=True, width=120)
    render(evaluate(photos(), registry, max_queries=5), console)
    shown = console.export_text()
    assert "nDCG@10" in shown
    assert "semantic" in shown


def test_without_queries_there_is_nothing_to_learn_or_to_evaluate(registry: Registry, tiny: Path) -> None:
    mute = [replace(photo, queries=()) for photo in photos()]
    with pytest.raises(NothingToLearnFrom):
        train(mute, registry, encoder_model=tiny, steps=1)
    with pytest.raises(ValueError, match="no query left"):
        evaluate(mute, registry)


@pytest.mark.parametrize(
    ("ranks", "recall_1", "recall_10", "recall_50", "mrr_10", "ndcg_10"),
    [
        ([0, 0], 1.0, 1.0, 1.0, 1.0, 1.0),
        ([0, 50], 0.5, 0.5, 0.5, 0.5, 0.5),
        ([1, 9, 10, 49], 0.0, 0.5, 1.0, (1 / 2 + 1 / 10) / 4, (1 / np.log2(3) + 1 / np.log2(11)) / 4),
    ],
    ids=str,
)
def test_quality_follows_from_ranks(
    ranks: Sequence[int], recall_1: float, recall_10: float, recall_50: float, mrr_10: float, ndcg_10: float
) -> None:
    got = StageQuality.of("any", ranks, 1.0)
    expected = (recall_1, recall_10, recall_50, mrr_10, ndcg_10)
    assert (got.recall_1, got.recall_10, got.recall_50, got.mrr_10, got.ndcg_10) == pytest.approx(expected)


def test_what_serves_imports_neither_torch_nor_transformers() -> None:
    serving = "photostock.evaluate, photostock.index.encoder, photostock.reranker.model"
    code = f"import sys, {serving}; sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
