"""An ONNX transformer with its tokenizer, as the encoder and the reranker serve it: without torch or transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Encoding, Tokenizer

from common.versions.registry import ArtifactError, Manifest, Release

MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"
Output: TypeAlias = npt.NDArray[np.float32]


class TextModel:
    """Runs one text, or one pair of texts, at a time; safe for many threads, each call uses one core.

    Never a batch: int8 inference takes the scale of its activations from the whole input, so that in a batch a text's
    numbers would depend on its neighbours (measured: up to 0.03 in a component of a unit vector). Nor would a batch be
    faster on a CPU: 5.4 ms per document alone, 5.4 ms in batches of 16, same machine, same minute.
    """

    def __init__(self, release: Release, *, max_tokens: int) -> None:
        try:
            self._tokenizer: Tokenizer = Tokenizer.from_file(str(release.path(TOKENIZER)))
            self._session = _session(str(release.path(MODEL)))
        except Exception as error:  # both libraries raise bare exceptions of their own for a bad file
            manifest = release.manifest
            raise ArtifactError(f"{manifest.component} {manifest.version} can't be loaded: {error}") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self._inputs = [node.name for node in self._session.get_inputs()]

    def run(self, text: str, pair: str | None = None) -> Output:
        """The first output's only row."""
        tokens = self._tokenizer.encode(text, pair)
        known = inputs_of(tokens)
        feed = {name: np.array([known[name]], dtype=np.int64) for name in self._inputs}
        row: Output = self._session.run(None, feed)[0][0]
        return row


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


def _session(path: str) -> onnxruntime.InferenceSession:
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
