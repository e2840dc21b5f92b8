"""How a model is asked about items whose level is expected to change: once more for each level, in the same call.

A model's features are of an item, not of a day, so a day with another level is another row. A call never becomes more
than twice as long, or `MORE_ROWS` longer where it is short: a level beyond that is spoken for by the nearest one that
the model was asked about, in proportion. What is served is put together day by day; what the model says of the level as
it is tells how much the events matter.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from functools import cache, partial

import numpy as np

from common.chain.tiers import Refused
from common.deadline import Deadline
from common.outcome import Outcome, Reason
from common.workers import WorkerPool
from supermegaretail.asking import NOTHING, Heard, ModelProcess, Question
from supermegaretail.baseline import moving_average
from supermegaretail.demand import Demand
from supermegaretail.events.planned import Fed, PlannedEvents
from supermegaretail.features import STABLE, Floats
from supermegaretail.history import ModelInputs, SalesHistory
from supermegaretail.model_contract import Prediction
from supermegaretail.panel import Key
from supermegaretail.prepared import FEW_ITEMS

LEVEL = STABLE.index("level")
MORE_ROWS = 64  # that a call may have for the sake of events, where it asks about fewer items


@dataclass(frozen=True, slots=True)
class Levels:
    """The inputs of n items, then some of them again at other levels."""

    inputs: ModelInputs
    days_of: Mapping[int, list[tuple[int, float]]]  # by item with an event: of each target day a row, and times what

    @classmethod
    def of(cls, inputs: ModelInputs, fed: Fed, asked: Sequence[int]) -> Levels:
        """For those of the `asked` items that an event touches."""
        rows, factors, days_of = list(range(len(inputs.known))), list[float](), dict[int, list[tuple[int, float]]]()
        touched = [row for row in asked if row in fed.named]
        choose = cache(partial(_chosen, most=max(MORE_ROWS, len(asked)) // max(1, len(touched))))
        for row in touched:
            chosen, days = choose(tuple(fed.factors[row].tolist()))
            places = [row, *range(len(rows), len(rows) + len(chosen))]
            rows += [row] * len(chosen)
            factors += chosen
            days_of[row] = [(places[place], times) for place, times in days]
        more = ModelInputs(**{part.name: getattr(inputs, part.name)[rows] for part in fields(ModelInputs)})
        more.stable[len(inputs.known) :, LEVEL] *= factors
        return cls(more, days_of)


async def ask(
    model: ModelProcess,
    question: Question,
    inputs: ModelInputs,
    asked: Sequence[int],
    fed: Fed | None,
    deadline: Deadline,
    pool: WorkerPool,
) -> tuple[list[Outcome[Heard]], dict[int, Outcome[Heard]]]:
    """The word on each of `asked` as if there were no events, and by row on those that events touch, with them.

    What is to be worked out for many items takes a thread of the `pool`.
    """
    if fed is None or not any(row in fed.named for row in asked):
        return await model.predict(question, inputs, asked, deadline), {}
    few = len(asked) <= FEW_ITEMS
    make = partial(Levels.of, inputs, fed, asked)
    levels = make() if few else await pool.run(make, deadline=deadline)
    rows = [*asked, *range(len(inputs.known), len(levels.inputs.known))]
    outcomes = await model.predict(question, levels.inputs, rows, deadline)
    by_row = dict(zip(rows, outcomes, strict=True))
    put = partial(_put_together, levels, by_row)
    return outcomes[: len(asked)], put() if few else await pool.run(put, deadline=deadline)


def average_and_fed(
    history: SalesHistory, keys: Sequence[Key], events: PlannedEvents, *, as_of: date, horizon_days: int
) -> tuple[Floats, Fed | None]:
    """The moving average [n, horizon] without events, and what these make of it."""
    made = moving_average(history, keys, as_of=as_of, horizon_days=horizon_days)
    return made, events.feed(keys, history.panel, as_of=as_of, horizon_days=horizon_days)


def foretold(
    heard: Sequence[tuple[int, Heard]],
    planned: Mapping[int, Outcome[Heard]],
    fed: Fed | None,
    judge: Callable[[Sequence[tuple[int, Heard]]], list[Demand | Refused]],
) -> list[Demand | Refused]:
    """What one model says of the items that it was `heard` on; `planned` is its word with events, by row."""
    without = judge(heard)
    if fed is None or not planned:
        return without
    made, touched = list(without), [place for place, (row, _) in enumerate(heard) if row in planned]
    rows = [heard[place][0] for place in touched]
    for place, row, told in zip(touched, rows, judge([(row, planned[row].value) for row in rows]), strict=True):
        alone = without[place]
        if (reason := planned[row].reason) is not None:
            made[place] = Refused(reason)
        elif isinstance(told, Demand):
            made[place] = (
                alone if isinstance(alone, Refused) else replace(told, planned=fed.planning(row, alone.per_day))
            )
        else:
            made[place] = told
    return made


def _chosen(wanted: Sequence[float], *, most: int) -> tuple[list[float], list[tuple[int, float]]]:
    """At which other levels an item is asked about: those of the most days, then those furthest from its own.

    And for each day which of them is nearest, counted from 1 (0 is its own), and by what that is to be multiplied.
    """
    days = Counter(factor for factor in wanted if factor != 1)
    chosen = sorted(days, key=lambda factor: (-days[factor], -_apart(factor, 1.0), factor))[:most]
    levels = [1.0, *chosen]
    nearest = {factor: min(levels, key=partial(_apart, factor)) for factor in set(wanted)}
    return chosen, [(levels.index(nearest[factor]), factor / nearest[factor]) for factor in wanted]


def _apart(one: float, other: float) -> float:
    return abs(math.log(one / other))


def _put_together(levels: Levels, by_row: Mapping[int, Outcome[Heard]]) -> dict[int, Outcome[Heard]]:
    return {row: _together(by_row[row], days, by_row) for row, days in levels.days_of.items()}


def _together(
    alone: Outcome[Heard], days: Sequence[tuple[int, float]], by_row: Mapping[int, Outcome[Heard]]
) -> Outcome[Heard]:
    """One word out of the one without events, which names who speaks, and of each day a row and times what."""
    words = {row: by_row[row] for row, _ in days}
    for outcome in (alone, *words.values()):
        if outcome.reason is not None:
            return Outcome(value=NOTHING, reason=outcome.reason)
    first = alone.value
    if any(one.value[1:] != first[1:] for one in words.values()):  # a champion may change between two pieces of a call
        return Outcome(value=NOTHING, reason=Reason.VERSION)
    said = {row: one.value.prediction for row, one in words.items()}
    made = Prediction(
        id=first.prediction.id,
        core=_by_day(days, {row: one.core for row, one in said.items()}),
        correction=_by_day(days, {row: one.correction for row, one in said.items()}),
        core_quantiles=_levels_by_day(days, {row: one.core_quantiles for row, one in said.items()}),
        correction_quantiles=_levels_by_day(days, {row: one.correction_quantiles for row, one in said.items()}),
        core_width=_mean(said[row].core_width for row, _ in days),
        correction_width=_mean(said[row].correction_width for row, _ in days),
    )
    return Outcome(value=first._replace(prediction=made), reason=None)


def _by_day(days: Sequence[tuple[int, float]], told: Mapping[int, list[float] | None]) -> list[float] | None:
    known = {row: values for row, values in told.items() if values is not None}
    if len(known) < len(told):
        return None
    return [known[row][day] * times for day, (row, times) in enumerate(days)]


def _levels_by_day(
    days: Sequence[tuple[int, float]], told: Mapping[int, list[list[float]] | None]
) -> list[list[float]] | None:
    known = {row: values for row, values in told.items() if values is not None}
    if len(known) < len(told) or any(len(per_day) != len(days) for values in known.values() for per_day in values):
        return None
    levels = min(len(values) for values in known.values())
    return [[known[row][level][day] * times for day, (row, times) in enumerate(days)] for level in range(levels)]


def _mean(widths: Iterable[float | None]) -> float | None:
    known = [one for one in widths if one is not None]
    return float(np.mean(known)) if known else None
