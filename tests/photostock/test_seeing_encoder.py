"""An encoder that sees: a tiny CLIP, trained here to know three colours, from torch to a search by content."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from common.versions.registry import ArtifactError, Registry
from photostock.index.encoder import OnnxEncoder, photo_vectors
from photostock.index.export import publish_encoder
from photostock.index.picture_model import PICTURE_MODEL, Preparation
from photostock.index.semantic import key_of
from photostock.own_pictures.keeping import with_picture
from photostock.own_pictures.reading import read_picture
from photostock.own_pictures.store import PictureStore
from photostock.photo import Photo
from tests.photostock.conftest import WordEncoder
from tests.photostock.test_api import ids, search, service
from tests.waiting import eventually

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220)}
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "photo", *COLOURS)
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
SIDE_PX = 32
STEPS = 80
SENTENCES = ("a {} photo", "{}", "a photo a {}", "something {} somewhere", "{} photo of whatever")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CLIP of some thousand numbers that knows what red, green and blue look like."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

    torch.manual_seed(1)
    text = SIZES | {"vocab_size": len(WORDS), "max_position_embeddings": 16}
    text |= {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    seeing = SIZES | {"image_size": SIDE_PX, "patch_size": 16}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=seeing, projection_dim=32))
    processor = CLIPProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": SIDE_PX}, crop_size={"height": SIDE_PX, "width": SIDE_PX}
        ),
        tokenizer=_tokenizer(),
    )
    images = [Image.new("RGB", (48, SIDE_PX), colour) for colour in COLOURS.values()]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(STEPS):
        texts = [SENTENCES[step % len(SENTENCES)].format(word) for word in COLOURS]
        batch = processor(text=texts, images=images, return_tensors="pt", padding=True)
        optimizer.zero_grad()
        model(**batch, return_loss=True).loss.backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("models") / "clip"
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture
def seeing_dir(registry_dir: Path, tmp_path: Path) -> Path:
    """A `VAR_DIR` with that encoder."""
    (tmp_path / "registry").symlink_to(registry_dir)
    return tmp_path


@pytest.fixture(scope="module")
def registry_dir(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeing") / "registry"
    publish_encoder(Registry(folder), model=clip)
    return folder


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokens = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokens.normalizer = normalizers.BertNormalizer()
    tokens.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokens.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": "[CLS]", "eos_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=tokens, model_max_length=16, **special)


def picture(colour: str, *, width: int = 60, height: int = 40) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), COLOURS[colour]).save(file, "PNG")
    return file.getvalue()


def test_both_halves_are_published_and_agree_with_the_original(registry_dir: Path) -> None:
    release = Registry(registry_dir).load("encoder")
    assert PICTURE_MODEL in release.manifest.artifacts
    assert release.manifest.metrics["agreement_least"] > 0.98
    assert release.manifest.metrics["picture_agreement_least"] > 0.98
    assert OnnxEncoder.load(release).sees


def test_a_word_is_nearest_to_the_picture_that_shows_it(registry_dir: Path) -> None:
    encoder = OnnxEncoder.load(Registry(registry_dir).load("encoder"))
    words = encoder.encode([f"a {word} photo" for word in COLOURS])
    pictures = np.stack([encoder.encode_picture(picture(word, width=90)) for word in COLOURS])
    np.testing.assert_allclose(np.linalg.norm(pictures, axis=1), 1, atol=1e-3)
    assert (words @ pictures.T).argmax(axis=1).tolist() == [0, 1, 2]


def test_a_photo_is_the_mean_of_its_text_and_its_picture(registry_dir: Path, tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    encoder = OnnxEncoder.load(Registry(registry_dir).load("encoder"), pictures=store.read)
    plain = Photo("p-1", title="a photo")
    own = read_picture(picture("red"))
    seen = with_picture(plain, own, digest=store.save("p-1", own.jpeg))
    text, both = photo_vectors(encoder, [plain, seen])
    mean = text + encoder.encode_picture(own.jpeg)
    np.testing.assert_allclose(both, mean / np.linalg.norm(mean), atol=1e-6)
    assert text.tobytes() == encoder.encode(["a photo"]).tobytes()
    assert key_of(plain) != key_of(seen)
    store.discard(seen.picture["digest"] if seen.picture else "")
    assert photo_vectors(encoder, [seen]).tobytes() == text.tobytes()  # lost: its text still says what it is


def test_an_encoder_of_texts_goes_by_the_text_alone() -> None:
    photo = Photo("p-1", title="a photo", picture={"digest": "0" * 64, "palette": ["#ff0000"]})
    assert photo_vectors(WordEncoder(), [photo]).tobytes() == WordEncoder().encode(["a photo"]).tobytes()


async def test_a_picture_that_is_put_is_found_by_what_it_shows_from_the_next_search_on(
    seeing_dir: Path,
) -> None:
    async with service(seeing_dir, encoder=False) as client:

        async def serving() -> bool:
            return bool((await search(client, "photo"))["versions"]["encoder"] != "none")

        async def first(word: str) -> str:
            """Of the photos that are the same but for their pictures."""
            found = ids(await search(client, word, spelling="off"))
            return next(photo_id for photo_id in found if photo_id.startswith("p-"))

        await eventually(serving)
        new = [{"id": f"p-{word}", "title": "a photo"} for word in COLOURS]
        assert (await client.post("/v1/photos", json={"photos": new})).status_code == 201
        for word in COLOURS:
            answer = await client.put(f"/v1/photos/p-{word}/image", content=picture(word))
            assert answer.status_code == 201, answer.text
            assert (await first(word)) == f"p-{word}"
        assert (await client.put("/v1/photos/p-red/image", content=picture("blue"))).status_code == 204
        assert (await first("red")) != "p-red"


@pytest.mark.parametrize(
    "wrong",
    [{"crop_px": 99}, {"crop_px": 0}, {"mean": [0.5]}, {"spread": [0, 1, 1]}, {"resample": 99}, {"mood": 1}],
)
def test_a_manifest_that_tells_no_way_to_see_is_refused(registry_dir: Path, wrong: dict[str, Any]) -> None:
    release = Registry(registry_dir).load("encoder")
    told = release.manifest.parameters["picture"] | wrong
    changed = release.manifest.model_copy(update={"parameters": release.manifest.parameters | {"picture": told}})
    with pytest.raises(ArtifactError, match="picture"):
        OnnxEncoder.load(replace(release, manifest=changed))


def test_what_is_no_picture_is_an_error_and_no_vector() -> None:
    preparation = Preparation(32, False, 32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 3)
    assert preparation.pixels(picture("red", width=20, height=300)).shape == (1, 3, 32, 32)
    with pytest.raises(OSError, match="image"):
        preparation.pixels(b"no picture")
