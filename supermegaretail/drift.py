"""What is watched for drift, in two groups of inputs, and the reference that training stores beside each model.

core        the stable features as of the last day, and how abruptly each product's sales changed lately
correction  the extended features of the days to come, and whether the plans still move from day to day

Both are compared with many past days: as a population (is the chain like itself?) and item by item (was anything like
this ever seen?).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from common.drift import Distance, Reference
from common.versions.registry import ArtifactError, Registry
from supermegaretail.features import CATEGORICAL, EXTENDED, STABLE, Floats
from supermegaretail.history import ModelInputs, SalesHistory
from supermegaretail.panel import Key
from supermegaretail.states import ENDED_AFTER_DAYS

Flags: TypeAlias = npt.NDArray[np.bool_]
Group: TypeAlias = Literal["core", "correction"]  # named after the tier that reads it
GROUPS: tuple[Group, ...] = ("core", "correction")

DRIFT_FILE = "drift.json"
CHECK_DAYS = 7  # ahead, of the plans
REFERENCE_SERIES = 2_000  # drawn for each past day
RECENT_DAYS = 28  # each of them is a past day,
EARLIER_DAYS = 52  # and so many before them,
EARLIER_STEP_DAYS = 13  # with this distance: two years in all, and every weekday and season
FIRST_DAYS = 28  # of the history are too short to tell anything
RANGE_SERIES = 20_000  # whose last state widens the ranges: the best seller is not strange
FEWEST_FEATURES = 2  # to drift together: thirty are compared, and what goes wrong shows in several
FEWEST_ROWS = 30  # fewer tell nothing about a distribution
STEADY_PRODUCT_UNITS = 5  # added before sales are compared, so that the first sale in a month is no jump

# The age of a product is the passing of time: tomorrow all will be older than ever before. What the product does in
# other stores is watched there: one item that goes wrong is no reason to doubt the others.
OF_THE_PAST = tuple(
    name
    for name in STABLE
    if name not in ("level", "days_since_first_sale") and not name.startswith(("product_", "store_"))
)
JUMPS = ("week_jump", "day_jump")
CORE_INPUTS = ("log_level", *OF_THE_PAST, *JUMPS)
PAST = [STABLE.index(name) for name in OF_THE_PAST]
LEVEL, RECENT_7, RECENT_56 = (STABLE.index(name) for name in ("level", "recent_7", "recent_56"))
LAST_WEEK = [STABLE.index(f"last_week_{step}") for step in range(1, 8)]
MOVES = ("discount_moves", "promotion_moves")
PLANNED = tuple(name for name in EXTENDED if name not in CATEGORICAL)
CORRECTION_INPUTS = (*PLANNED, *MOVES)
INPUTS: dict[Group, tuple[str, ...]] = {"core": CORE_INPUTS, "correction": CORRECTION_INPUTS}
# What a single item is judged by: units, and how they leapt, and what was planned for it alone. A ratio to what an item
# sold may be anything where it sold next to nothing, and the days since its last sale are the passing of time.
PRICE_RATIOS = ("price_ratio_28", "price_change")
JUDGED: dict[Group, tuple[str, ...]] = {
    "core": ("log_level", *JUMPS),
    "correction": tuple(name for name in PLANNED if not name.endswith("_lift") and not name.startswith("category_")),
}
JUDGED_PLANS = [EXTENDED.index(name) for name in JUDGED["correction"]]
PRICE_TIMES = 3  # beyond the largest change ever seen, up or down: another unit or a typing error, not an offer
ENDS = ("low", "high")
FLAGS = ("promotion", "holiday")  # and their changes: the first ones ever are no drift
# What a few days or their weather do to all products at once: their spread over products tells about those days. Nor
# stock-outs, which are a store's business. And what looks eight weeks back: in a younger chain it tells how young.
NOT_OF_THE_CHAIN = tuple(
    name
    for name in (*STABLE, *EXTENDED)
    if name in ("recent_1", "recent_3", "recent_56", "zero_share_56", "trend")
    or name.startswith(("last_week", "four_weeks", "stockout_hours", "sold", "holiday", "event", "x_"))
)


def core_inputs(stable: Floats) -> Floats:
    """What is watched of the core's inputs [n, CORE_INPUTS], from `stable` [n, STABLE]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.column_stack([np.log(stable[:, LEVEL]), stable[:, PAST], jumps(stable)])


