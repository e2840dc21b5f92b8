"""What nobody can save of a search: one run of the encoder, and one comparison with every vector."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.versions.registry import Registry, RegistryError
from loadtests.processes import ProcessError

DIMENSIONS = 384
FOUND = 20


class BareSearch:
    """The champion encoder of a registry and a flat FAISS index, without anything of ours around them."""

    def __init__(self, registry_dir: Path, *, photos: int, seed: int = 0) -> None:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        import faiss
        import numpy as np
        import onnxruntime
        from tokenizers import Tokenizer

        try:
            release = Registry(registry_dir).load("encoder")
        except RegistryError as error:
            raise ProcessError(f"{error}: `python -m photostock train` makes the encoder") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(release.path("model.onnx")), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = Tokenizer.from_file(str(release.path("tokenizer.json")))
        self._tokenizer.no_padding()
        faiss.omp_set_num_threads(1)
        vectors = np.random.default_rng(seed).normal(size=(photos, DIMENSIONS)).astype(np.float32)
        self._index: Any = faiss.IndexFlatIP(DIMENSIONS)
        self._index.add(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    def cpu_s(self, queries: Sequence[str]) -> tuple[float, float]:
        """Seconds of processor time per query of the encoder and of the comparison, on one thread."""
        self._encode(queries[0])
        started_s = time.thread_time()
        vectors = [self._encode(query) for query in queries]
        encoded_s = time.thread_time()
        for vector in vectors:
            self._index.search(vector, FOUND)
        return (encoded_s - started_s) / len(queries), (time.thread_time() - encoded_s) / len(queries)

    def _encode(self, query: str) -> Any:
        import numpy as np

        tokens = self._tokenizer.encode(query)
        known = {"input_ids": tokens.ids, "attention_mask": tokens.attention_mask, "token_type_ids": tokens.type_ids}
        wanted = [node.name for node in self._session.get_inputs()]
        return self._session.run(None, {name: np.array([known[name]], dtype=np.int64) for name in wanted})[0]
