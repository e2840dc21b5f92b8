"""Why forecasts are what they are: asked for after they are made, so that no explanation ever costs a forecast.

demand = moving average × exp(what the core's features add) × exp(what the correction's add): the model process tells
what each adds to the logarithm, and here that becomes units a day, which add up, and sentences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import structlog

from common.chain.fallback import Served
from common.deadline import Deadline
from common.errors import PoolFull
from common.outcome import Outcome, Reason
from supermegaretail import explanation_words as words
from supermegaretail.asking import NOTHING_TOLD, Question, Told
from supermegaretail.baseline import average_of
from supermegaretail.contract import Contribution, Explanation, Item
from supermegaretail.demand import Demand
from supermegaretail.events.planned import Planning
from supermegaretail.explanation_features import REST
from supermegaretail.explanation_units import DECIMALS, consistent, contributions, in_units
from supermegaretail.explanation_words import Subject
from supermegaretail.features import Floats, core_design, moving_average_of, per_target_day, target_days
from supermegaretail.forecast import Forecaster
from supermegaretail.history import ModelInputs, SalesHistory

MAX_EXPLAINED = 350  # items × days of one request, the first ones: about a second of the model process
REPLY_MS = 20  # kept for the answer, and
REPLY_MS_PER_ITEM = 3  # for the sentences of each item
BY_MODELS = ("core", "correction")
LEAST_LOGARITHM = 1e-9  # smaller ones cancel each other out

log = structlog.get_logger(__name__)


async def explained(
    forecaster: Forecaster,
    items: Sequence[Item],
    served: Sequence[Served[Demand]],
    question: Question,
    *,
    history: SalesHistory,
    versions: Mapping[str, str],
    deadline: Deadline,
) -> list[Explanation | Reason]:
    """One for each item, in order; the reason why not where not even the moving average could be looked up in time.

    `versions` are those of the models that made the forecasts. What the models say too late, or not rightly, is left
    out of an explanation, which then says so.
    """
    in_time = deadline.keeping_ms(REPLY_MS + REPLY_MS_PER_ITEM * len(items))
    if in_time.expired:
        return [Reason.NO_TIME] * len(items)
    keys = [(item.store, item.sku) for item in items]
    try:
        inputs = await forecaster.pool.run(
            history.inputs, keys, as_of=question.as_of, horizon_days=question.horizon_days, deadline=in_time
        )
        told = await _told(forecaster, served, question, inputs, versions, in_time)
        work = partial(_explanations, served, question, inputs, told, history.panel.x_names)
        return [*await forecaster.pool.run(work, deadline=deadline)]
    except PoolFull:
        reason = Reason.OVERLOADED
    except TimeoutError:
        reason = Reason.TIMEOUT
    except Exception:
        if forecaster.raise_bugs:
            raise
        log.exception("explanation.bug")
        reason = Reason.BUG
    return [reason] * len(items)


async def _told(
    forecaster: Forecaster,
    served: Sequence[Served[Demand]],
    question: Question,
    inputs: ModelInputs,
    versions: Mapping[str, str],
    deadline: Deadline,
) -> list[Outcome[Told]]:
    """What the models say about each item; nothing about those that they did not serve."""
    told = [Outcome(value=NOTHING_TOLD, reason=Reason.NOT_LOADED) for _ in served]
    rows = [row for row, one in enumerate(served) if one.served_by in BY_MODELS]
    if not rows:
        return told
    corrected = np.array([one.served_by == "correction" for one in served])
    asked = replace(question, version=versions["core"])
    answers = await forecaster.model.explain(asked, replace(inputs, planned_missing=~corrected), rows, deadline)
    for row, outcome in zip(rows, answers, strict=True):
        other = corrected[row] and outcome.value.correction_version != versions["correction"]
        told[row] = outcome if outcome.is_default or not other else outcome.about(NOTHING_TOLD, Reason.VERSION)
    return told


def _explanations(
    served: Sequence[Served[Demand]],
    question: Question,
    inputs: ModelInputs,
    told: Sequence[Outcome[Told]],
    x_names: Sequence[str],
) -> list[Explanation]:
    days = target_days(question.as_of, question.horizon_days)
    averages = average_of(inputs.stable, np.ones_like(inputs.special))  # models start without special days
    design = core_design(*per_target_day(inputs.stable, as_of=question.as_of, horizon_days=question.horizon_days))
    starts = moving_average_of(design).reshape(averages.shape)
    made: list[Explanation] = []
    for row, one in enumerate(served):
        assert one.value is not None
        subject = Subject(days, inputs.stable[row], inputs.extended[row], x_names, inputs.special[row])
        average = averages[row] if inputs.known[row] else None
        planned = one.value.planned
        served_demand = one.value.per_day if one.value.before is None else one.value.before
        demand = served_demand if planned is None else planned.without
        if average is not None and one.served_by in BY_MODELS:
            explanation = _of_models(demand, average, starts[row], one.served_by, told[row], subject)
        else:
            served_average = None if average is None else average * subject.special
            explanation = _of_others(one, demand, served_average, subject)
        if planned is not None:
            explanation = _of_planners(explanation, planned, served_demand)
        made.append(explanation if one.value.shape is None else _of_people(explanation, one.value, served_demand))
    return made


def _of_models(
    demand: Floats, average: Floats, start: Floats, tier: str, told: Outcome[Told], subject: Subject
) -> Explanation:
    both = tier == "correction"
    logarithms = _logarithms(told.value, both=both)
    reason = told.reason
    if reason is None and (logarithms is None or not consistent(start, demand, logarithms)):
        reason = Reason.MEANING
    if reason is None and logarithms is not None:
        units = in_units(start, demand, logarithms)
    else:
        units = {"core and correction" if both else "core": np.round(demand, DECIMALS) - np.round(average, DECIMALS)}
    added = contributions(average, demand, units)
    sentences = words.of_models(added, subject, both=both, start=float(average.mean()), end=float(demand.mean()))
    if reason is not None:
        sentences.append(f"What moved it could not be found out: {reason}.")
    return _explanation(average, demand, added, sentences, reason)


def _of_others(one: Served[Demand], demand: Floats, average: Floats | None, subject: Subject) -> Explanation:
    """For what no model served. A constant or an override is one contribution, where there is something to add to."""
    if one.served_by == "moving_average" and average is not None:
        sentences = words.of_average(subject)
    elif one.served_by == "constant":
        sentences = words.of_constant(float(demand[0]))
    else:
        sentences = []
    units = (
        {}
        if one.served_by == "moving_average" or average is None
        else {one.served_by: np.round(demand, DECIMALS) - np.round(average, DECIMALS)}
    )
    added = [] if average is None else contributions(average, demand, units)
    return _explanation(average, demand, added, sentences, None)


def _of_planners(explanation: Explanation, planned: Planning, demand: Floats) -> Explanation:
    """What planners' events add to the explanation of a forecast, each in the words of whoever told of it."""
    without, added = planned.without, list(explanation.contributions)
    logarithms = {f"event: {event.name}": np.zeros_like(demand) for event, _ in planned.named}
    for event, effect in planned.named:
        logarithms[f"event: {event.name}"] += np.log(effect)
    whole = np.sum([*logarithms.values()], axis=0)
    worth = (demand - without) / np.where(np.abs(whole) < LEAST_LOGARITHM, np.inf, whole)
    added += contributions(without, demand, {name: worth * values for name, values in logarithms.items()})
    return Explanation.model_construct(
        moving_average=explanation.moving_average,
        demand=np.round(demand, DECIMALS).tolist(),
        contributions=added,
        sentences=[*explanation.sentences, *(words.of_event(event, effect) for event, effect in planned.named)],
        reason=explanation.reason,
    )


