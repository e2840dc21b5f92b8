"""What a release says of its own answers, in the parameters of its manifest: the API judges by it what it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from common.versions.registry import ArtifactError, Registry
from photostock.text_model import number

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """One version's weights, and what was seen of it on the queries that tuned them."""

    cosine_weight: float
    logit_weight: float
    lowest_logit: float
    highest_logit: float
    logit_agreement: float  # mean correlation of a query's logits with its cosines
    least_agreement: float  # least correlation of a query's fused scores with its cosines
    confident_gap: float | None = None  # of cosines, see `gap_of`; None: the first stage is never sure enough

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Released | None:
        """None for a version from before this was measured, or one that says something else than numbers."""
        try:
            numbers = {name: number(parameters, name) for name in cls.__slots__ if name != "confident_gap"}
            known = parameters.get("confident_gap") is not None
            gap = number(parameters, "confident_gap") if known else None
        except ArtifactError:
            return None
        return cls(**numbers, confident_gap=gap)

    def logits(self, cosines: npt.ArrayLike, fused: npt.ArrayLike) -> Floats:
        """What the cross-encoder said, from what was made of it; it must have a weight."""
        return (np.asarray(fused) - self.cosine_weight * np.asarray(cosines)) / self.logit_weight


def gap_of(cosines: npt.NDArray[np.floating[Any]]) -> float:
    """By how much the first candidate is nearer to the query than any other; below 0 if it is not the nearest."""
    return float(cosines[0] - cosines[1:].max()) if len(cosines) > 1 else 0.0


def agreement(ours: Sequence[float] | Floats, theirs: Sequence[float] | Floats) -> float:
    """Correlation from -1 to 1; 0 where either is the same throughout."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.nan_to_num(np.corrcoef(ours, theirs)[0, 1]))


def reader(registry: Registry) -> Callable[[], Mapping[str, Released]]:
    """Reads what the published versions say, each manifest once: nothing in a published version changes."""
    known: dict[str, Released | None] = {}

    def read() -> Mapping[str, Released]:
        versions = registry.versions("reranker")
        for gone in known.keys() - set(versions):
            del known[gone]
        for version in versions:
            if version not in known:
                known[version] = _read(registry, version)
        return {version: released for version, released in known.items() if released is not None}

    return read


def _read(registry: Registry, version: str) -> Released | None:
    try:
        return Released.of(registry.manifest("reranker", version).parameters)
    except ArtifactError:  # damaged: the reranker process refuses it and says why
        return None
