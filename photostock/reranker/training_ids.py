"""Which photos a reranker has seen: an evaluation on them would praise it for its memory."""

from __future__ import annotations

import json
from collections.abc import Collection

from common.registry import Release

TRAINING_IDS = "training_ids.json"


def written(photo_ids: Collection[str]) -> bytes:
    """The artifact."""
    return json.dumps(sorted(photo_ids), indent=0).encode()


def trained_on(release: Release) -> frozenset[str]:
    """Ids of the photos whose queries trained or tuned this version."""
    if TRAINING_IDS not in release.manifest.artifacts:
        return frozenset()
    return frozenset(json.loads(release.path(TRAINING_IDS).read_bytes()))