def _of_people(explanation: Explanation, shaped: Demand, before: Floats) -> Explanation:
    """Who decided what; where a tier served, what that adds to the explanation of its answer."""
    assert shaped.shape is not None
    sentences = [sentence for decision in shaped.shape.decisions for sentence in words.of_override(decision)]
    added = list(explanation.contributions)
    if shaped.before is not None and explanation.moving_average is not None:
        difference = {"override": np.round(shaped.per_day, DECIMALS) - np.round(before, DECIMALS)}
        added += contributions(before, shaped.per_day, difference)
    return Explanation.model_construct(
        moving_average=explanation.moving_average,
        demand=np.round(shaped.per_day, DECIMALS).tolist(),
        contributions=added,
        sentences=[*explanation.sentences, *sentences],
        reason=explanation.reason,
    )


def _logarithms(told: Told, *, both: bool) -> dict[str, Floats] | None:
    """By feature [horizon], of both models together; None where one of them is missing."""
    parts = (told.core, told.correction) if both else (told.core,)
    total: dict[str, Floats] = {REST: np.zeros(1)}
    for part in parts:
        if part is None:
            return None
        for feature, days in part.items():
            total[feature] = total.get(feature, 0) + np.asarray(days, dtype=np.float64)
    return total


def _explanation(
    average: Floats | None, demand: Floats, added: list[Contribution], sentences: list[str], reason: Reason | None
) -> Explanation:
    return Explanation.model_construct(
        moving_average=None if average is None else np.round(average, DECIMALS).tolist(),
        demand=np.round(demand, DECIMALS).tolist(),
        contributions=added,
        sentences=sentences,
        reason=reason,
    )
