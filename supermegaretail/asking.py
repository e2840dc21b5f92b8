"""How the model process is asked: in pieces of bounded size, under one deadline, and believed item by item."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

from common.calls.bulk import Bulk
from common.calls.client import Endpoint
from common.deadline import Deadline
from common.outcome import Outcome, Reason
from supermegaretail.explanation_features import GROUP_OF
from supermegaretail.features import FEATURES_VERSION
from supermegaretail.history import ModelInputs
from supermegaretail.model_contract import (
    Contributions,
    Features,
    Prediction,
    PredictionRequest,
    Predictions,
    packed,
)
from supermegaretail.panel import Key

VALUES_PER_REQUEST = 3_500  # in an answer: what is read at once holds up the event loop
EXPLAINED_PER_REQUEST = 56  # items × days, some 150 ms: what is late costs no more than that
SIDE_BY_SIDE = 2  # as many as the model process has threads
HIGH_TIMEOUT_ROWS = 4_000  # items × days from which the model is known to need longer than the low timeout


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about every item."""

    as_of: date
    horizon_days: int
    version: str  # of the core model
    quantiles: tuple[float, ...] = ()


class Heard(NamedTuple):
    """The model process's word on one item, and who said it."""

    prediction: Prediction
    version: str
    correction_version: str | None
    correction_reason: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What the model process was asked about some of n items, by their row, and its word on them.

    `faults` tells why answers to the same question, of this or of another version, are not served, where they are not.
    """

    version: str
    keys: Sequence[Key]  # [n]
    inputs: ModelInputs
    rows: Sequence[int]  # that it was asked about
    within_ms: float  # what it had time for
    faults: Callable[[Sequence[tuple[int, Heard]]], set[str]]
    took_ms: float | None = None  # None if it did not come back
    heard: Sequence[tuple[int, Heard]] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What each feature adds to the logarithm of one item's demand, [horizon] each, by model; and who said it."""

    core: dict[str, list[float]] | None
    correction: dict[str, list[float]] | None
    correction_version: str | None


NOTHING_TOLD = Told(None, None, None)
NOTHING = Heard(Prediction(id="", core=None, correction=None), "", None, None)


