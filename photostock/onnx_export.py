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


TEXTS = {0: "texts", 1: "tokens"}


def export_int8(
    module: Any,
    sample: Mapping[str, Any],
    *,
    output: str,
    axes: Mapping[int, str] = TEXTS,
    only: Sequence[str] | None = None,
) -> bytes:
    """ONNX of a `torch.nn.Module` that takes the tensors of `sample` in this order.

    Weights become int8 with a scale per output channel; activations are quantised while it runs.

    Args:
        axes: names of the dimensions of each tensor whose size may vary; the first is that of the output.
        only: the kinds of operators whose weights become int8; all that can by default.
    """
    prepare_torch()
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    varying = {name: dict(axes) for name in sample} | {output: {0: axes[0]}}
    with tempfile.TemporaryDirectory() as folder, _quietly():
        full, small = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        # The TorchScript exporter: the newer one needs a further package and its graphs quantise worse.
        torch.onnx.export(
            module.eval(),
            tuple(sample.values()),
            str(full),
            input_names=list(sample),
            output_names=[output],
            dynamic_axes=varying,
            opset_version=OPSET,
            dynamo=False,
        )
        quantize_dynamic(
            full,
            small,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,  # 7 bits: with 8, processors without VNNI overflow in silence and answer otherwise
            op_types_to_quantize=list(only) if only else None,
        )
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