def jumps(stable: Floats) -> Floats:
    """How the last week, and its best day, compare with the seven weeks before it: JUMPS [n, 2]."""
    level = stable[:, LEVEL]
    week = level * stable[:, RECENT_7]
    before = np.maximum(8 * level * stable[:, RECENT_56] - week, 0) / 7
    best_day = level * stable[:, LAST_WEEK].max(1)
    return (np.stack([week, best_day], axis=1) + STEADY_PRODUCT_UNITS) / (before + STEADY_PRODUCT_UNITS)[:, None]


def correction_inputs(extended: Floats) -> Floats:
    """What is watched of the correction's inputs [n, horizon, CORRECTION_INPUTS], from `extended` [n, horizon, …]."""
    planned = extended[:, :, [EXTENDED.index(name) for name in PLANNED]]
    discount, promotion = (extended[:, :, EXTENDED.index(name)] for name in ("discount", "promotion"))
    moves = [np.abs(plan - plan[:, :1]).max(1) > 0.005 for plan in (discount, promotion)]
    moves_known = [
        np.where(np.isnan(plan).any(1), np.nan, move) for plan, move in zip((discount, promotion), moves, strict=True)
    ]
    repeated = np.repeat(np.stack(moves_known, axis=1)[:, None], extended.shape[1], axis=1)
    return np.concatenate([planned, repeated], axis=2)


@dataclass(frozen=True, slots=True)
class Population:
    """The rows of both groups on one day."""

    core: Floats  # [n, CORE_INPUTS] of the products that are sold
    correction: Floats  # [m, CORRECTION_INPUTS] of those and the days that are planned in full

    def of(self, group: Group) -> Floats:
        return self.core if group == "core" else self.correction


def population(history: SalesHistory, items: list[Key], *, as_of: date) -> Population:
    """Of the items, those whose sales are still reported. What is absent is no drift: the chain knows that itself."""
    inputs = history.inputs(items, as_of=as_of, horizon_days=CHECK_DAYS)
    sold = inputs.known & ~inputs.cold & (inputs.stable[:, STABLE.index("days_since_report")] < ENDED_AFTER_DAYS)
    planned = sold & ~inputs.planned_missing
    rows = correction_inputs(inputs.extended[planned])
    return Population(core_inputs(inputs.stable[sold]), rows.reshape(-1, len(CORRECTION_INPUTS)))


def distances_of(reference: Reference, group: Group, chain: Population) -> tuple[Distance, ...]:
    """Of each feature whose spread over products tells something; none when there are too few rows to tell."""
    rows = chain.of(group)
    if len(rows) < FEWEST_ROWS:
        return ()
    return tuple(one for one in reference.distances(rows) if one.feature not in NOT_OF_THE_CHAIN)


def drifted_features(distances: Sequence[Distance]) -> list[str]:
    """The features that drifted, the furthest first; empty where the group as a whole is as usual."""
    drifted = sorted((one for one in distances if one.drifted), key=lambda one: -one.psi / one.psi_limit)
    return [one.feature for one in drifted] if len(drifted) >= FEWEST_FEATURES else []


def some_items(history: SalesHistory, most: int) -> list[Key]:
    """At most so many items, always the same ones of the same chain."""
    items = list(history.panel.places)
    if len(items) <= most:
        return items
    drawn = np.random.default_rng(0).choice(len(items), most, replace=False)
    return [items[place] for place in np.sort(drawn).tolist()]


