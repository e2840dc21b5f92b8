"""Which photos a trained part has seen: an evaluation on them would praise it for its memory."""

from __future__ import annotations

import json
from collections.abc import Iterable

from common.versions.registry import CHAMPION, Registry, Release, UnknownVersion
from photostock.catalogue import Photo

TRAINING_IDS = "training_ids.json"


def written(photos: Iterable[Photo]) -> bytes:
    """The artifact."""
    return json.dumps(sorted(photo.id for photo in photos), indent=0).encode()


def trained_on(release: Release) -> frozenset[str]:
    """Ids of the photos whose queries trained or tuned this version; none if it does not say."""
    if TRAINING_IDS not in release.manifest.artifacts:
        return frozenset()
    return frozenset(json.loads(release.path(TRAINING_IDS).read_bytes()))


def champion_trained_on(registry: Registry, component: str) -> frozenset[str]:
    """The same of the champion; none where there is no champion."""
    try:
        return trained_on(registry.load(component, CHAMPION))
    except UnknownVersion:
        return frozenset()
