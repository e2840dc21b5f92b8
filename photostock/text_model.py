"""An ONNX transformer with its tokenizer, as the encoder and the reranker serve it: without torch or transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Encoding, Tokenizer

from common.versions.registry import ArtifactError, Manifest, Release

MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"
Inputs: TypeAlias = npt.NDArray[np.int64]
Output: TypeAlias = npt.NDArray[np.float32]


class TextModel:
    """Runs texts, or pairs of texts; safe for many threads, each call uses one core.

    int8 inference takes the scale of its activations from the whole input, so that in a batch a text's numbers depend
    on its neighbours (measured: up to 0.03 in a component of a unit vector). Texts that must have the same vector
    whatever is encoded beside them are therefore run alone.
    """

    def __init__(self, release: Release, *, max_tokens: int) -> None:
        try:
            self._tokenizer: Tokenizer = Tokenizer.from_file(str(release.path(TOKENIZER)))
            self._session = session(str(release.path(MODEL)))
        except Exception as error:  # both libraries raise bare exceptions of their own for a bad file
            manifest = release.manifest
            raise ArtifactError(f"{manifest.component} {manifest.version} can't be loaded: {error}") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self._inputs = [node.name for node in self._session.get_inputs()]

    def run(self, text: str) -> Output:
        """The first output's only row."""
        row: Output = self._rows([self._tokenizer.encode(text)])[0]
        return row

    def run_pairs(self, first: str, seconds: Sequence[str]) -> Output:
        """The first output, one row for `first` with each of `seconds`, computed in one batch."""
        return self._rows([self._tokenizer.encode(first, second) for second in seconds])

    def _rows(self, texts: Sequence[Encoding]) -> Output:
        rows: Output = self._session.run(None, padded(texts, self._inputs))[0]
        return rows


def inputs_of(tokens: Encoding) -> dict[str, list[int]]:
    """All that a model may ask about its tokens; `first` and `second` tell the words of a pair's halves."""
    halves = tokens.sequence_ids
    return {
        "input_ids": tokens.ids,
        "attention_mask": tokens.attention_mask,
        "token_type_ids": tokens.type_ids,
        "first": [int(half == 0) for half in halves],
        "second": [int(half == 1) for half in halves],
    }


def padded(texts: Sequence[Encoding], names: Sequence[str], *, multiple_of: int = 1) -> dict[str, Inputs]:
    """int64 [texts, tokens] by name, filled up with zeros to the longest, rounded up."""
    width = -(-max(len(tokens) for tokens in texts) // multiple_of) * multiple_of
    feed = {name: np.zeros((len(texts), width), dtype=np.int64) for name in names}
    for row, tokens in enumerate(texts):
        known = inputs_of(tokens)
        for name in names:
            feed[name][row, : len(tokens)] = known[name]
    return feed


def session(path: str) -> onnxruntime.InferenceSession:
    """An ONNX file, ready to be run by any number of threads, each call on one core."""
    options = onnxruntime.SessionOptions()
    # Concurrency comes from the pools of the process that serves: a session with threads of its own would take the
    # cores away from other requests, and spin while it waits.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def check_manifest(manifest: Manifest, *, component: str) -> None:
    """Raises `ArtifactError` unless this is a version of `component` with both files."""
    if manifest.component != component:
        raise ArtifactError(f"{manifest.component} {manifest.version} is no {component}")
    missing = {MODEL, TOKENIZER} - manifest.artifacts.keys()
    if missing:
        raise ArtifactError(f"{component} {manifest.version}: its manifest names no {', '.join(sorted(missing))}")


def number(parameters: Mapping[str, Any], name: str) -> float:
    """A parameter of a manifest that must be a number; `ArtifactError` if it is not."""
    value = parameters.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ArtifactError(f"parameter {name!r} of the manifest should be a number, not {value!r}")
    return float(value)
