"""Which series are worth a look: where the forecast was best, worst, and at the corners."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from supermegaretail.evaluation.measures import LEVELS
from supermegaretail.evaluation.outcome import Outcome
from supermegaretail.evaluation.report import Case
from supermegaretail.evaluation.slices import AFTER_STOCKOUT, PROMOTED, REPRICED, SHORT, SLOW
from supermegaretail.evaluation.tiers import AVERAGE, BLIND, CONSTANT, CORRECTION, UNPLANNED, Made
from supermegaretail.features import Floats
from supermegaretail.series import SALES
from supermegaretail.states import Flags

HIDDEN = (CONSTANT, BLIND, UNPLANNED)  # a flat line at 0, and two that hardly differ from the core's
BAND = (LEVELS.index(0.25), LEVELS.index(0.95))


def cases(outcome: Outcome, made: Mapping[str, Made], slices: Mapping[str, Flags]) -> tuple[Case, ...]:
    """At most ten series, none twice; of each kind the one that tells most."""
    sold = np.nansum(outcome.sold, axis=1)
    whole = np.isfinite(outcome.sold).all(1) & (sold > 0)
    if not whole.any():
        return ()
    usual = whole & (sold >= np.median(sold[whole]))
    ours, average = _wape_of(outcome, made[CORRECTION]), _wape_of(outcome, made[AVERAGE])

    def within(name: str) -> Flags:
        inside: Flags = whole & slices[name].any(1) if name in slices else np.zeros(len(whole), bool)
        return inside

    wanted = (
        ("the correction at its best", usual, -ours),
        ("the correction at its worst", usual, ours),
        ("where the correction gains most on the moving average", usual, average - ours),
        ("where the correction loses most to the moving average", usual, ours - average),
        ("the largest seller", whole, sold),
        ("a slow mover", within(SLOW), sold),
        ("a short history", within(SHORT), sold),
        ("after a stock-out", within(AFTER_STOCKOUT), sold),
        ("a promotion", within(PROMOTED), sold),
        ("a changed price", within(REPRICED), sold),
    )
    taken: dict[int, str] = {}
    for title, among, score in wanted:
        free = among.copy()
        free[list(taken)] = False
        if free.any():
            taken[int(np.where(free, score, -np.inf).argmax())] = title
    return tuple(_case(title, row, outcome, made) for row, title in taken.items())


def _wape_of(outcome: Outcome, made: Made) -> Floats:
    """Each series' own WAPE [n]; 0 where nothing was sold."""
    sold = np.nansum(outcome.sold, axis=1)
    errors = np.nansum(np.abs(made.demand - outcome.sold), axis=1)
    return np.asarray(np.divide(errors, sold, out=np.zeros_like(sold), where=sold > 0))


def _case(title: str, row: int, outcome: Outcome, made: Mapping[str, Made]) -> Case:
    quantiles = made[CORRECTION].quantiles
    band = None if quantiles is None else (quantiles[row, :, BAND[0]], quantiles[row, :, BAND[1]])
    return Case(
        title,
        outcome.items[row],
        outcome.as_of,
        before=outcome.before[row, SALES].astype(np.float64),
        sold=outcome.sold[row],
        demand={tier: one.demand[row] for tier, one in made.items() if tier not in HIDDEN},
        band=None if band is None else (band[0].astype(np.float64), band[1].astype(np.float64)),
    )
