"""Both versions asked about the same products on the same days, by the rules of the fallback chain."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np

from common.releases.bootstrap import Floats
from common.releases.compare import Pairs
from supermegaretail.batch import Batch
from supermegaretail.evaluation.measuring import some
from supermegaretail.evaluation.outcome import Outcome, outcome
from supermegaretail.evaluation.run import drawn
from supermegaretail.history import SalesHistory
from supermegaretail.models import Models
from supermegaretail.states import Flags

BY_MODELS = ("core", "correction")


@dataclass(frozen=True, slots=True)
class Both:
    """What was sold after one origin, and what each version would have answered then: units [n, horizon]."""

    outcome: Outcome
    champion: Floats
    candidate: Floats
    champion_modelled: Flags  # [n] whether a model answered, not a tier below
    candidate_modelled: Flags

    def pairs(self, days: Flags | None = None) -> Pairs:
        """Absolute errors and sales of each product over these days [n, horizon], or all; unknown days don't count."""
        return self._summed(np.abs, days)

    def bias(self) -> Pairs:
        """The same with signed errors: above 0, too much was forecast."""
        return self._summed(lambda error: error, None)

    def modelled(self) -> Pairs:
        """1 for each product that a model answered for."""
        champion, candidate = (one.astype(np.float64) for one in (self.champion_modelled, self.candidate_modelled))
        return Pairs(champion, candidate, np.ones(len(champion)), self.groups)

    @property
    def groups(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """A number for each product, the same at every origin."""
        return np.array([hash_of("\n".join(item)) for item in self.outcome.items], np.int64)

    def _summed(self, error_of: Callable[[Floats], Floats], days: Flags | None) -> Pairs:
        sold = self.outcome.sold if days is None else np.where(days, self.outcome.sold, np.nan)
        champion, candidate = (np.nansum(error_of(made - sold), axis=1) for made in (self.champion, self.candidate))
        known = np.asarray(np.isfinite(sold).any(axis=1))
        return Pairs(champion, candidate, np.nansum(sold, axis=1), self.groups).where(known)


def ask_both(
    history: SalesHistory,
    champion: Models,
    candidate: Models,
    *,
    as_of: date,
    horizon_days: int,
    most_items: int,
    seed: int = 1,
) -> Both:
    """What both say about products that were known on that day: all, or so many drawn by their names and the seed."""
    everything = outcome(history, as_of=as_of, horizon_days=horizon_days)
    happened = some(everything, drawn(everything, most_items, seed))
    made = [_served(history, models, happened) for models in (champion, candidate)]
    return Both(happened, made[0][0], made[1][0], made[0][1], made[1][1])


def hash_of(name: str) -> int:
    """A number for a name, the same everywhere."""
    return zlib.crc32(name.encode())


def _served(history: SalesHistory, models: Models, happened: Outcome) -> tuple[Floats, Flags]:
    n, horizon_days = happened.sold.shape
    batch = Batch(history=history, models=models, as_of=happened.as_of, horizon_days=horizon_days)
    table = batch.table(happened.items)
    modelled = table["served_by"].is_in(BY_MODELS).to_numpy().reshape(n, horizon_days)
    return table["demand"].to_numpy().reshape(n, horizon_days), np.asarray(modelled[:, 0])