@dataclass(frozen=True, slots=True)
class ModelProcess:
    """The two ways to call it; which one is taken follows from how much is asked. A third one asks why.

    `has_correction` tells whether there is such a version of the correction: a core comes with its own, so no request
    names one.
    """

    low_timeout: Endpoint[Predictions]
    high_timeout: Endpoint[Predictions]
    contributions: Endpoint[Contributions] | None = None  # with a breaker of its own: why is not as important as what
    has_correction: Callable[[str], bool] = lambda _version: True

    def refusal(self, rows: int, deadline: Deadline) -> Reason | None:
        """Why a call would not even be sent now; asked before the features are made. `rows` is items × days."""
        return self._endpoint(rows).refusal(deadline)

    async def predict(
        self, question: Question, inputs: ModelInputs, rows: Sequence[int], deadline: Deadline
    ) -> list[Outcome[Heard]]:
        """One outcome for each of `rows` of `inputs`, in their order."""

        bulk: Bulk[str, int, Predictions, Heard] = Bulk(
            endpoint=self._endpoint(len(rows) * question.horizon_days),
            ask=lambda piece: request_of(question, inputs, piece),
            take=heard_in,
            check_answer=lambda answer: self._wrong_version(question, answer) or _wrong_answer(question, answer),
            default=NOTHING,
            max_items=VALUES_PER_REQUEST // _values_per_item(question),
            side_by_side=SIDE_BY_SIDE,
            in_order=True,
        )
        outcomes = await bulk.call_many(_named(rows), deadline=deadline)
        return list(outcomes.values())

    async def explain(
        self, question: Question, inputs: ModelInputs, rows: Sequence[int], deadline: Deadline
    ) -> list[Outcome[Told]]:
        """The contributions behind `predict`, for each of `rows`; those that do not come in time are missing."""
        if self.contributions is None:
            return [Outcome(value=NOTHING_TOLD, reason=Reason.NOT_LOADED) for _ in rows]
        bulk: Bulk[str, int, Contributions, Told] = Bulk(
            endpoint=self.contributions,
            ask=lambda piece: request_of(replace(question, quantiles=()), inputs, piece),
            take=told_in,
            check_answer=lambda answer: self._wrong_version(question, answer) or _wrong_contributions(question, answer),
            default=NOTHING_TOLD,
            max_items=max(1, EXPLAINED_PER_REQUEST // question.horizon_days),
            side_by_side=1,
            in_order=True,
        )
        outcomes = await bulk.call_many(_named(rows), deadline=deadline)
        return list(outcomes.values())

    def _endpoint(self, rows: int) -> Endpoint[Predictions]:
        return self.high_timeout if rows > HIGH_TIMEOUT_ROWS else self.low_timeout

    def _wrong_version(self, question: Question, answer: Predictions | Contributions) -> Reason | None:
        """Checks that both models are ones that there are, and the core the one that was asked for."""
        of_core = question.version in ("champion", answer.version)
        correction = answer.correction_version
        return None if of_core and (correction is None or self.has_correction(correction)) else Reason.VERSION


def _named(rows: Sequence[int]) -> dict[str, int]:
    """Ids that no other call has: the answer to another question about as many items is noticed by them."""
    call = secrets.token_hex(4)
    return {f"{call}-{row}": row for row in rows}


def heard_in(answer: Predictions) -> list[tuple[str, Heard]]:
    """What the model process says, by id."""
    return [
        (prediction.id, Heard(prediction, answer.version, answer.correction_version, answer.correction_reason))
        for prediction in answer.predictions
    ]


def _wrong_answer(question: Question, answer: Predictions) -> Reason | None:
    """Checks that the answer is one to this question: a number for each day."""
    lengths = {len(days) for p in answer.predictions for days in (p.core, p.correction) if days is not None}
    return None if lengths <= {question.horizon_days} else Reason.MEANING


def told_in(answer: Contributions) -> list[tuple[str, Told]]:
    def by_name(names: Sequence[str], values: list[list[float]] | None) -> dict[str, list[float]] | None:
        return None if values is None else dict(zip(names, values, strict=True))

    return [
        (
            item.id,
            Told(
                by_name(answer.core_features, item.core),
                by_name(answer.correction_features, item.correction),
                answer.correction_version,
            ),
        )
        for item in answer.items
    ]


def _wrong_contributions(question: Question, answer: Contributions) -> Reason | None:
    """Checks that there is a number for each feature and day, and that planners know each feature, told once."""
    both = (answer.core_features, answer.correction_features)
    if any(len(set(names)) < len(names) or not GROUP_OF.keys() >= set(names) for names in both):
        return Reason.MEANING
    named = [len(names) for names in both]
    for item in answer.items:
        for features, values in zip(named, (item.core, item.correction), strict=True):
            if values is not None and [len(days) for days in values] != [question.horizon_days] * features:
                return Reason.MEANING
    return None


def _values_per_item(question: Question) -> int:
    """How many values an answer about one item has, brackets and names included."""
    return 2 * question.horizon_days + 2 * len(question.quantiles) * (question.horizon_days + 1) + 10


def request_of(question: Question, inputs: ModelInputs, piece: Mapping[str, int]) -> PredictionRequest:
    return PredictionRequest.model_construct(
        version=question.version,
        features_version=FEATURES_VERSION,
        as_of=question.as_of,
        horizon_days=question.horizon_days,
        items=_features(inputs, piece),
        quantiles=question.quantiles,
    )


def _features(inputs: ModelInputs, piece: Mapping[str, int]) -> list[Features]:
    rows = list(piece.values())
    stable, extended = packed(inputs.stable[rows]), packed(inputs.extended[rows])
    return [
        Features(id=name, stable=stable[place], extended=None if inputs.planned_missing[row] else extended[place])
        for place, (name, row) in enumerate(piece.items())
    ]


def as_champion(request: PredictionRequest) -> PredictionRequest:
    """For a shadow: it is asked for its own champion, not for a version that only the primary has."""
    return request.model_copy(update={"version": "champion"})


def difference(primary: Predictions, shadow: Predictions) -> float:
    """Σ|a-b| ÷ Σ|a| over all days of all items, of the correction where there is one: 0.05 is 5 % apart."""
    ours, theirs = _demand_by_id(primary), _demand_by_id(shadow)
    if ours.keys() != theirs.keys():
        return 1.0
    apart = sum(abs(a - b) for key, days in ours.items() for a, b in zip(days, theirs[key], strict=False))
    return apart / (sum(abs(a) for days in ours.values() for a in days) or 1.0)


def _demand_by_id(answer: Predictions) -> dict[str, list[float]]:
    return {prediction.id: prediction.correction or prediction.core or [] for prediction in answer.predictions}
