"""Which photos a reranker learns from, which tune it, and which are left for an honest evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from photostock.catalogue import Photo

MOST_PHOTOS = 5_000
EVALUATION_SHARE, ENOUGH_TO_EVALUATE = 0.2, 300  # of the photos with queries: neither trained with nor tuned on
TUNING_SHARE = 0.1


class NothingToLearnFrom(Exception):
    """Too few photos have queries with a known answer."""


@dataclass(frozen=True, slots=True)
class Split:
    """Photos with queries, divided by chance."""

    learning: list[Photo]
    tuning: list[Photo]

    @classmethod
    def of(cls, photos: Iterable[Photo], *, seed: int, labelled: Collection[str] = ()) -> Split:
        """The same photos and seed give the same split, in whatever order they come.

        Args:
            labelled: ids of photos that are learnt from wherever chance would have put them, also without a query;
                but where too few others are left to tune with, some tune.
        """
        whole = sorted(photos, key=lambda photo: photo.id)
        asked = [photo for photo in whole if photo.queries]
        order = np.random.default_rng(seed).permutation(len(asked))
        used = min(MOST_PHOTOS, max(round((1 - EVALUATION_SHARE) * len(asked)), len(asked) - ENOUGH_TO_EVALUATE))
        drawn = [asked[index] for index in order[:used]]
        tuning = round(TUNING_SHARE * len(drawn))
        if tuning == 0:
            raise NothingToLearnFrom(
                f"{len(asked)} photos have queries; a reranker needs some dozens, better thousands"
            )
        drawn.sort(key=lambda photo: photo.id in labelled)  # they tune only where nothing else is left
        tuned = {photo.id for photo in drawn[:tuning]}
        rest = [photo for photo in drawn[tuning:] if photo.id not in labelled]
        return cls([*rest, *(one for one in whole if one.id in labelled and one.id not in tuned)], drawn[:tuning])

    @property
    def photos(self) -> list[Photo]:
        """All that are used."""
        return [*self.learning, *self.tuning]

    @property
    def fingerprint(self) -> str:
        """Of all that was learned from."""
        lines = sorted("\t".join((photo.id, photo.text, *photo.queries)) for photo in self.photos)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
