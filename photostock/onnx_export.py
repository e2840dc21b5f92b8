"""From a torch model to the int8 ONNX file that is served. Imports torch when called, never when imported."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

OPSET = 17
LIBRARIES = ("onnx", "onnxruntime", "sentence-transformers", "tokenizers", "torch", "transformers")


def export_int8(module: Any, sample: Mapping[str, Any], *, output: str) -> bytes:
    """ONNX of a `torch.nn.Module` that takes the tensors of `sample` ([texts, tokens] each) in this order.

    Weights become int8 with a scale per output channel; activations are quantised while it runs.
    """
    prepare_torch()
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    axes = {name: {0: "texts", 1: "tokens"} for name in sample} | {output: {0: "texts"}}
    with tempfile.TemporaryDirectory() as folder, _quietly():
        full, small = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        # The TorchScript exporter: the newer one needs a further package and its graphs quantise worse.
        torch.onnx.export(
            module.eval(),
            tuple(sample.values()),
            str(full),
            input_names=list(sample),
            output_names=[output],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
        quantize_dynamic(full, small, weight_type=QuantType.QInt8, per_channel=True)
        return small.read_bytes()


def prepare_torch() -> None:
    """To be called before torch is imported: no downloads, and no threads that spin while they wait for work."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def libraries(names: Sequence[str] = LIBRARIES) -> dict[str, str]:
    """The installed versions of what shapes a model's numbers."""
    return {name: version(name) for name in names}


class _quietly(warnings.catch_warnings):  # noqa: N801 - reads as a statement
    """Without what torch and onnxruntime say about every export: deprecations, and constants that are meant."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
        self._level = logging.root.level
        logging.root.setLevel(logging.ERROR)

    def __exit__(self, *error: object) -> None:
        logging.root.setLevel(self._level)
        super().__exit__(*error)  # type: ignore[arg-type]
