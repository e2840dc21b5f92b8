"""How a model is asked about items whose level is expected to change: once more for each level, in the same call.

A model's features are of an item, not of a day, so a day with another level is another row. What is served is put
together day by day; what the model says of the level as it is tells how much the events matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date

import numpy as np

from common.chain.tiers import Refused
from common.deadline import Deadline
from common.outcome import Outcome, Reason
from supermegaretail.asking import NOTHING, Heard, ModelProcess, Question
from supermegaretail.baseline import moving_average
from supermegaretail.demand import Demand
from supermegaretail.events.planned import Fed, PlannedEvents
from supermegaretail.features import STABLE, Floats
from supermegaretail.history import ModelInputs, SalesHistory
from supermegaretail.model_contract import Prediction
from supermegaretail.panel import Key

LEVEL = STABLE.index("level")


@dataclass(frozen=True, slots=True)
class Levels:
    """The inputs of n items, then some of them again at other levels."""

    inputs: ModelInputs
    rows_of: Mapping[int, list[int]]  # by item with an event: the row of each target day [horizon]

    @classmethod
    def of(cls, inputs: ModelInputs, fed: Fed, asked: Sequence[int]) -> Levels:
        """For those of the `asked` items that an event touches."""
        rows, factors, rows_of = list(range(len(inputs.known))), list[float](), dict[int, list[int]]()
        for row in asked:
            if row not in fed.named:
                continue
            places = {1.0: row}
            for factor in fed.factors[row].tolist():
                if factor not in places:
                    places[factor] = len(rows)
                    rows.append(row)
                    factors.append(factor)
            rows_of[row] = [places[factor] for factor in fed.factors[row].tolist()]
        more = ModelInputs(**{part.name: getattr(inputs, part.name)[rows] for part in fields(ModelInputs)})
        more.stable[len(inputs.known) :, LEVEL] *= factors
        return cls(more, rows_of)


async def ask(
    model: ModelProcess,
    question: Question,
    inputs: ModelInputs,
    asked: Sequence[int],
    fed: Fed | None,
    deadline: Deadline,
) -> tuple[list[Outcome[Heard]], dict[int, Outcome[Heard]]]:
    """The word on each of `asked` as if there were no events, and by row on those that events touch, with them."""
    if fed is None or not any(row in fed.named for row in asked):
        return await model.predict(question, inputs, asked, deadline), {}
    levels = Levels.of(inputs, fed, asked)
    rows = [*asked, *range(len(inputs.known), len(levels.inputs.known))]
    outcomes = await model.predict(question, levels.inputs, rows, deadline)
    by_row = dict(zip(rows, outcomes, strict=True))
    together = {row: _together([by_row[row], *(by_row[it] for it in days)]) for row, days in levels.rows_of.items()}
    return outcomes[: len(asked)], together


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
    made = judge([(row, planned[row].value if row in planned else said) for row, said in heard])
    for place, (row, _) in enumerate(heard):
        if row not in planned:
            continue
        told, alone = made[place], without[place]
        if (reason := planned[row].reason) is not None:
            made[place] = Refused(reason)
        elif isinstance(told, Demand):
            made[place] = (
                alone if isinstance(alone, Refused) else replace(told, planned=fed.planning(row, alone.per_day))
            )
    return made


def _together(outcomes: Sequence[Outcome[Heard]]) -> Outcome[Heard]:
    """One word out of the first, which names who speaks, and one for each day."""
    for outcome in outcomes:
        if outcome.reason is not None:
            return Outcome(value=NOTHING, reason=outcome.reason)
    first, *days = (outcome.value for outcome in outcomes)
    if any(one[1:] != first[1:] for one in days):  # a champion may change between two pieces of a call
        return Outcome(value=NOTHING, reason=Reason.VERSION)
    said = [one.prediction for one in days]
    made = Prediction(
        id=first.prediction.id,
        core=_by_day(said, lambda one: one.core),
        correction=_by_day(said, lambda one: one.correction),
        core_quantiles=_levels_by_day(said, lambda one: one.core_quantiles),
        correction_quantiles=_levels_by_day(said, lambda one: one.correction_quantiles),
        core_width=_mean(one.core_width for one in said),
        correction_width=_mean(one.correction_width for one in said),
    )
    return Outcome(value=first._replace(prediction=made), reason=None)


def _by_day(said: Sequence[Prediction], part: Callable[[Prediction], list[float] | None]) -> list[float] | None:
    found = [values[day] for day, one in enumerate(said) if (values := part(one)) is not None]
    return found if len(found) == len(said) else None


def _levels_by_day(
    said: Sequence[Prediction], part: Callable[[Prediction], list[list[float]] | None]
) -> list[list[float]] | None:
    told = [values for one in said if (values := part(one)) is not None]
    if len(told) < len(said) or any(len(per_day) != len(said) for values in told for per_day in values):
        return None
    levels = min(len(values) for values in told)
    return [[values[level][day] for day, values in enumerate(told)] for level in range(levels)]


def _mean(widths: Iterable[float | None]) -> float | None:
    known = [one for one in widths if one is not None]
    return float(np.mean(known)) if known else None
