"""Encoder and reranker, from a torch model to what is served; with a model so tiny that it knows nothing."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.state.database import open_state
from common.versions.registry import ArtifactError, Registry, Release
from photostock.catalogue import Catalogue
from photostock.evaluation.page import page
from photostock.evaluation.run import evaluate
from photostock.index.encoder import OnnxEncoder, encode_all
from photostock.index.export import PROBES, UntrustedWeights, checked, load_original, publish_encoder
from photostock.photo import Photo
from photostock.reranker.model import CHUNK, Reranker
from photostock.reranker.split import NothingToLearnFrom, Split
from photostock.reranker.train import train
from photostock.settings import PhotoSettings
from tests.photostock.tiny_model import COLOURS, photos


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


@pytest.mark.parametrize(("asked", "left"), [(100, 20), (1_500, 300), (3_000, 300), (5_300, 300), (6_000, 1_000)])
def test_what_is_left_to_evaluate_is_a_fifth_or_what_suffices_or_what_is_too_much_to_learn_from(
    asked: int, left: int
) -> None:
    some = [Photo(f"p{n}", f"photo {n}", queries=(f"search {n}",)) for n in range(asked)]
    assert asked - len(Split.of(some, seed=1).photos) == left


def test_training_for_so_many_steps_gives_the_same_model_again(registry: Registry, tiny: Path) -> None:
    first = registry.manifest("reranker")
    assert first.training["steps"] == 6
    assert first.training["precision"] in ("float32", "bfloat16")
    again = train(photos(), registry, encoder_model=tiny, steps=6, layers=2)
    assert again.version == first.version == "1.0.0"


def test_the_first_candidates_have_the_same_scores_however_many_follow(reranker: Reranker) -> None:
    texts = [photo.text for photo in photos()[:23]]
    cosines = np.linspace(0.9, 0.1, 23).tolist()
    scores = reranker.score("red dog beach", texts, cosines)
    for count in (CHUNK, 2 * CHUNK, 4 * CHUNK, 23):
        assert scores[:count].tolist() == reranker.score("red dog beach", texts[:count], cosines[:count]).tolist()


def test_a_request_has_the_same_scores_again_while_others_are_scored(reranker: Reranker) -> None:
    texts = [photo.text for photo in photos()[:20]]
    alone = reranker.logits("red dog beach", texts).tobytes()
    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(reranker.logits, f"{colour} boat", texts[::-1]) for colour in COLOURS]
        again = [pool.submit(reranker.logits, "red dog beach", texts) for _ in range(5)]
    assert {one.result().tobytes() for one in again} == {alone}
    assert all(one.result().shape == (20,) for one in others)


def test_neighbours_in_a_chunk_change_a_score_by_next_to_nothing(reranker: Reranker) -> None:
    texts = [photo.text for photo in photos()[:20]]
    alone = np.concatenate([reranker.logits("red dog beach", [text]) for text in texts])
    np.testing.assert_allclose(reranker.logits("red dog beach", texts), alone, atol=0.3)
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


@pytest.mark.parametrize(("wanted", "kept"), [(1, 1), (3, 3), (9, 3)])
def test_a_network_has_as_many_layers_as_wanted_or_as_there_are(tiny: Path, wanted: int, kept: int) -> None:
    from photostock.reranker.network import cross_encoder, depth_of

    assert depth_of(cross_encoder(tiny, layers=wanted)) == kept


def test_a_network_says_nearly_the_same_in_half_the_digits(tiny: Path) -> None:
    import torch

    from photostock.reranker.network import cross_encoder, logits
    from photostock.reranker.train import tokenizer_of

    network, tokens = cross_encoder(tiny, layers=2), tokenizer_of(tiny / "tokenizer.json")
    pairs = [("blue boat lake", photo.text) for photo in photos()[:8]]
    full, half = (logits(network, tokens, pairs, one).detach() for one in (torch.float32, torch.bfloat16))
    assert not torch.equal(full, half)
    torch.testing.assert_close(full, half, atol=0.3, rtol=0)


def test_an_interrupted_training_goes_on_and_ends_as_if_nothing_had_happened(
    registry: Registry, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from photostock.reranker import learning, precision

    monkeypatch.setattr(learning, "SAVED_EVERY_CPU_S", 0.0)
    trained, step = list[int](), learning._step

    def dies_at_the_fourth(*arguments: Any) -> float:
        trained.append(1)
        if len(trained) == 4:
            raise KeyboardInterrupt
        return step(*arguments)

    here = precision.quickest_precision()
    quickest = iter([here, "float32" if here == "bfloat16" else "bfloat16"])  # it goes on in what it began in
    monkeypatch.setattr(learning, "quickest_precision", lambda: next(quickest))
    monkeypatch.setattr(learning, "_step", dies_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        train(photos(), registry, encoder_model=tiny, steps=6, layers=2, checkpoint_dir=tmp_path)
    again = train(photos(), registry, encoder_model=tiny, steps=6, layers=2, checkpoint_dir=tmp_path)
    assert len(trained) == 4 + 3
    assert again.version == "1.0.0"  # the same content as that of the training without an interruption
    assert not list(tmp_path.iterdir())


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


def test_without_queries_there_is_nothing_to_learn(registry: Registry, tiny: Path) -> None:
    mute = [replace(photo, queries=()) for photo in photos()]
    with pytest.raises(NothingToLearnFrom):
        train(mute, registry, encoder_model=tiny, steps=1)


async def test_an_evaluation_asks_the_services_and_leaves_out_what_was_trained_on(
    registry: Registry, tmp_path: Path
) -> None:
    settings = PhotoSettings(var_dir=tmp_path)
    settings.registry_dir.symlink_to(registry.root)
    state = open_state(settings)
    Catalogue(state).add(photos())
    state.dispose()
    report = await evaluate(settings, photos(), max_queries=10_000)
    assert report.left_out == 96
    assert report.clean.questions == 2 * 24
    served_by = {line.name: set(line.served_by) for line in report.clean.lines}
    assert served_by["+ reranker"] == served_by["the whole"] == {"reranker"}
    assert served_by["dense alone"] == served_by["without reranker"] == {"semantic"}
    assert served_by["lexical alone"] == served_by["without semantic"] == {"lexical"}
    assert served_by["without semantic and lexical"] == {"popular"}
    assert [line.failed for line in report.clean.lines] == [0] * len(report.clean.lines)
    assert {case.meant.jpeg[:2] for case in report.cases} == {b"\xff\xd8"}
    assert len(page(report)) > 10_000


def test_what_serves_imports_neither_torch_nor_transformers() -> None:
    serving = "photostock.evaluation.run, photostock.index.encoder, photostock.reranker.model"
    code = f"import sys, {serving}; sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
