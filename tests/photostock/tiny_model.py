"""A model so tiny that it knows nothing, and photos in the few words that it has."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from common.versions.registry import Registry
from photostock.catalogue import Photo
from photostock.index.export import publish_encoder
from photostock.reranker.train import train

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


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def tiny_model(folder: Path, *, seed: int = 1) -> Path:
    """Makes a folder with a sentence-transformers model of three small random layers."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokens = Tokenizer(models.WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokens.normalizer = normalizers.BertNormalizer()
    tokens.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokens.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(WORDS), **sizes, max_position_embeddings=64, initializer_range=0.2)
    PreTrainedTokenizerFast(tokenizer_object=tokens, model_max_length=64, **special).save_pretrained(folder)
    BertModel(config).save_pretrained(folder)
    transformer = Transformer(str(folder))
    SentenceTransformer(modules=[transformer, Pooling(32)], device="cpu").save(str(folder))
    return folder


@pytest.fixture(scope="session")
def registry(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Holds a tiny encoder and a tiny reranker."""
    registry = Registry(tmp_path_factory.mktemp("registry"))
    publish_encoder(registry, model=tiny)
    train(photos(), registry, encoder_model=tiny, steps=6, layers=2)
    return registry
