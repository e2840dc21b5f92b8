"""The second opinion on the best candidates: reads query and text together, where the encoder saw each alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from common.versions.probes import check_probes
from common.versions.registry import ArtifactError, Release
from photostock.golden import reranker_answer
from photostock.reranker.pace import Pace
from photostock.text_model import TextModel, check_manifest, number

Scores: TypeAlias = npt.NDArray[np.float64]

# Pairs that are computed together, candidates of one query in the order of their retrieval. Of 20 pairs of captions,
# CPU time: one by one 1.10 of a single batch, 5 at a time 0.80 (less padding, and everything stays in the cache).
CHUNK = 5
WARM_UP_QUERY = "a dog on the beach at sunset"
WARM_UP_TEXT = "A brown dog runs along a sandy beach. The sun goes down behind the waves and a man throws a stick"


class Reranker:
    """A published cross-encoder; safe for many threads. Scores depend on their own query and texts only.

    In a chunk of `CHUNK` a pair's score depends a little on the others. Chunks begin at fixed places, so that the first
    10 of 20 texts have the scores that they would have had alone, and never hold pairs of two requests.

    Its logit alone is worse than the encoder's cosine: only the sum of both is better than either. The weights of that
    sum were tuned for one version of the encoder and are void for any other.
    """

    def __init__(
        self, model: TextModel, *, version: str, encoder_version: str, cosine_weight: float, logit_weight: float
    ) -> None:
        self._model = model
        self.version = version
        self.encoder_version = encoder_version
        self._cosine_weight = cosine_weight
        self._logit_weight = logit_weight
        self.pace = Pace()
        self._warm_up()

    @classmethod
    def load(cls, release: Release) -> Reranker:
        """The reranker of a release, warm; `ArtifactError` if its manifest or its first answers make no sense."""
        manifest = release.manifest
        check_manifest(manifest, component="reranker")
        if "encoder" not in manifest.compatible_with:
            raise ArtifactError(f"reranker {manifest.version} does not say which encoder it was made for")
        reranker = cls(
            TextModel(release, max_tokens=int(number(manifest.parameters, "max_tokens"))),
            version=manifest.version,
            encoder_version=manifest.compatible_with["encoder"],
            cosine_weight=number(manifest.parameters, "cosine_weight"),
            logit_weight=number(manifest.parameters, "logit_weight"),
        )
        check_probes(release, partial(reranker_answer, reranker))
        return reranker

    def score(self, query: str, texts: Sequence[str], retrieval_scores: Sequence[float]) -> Scores:
        """What to sort by: cosine_weight · cosine + logit_weight · logit, for each text in the order given."""
        cosines = np.asarray(retrieval_scores, dtype=np.float64)
        if cosines.shape != (len(texts),):
            raise ValueError(f"{len(texts)} texts need as many retrieval scores, not {cosines.size}")
        return self._cosine_weight * cosines + self._logit_weight * self.logits(query, texts)

    def logits(self, query: str, texts: Sequence[str]) -> Scores:
        """What the cross-encoder says, without the encoder's opinion."""
        chunks = [self._chunk(query, texts[start : start + CHUNK]) for start in range(0, len(texts), CHUNK)]
        return np.concatenate(chunks) if chunks else np.empty(0)

    def _chunk(self, query: str, texts: Sequence[str]) -> Scores:
        started_s = time.perf_counter()
        logits = self._model.run_pairs(query, texts)[:, 0].astype(np.float64)
        self.pace.learn(len(texts), (time.perf_counter() - started_s) * 1000)
        if not np.isfinite(logits).all():
            raise ArtifactError(f"reranker {self.version} gives {logits.tolist()}")
        return logits

    def _warm_up(self) -> None:
        """Some pairs of usual length: a first idea of the pace, and proof that it answers."""
        for _ in range(3):
            self.logits(WARM_UP_QUERY, [WARM_UP_TEXT] * CHUNK)
