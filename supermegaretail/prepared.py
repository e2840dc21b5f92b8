"""What must be known about items before a model is asked about them: its inputs, and the reasons not to ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from common.outcome import Reason
from supermegaretail.baseline import plausible_maximum
from supermegaretail.drift_watch import DriftWatch
from supermegaretail.events.planned import Fed, PlannedEvents
from supermegaretail.features import STABLE, Floats
from supermegaretail.history import ModelInputs, SalesHistory
from supermegaretail.panel import Key
from supermegaretail.states import Flags

Reasons: TypeAlias = npt.NDArray[np.object_]  # of each item, or None

STALE_DAYS = 28
# To look up so few takes less than a millisecond; the hop to a thread would add 0.7, a sixth of what a request costs.
FEW_ITEMS = 16


class RetailReason(StrEnum):
    """Why a tier did not serve, or an explanation is not there, beside the codes of `common.outcome.Reason`."""

    UNKNOWN_ITEM = "unknown_item"  # not one day of sales is known, nor a group to start from
    TOO_MANY = "too_many"  # of an explanation: so many items of one request are not explained
    STALE_HISTORY = "stale_history"  # the sales of the last weeks before as_of are not there
    NOT_ANNOUNCED = "not_announced"  # no row tells of the known product in that store: it starts as a new one does
    INPUTS_MISSING = "inputs_missing"  # prices or promotions of the target days are not planned yet


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the models need to know about n items."""

    inputs: ModelInputs
    not_to_ask: Reasons  # [n] why the core is not asked about an item, if so
    not_to_correct: Reasons  # [n] why its answer is not corrected, if so
    maxima: Floats  # [n] units a day that a plausible answer does not exceed
    fed: Fed | None = None  # what planners' events make of the items' levels


def prepare(
    history: SalesHistory,
    items: Sequence[Key],
    *,
    as_of: date,
    horizon_days: int,
    drift: DriftWatch | None,
    events: PlannedEvents | None = None,
) -> Prepared:
    """The rules of the chain that need no answer of a model; without `drift` nothing is taken for strange."""
    inputs = history.inputs(items, as_of=as_of, horizon_days=horizon_days)
    nothing = np.zeros(len(items), bool)
    strange = nothing if drift is None else drift.strange("core", inputs)
    strange_plans = nothing if drift is None else drift.strange("correction", inputs)
    unannounced = np.array([item in history.panel.unannounced for item in items], bool)
    # The model is not shown plans that are strange: with `planned_missing` it does not correct.
    shown = inputs
    if (not_shown := strange_plans | unannounced).any():
        shown = replace(inputs, planned_missing=inputs.planned_missing | not_shown)
    fed = None if events is None else events.feed(items, history.panel, as_of=as_of, horizon_days=horizon_days)
    maxima = plausible_maximum(history, items, as_of=as_of)
    return Prepared(
        inputs=shown,
        not_to_ask=_first_reasons(
            (~inputs.known, RetailReason.UNKNOWN_ITEM),
            (_stale(history, inputs, as_of), RetailReason.STALE_HISTORY),
            (strange, Reason.DRIFT),
        ),
        not_to_correct=_first_reasons(
            (unannounced, RetailReason.NOT_ANNOUNCED),
            (inputs.planned_missing, RetailReason.INPUTS_MISSING),
            (strange_plans, Reason.DRIFT),
        ),
        maxima=maxima if fed is None else maxima * fed.highest,
        fed=fed,
    )


def _stale(history: SalesHistory, inputs: ModelInputs, as_of: date) -> Flags:
    """Which items [n] nothing was reported of for weeks, as of the chain as a whole: not an ended product."""
    silent_days = inputs.stable[:, STABLE.index("days_since_report")]
    chain_silent_days = as_of.toordinal() - history.reported_until
    stale: Flags = (silent_days >= STALE_DAYS) & (chain_silent_days >= STALE_DAYS)
    return stale


def _first_reasons(*findings: tuple[Flags, str]) -> Reasons:
    """For each item [n] the reason of the first finding that holds for it."""
    reasons = np.full(len(findings[0][0]), None, object)
    for holds, reason in reversed(findings):
        reasons[holds] = reason
    return reasons
