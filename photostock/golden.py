"""Golden probes of encoder and reranker: fixed texts, with what the published model said about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from common.versions.probes import probes_file

if TYPE_CHECKING:
    from photostock.index.encoder import OnnxEncoder
    from photostock.reranker.model import Reranker

LIBRARIES = ("numpy", "onnxruntime", "tokenizers")
TEXTS = (
    "a dog runs along the beach",
    "red",
    "Two people with umbrellas cross a street at night in the rain.",
    "Café & façade: an old wooden boat on a calm lake, with mountains and their reflection behind it",
)
# Of usual length: a reranker learns its pace from every pair.
PAIRS = (
    ("a dog on the beach", "A wet spaniel runs along the sea, and a man throws a stick. dog, beach, waves", 0.61),
    ("rainy night", f"{TEXTS[2]} The wet asphalt reflects the lights. rain, street, city, night", 0.42),
    ("red", f"{TEXTS[3]}. Autumn, morning, fog", -0.05),
)
# Relative to the largest number of an answer. The same libraries on the same kind of processor answer to the last bit;
# with other kernels int8 products are cut off elsewhere. Not measured on other processors than those it was made on.
TOLERANCE = 0.1


def encoder_probes(encoder: OnnxEncoder) -> bytes:
    """The artifact of an encoder."""
    return probes_file(TEXTS, lambda text: encoder_answer(encoder, text), libraries=LIBRARIES, tolerance=TOLERANCE)


def reranker_probes(reranker: Reranker) -> bytes:
    """The artifact of a reranker."""
    return probes_file(PAIRS, lambda pair: reranker_answer(reranker, pair), libraries=LIBRARIES, tolerance=TOLERANCE)


def encoder_answer(encoder: OnnxEncoder, text: str) -> Any:
    """The vector of a text."""
    return encoder.encode([text])[0].tolist()


def reranker_answer(reranker: Reranker, pair: Any) -> Any:
    """The fused score of a query, a text and a cosine."""
    query, text, cosine = pair
    return reranker.score(query, [text], [cosine]).tolist()