def references(history: SalesHistory) -> dict[Group, Reference]:
    """From the past days of a history; without a group that it tells too little about."""
    if history.last_day is None:
        return {}
    items = some_items(history, REFERENCE_SERIES)
    past = [population(history, items, as_of=day) for day in _past_days(history, history.last_day)]
    newest = population(history, some_items(history, RANGE_SERIES), as_of=history.last_day)
    made: dict[Group, Reference] = {}
    for group in GROUPS:
        days = [rows for one in past if len(rows := one.of(group)) >= FEWEST_ROWS]
        if days:
            made[group] = Reference.of(days, INPUTS[group]).seen(newest.of(group))
    return made


def files(history: SalesHistory) -> dict[Group, dict[str, bytes]]:
    """What is to be published beside each model: a file, or none where the history tells too little."""
    made = references(history)
    return {
        group: {DRIFT_FILE: json.dumps(made[group].as_json()).encode()} if group in made else {} for group in GROUPS
    }


def load(registry: Registry, group: Group, version: str) -> Reference | None:
    """The reference of a version, None if it has none; raises `RegistryError` for one that makes no sense."""
    if DRIFT_FILE not in registry.manifest(group, version).artifacts:
        return None
    path = registry.load(group, version).path(DRIFT_FILE)
    try:
        reference = Reference.from_json(json.loads(path.read_bytes()))
    except ValueError as error:
        raise ArtifactError(f"{group} {version}: {DRIFT_FILE}: {error}") from error
    if reference.names != INPUTS[group]:
        raise ArtifactError(f"{group} {version}: {DRIFT_FILE} is about other features")
    return reference


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """What the inputs of a single item may be; made to be quick, for it is asked with every request."""

    group: Group
    low: Floats  # [JUDGED of the group]
    high: Floats

    @classmethod
    def of(cls, group: Group, reference: Reference) -> Bounds:
        (low, high), places = reference.bounds(), [INPUTS[group].index(name) for name in JUDGED[group]]
        ratios = [name in PRICE_RATIOS for name in JUDGED[group]]
        seen_low, seen_high = (np.array([getattr(reference.features[at], end) for at in places]) for end in ENDS)
        flags = [name.startswith(FLAGS) for name in JUDGED[group]]
        low = np.where(ratios, seen_low / PRICE_TIMES, low[places])
        high = np.where(ratios, seen_high * PRICE_TIMES, high[places])
        return cls(group, np.where(flags, np.minimum(low, -1), low), np.where(flags, np.maximum(high, 1), high))

    def strange(self, inputs: ModelInputs) -> Flags:
        """Which items [n] have an input far outside of all that was seen; what is unknown is not strange.

        The core is asked about an item without sales of its own whatever its group did: that is the group's own drift.
        """
        if self.group == "correction":
            return np.asarray(self._outside(inputs.extended[:, :, JUDGED_PLANS]).any(1))
        sold = np.column_stack([np.log(inputs.stable[:, LEVEL]), jumps(inputs.stable)])
        return self._outside(sold) & ~inputs.cold

    def strange_share(self, rows: Floats) -> float:
        """Of rows [n, INPUTS of the group], as a `Population` has them; 0 where there is none."""
        judged = rows[:, [INPUTS[self.group].index(name) for name in JUDGED[self.group]]]
        return float(self._outside(judged).mean()) if len(rows) else 0.0

    def _outside(self, values: Floats) -> Flags:
        return np.asarray(((values < self.low) | (values > self.high)).any(-1))


def _past_days(history: SalesHistory, last_day: date) -> list[date]:
    """Newest first, and only those whose plans lie in the past, too."""
    series = [one.first_observed for one in history.panel.series if one.last_observed]
    first_day = date.fromordinal(min(series) + FIRST_DAYS)
    newest = last_day - timedelta(days=CHECK_DAYS)
    recent = [newest - timedelta(days=days) for days in range(RECENT_DAYS)]
    earlier = [recent[-1] - timedelta(days=EARLIER_STEP_DAYS * step) for step in range(1, EARLIER_DAYS + 1)]
    return [day for day in (*recent, *earlier) if day >= first_day]
