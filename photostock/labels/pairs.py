"""Labels as a training takes them: pairs of a query and a photo, how sure they are, and whose word they are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

LARGEST_SHARE = 0.2  # of the weight of what is learnt from: people's opinions never outweigh the known answers


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """`right`: the photo answers the query, or else it does not; a search with a known answer weighs 1."""

    query: str
    photo_id: str
    right: bool
    weight: float
    sources: tuple[str, ...]  # ids of overrides and hints
    owners: tuple[str, ...]


def bounded(pairs: Sequence[LabelledPair], *, known: int) -> list[LabelledPair]:
    """The same beside so many searches with a known answer, with the weight of all right ones together bounded."""
    whole = sum(pair.weight for pair in pairs if pair.right)
    share = min(1.0, LARGEST_SHARE / (1 - LARGEST_SHARE) * known / whole) if whole else 1.0
    return [replace(pair, weight=pair.weight * share) for pair in pairs]


def provenance(pairs: Sequence[LabelledPair]) -> Mapping[str, Any]:
    """What a manifest keeps: a fingerprint, how many, and the ids of the decisions; no name, query or photo.

    A manifest is never changed, and names must be forgotten: of an id the state database knows who decided what.
    """
    told = "\n".join(f"{one.query}\t{one.photo_id}\t{one.right:d}\t{one.weight!r}\t{one.sources}" for one in pairs)
    return {
        "fingerprint": hashlib.sha256(told.encode()).hexdigest(),
        "rows": len(pairs),
        "functions": sorted({name for pair in pairs for name in pair.sources}),
    }
