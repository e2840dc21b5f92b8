"""Which photos a reranker learns from, which tune it, and which are left for an honest evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from photostock.catalogue import Photo

MOST_PHOTOS = 5_000
EVALUATION_SHARE = 0.2  # of the photos with queries: neither trained with nor tuned on
TUNING_SHARE = 0.1


class NothingToLearnFrom(Exception):
    """Too few photos have queries with a known answer."""


@dataclass(frozen=True, slots=True)
class Split:
    """Photos with queries, divided by chance."""

    learning: list[Photo]
    tuning: list[Photo]

    @classmethod
    def of(cls, photos: Iterable[Photo], *, seed: int) -> Split:
        """The same photos and seed give the same split, in whatever order they come."""
        asked = sorted((photo for photo in photos if photo.queries), key=lambda photo: photo.id)
        order = np.random.default_rng(seed).permutation(len(asked))
        used = [asked[index] for index in order[: min(MOST_PHOTOS, round((1 - EVALUATION_SHARE) * len(asked)))]]
        tuning = round(TUNING_SHARE * len(used))
        if tuning == 0 or len(used) - tuning < 2:
            raise NothingToLearnFrom(
                f"{len(asked)} photos have queries; a reranker needs some dozens, better thousands"
            )
        return cls(used[tuning:], used[:tuning])

    @property
    def photos(self) -> list[Photo]:
        """All that are used."""
        return [*self.learning, *self.tuning]

    @property
    def fingerprint(self) -> str:
        """Of all that was learned from."""
        lines = sorted("\t".join((photo.id, photo.text, *photo.queries)) for photo in self.photos)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
