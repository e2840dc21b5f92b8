"""How the model process is asked: in pieces of bounded size, under one deadline, and believed item by item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from common.calls.bulk import Bulk
from common.calls.client import Endpoint
from common.deadline import Deadline
from common.outcome import Outcome, Reason
from supermegaretail.features import FEATURES_VERSION
from supermegaretail.history import ModelInputs
from supermegaretail.model_contract import Features, Prediction, PredictionRequest, Predictions

VALUES_PER_REQUEST = 3_500  # in an answer: what is read at once holds up the event loop
SIDE_BY_SIDE = 2  # as many as the model process has threads
HIGH_TIMEOUT_ROWS = 4_000  # items × days from which the model is known to need longer than the low timeout


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about every item."""

    as_of: date
    horizon_days: int
    version: str  # of the core model


@dataclass(frozen=True, slots=True)
class Heard:
    """The model process's word on one item, and who said it."""

    prediction: Prediction
    version: str
    correction_version: str | None
    correction_reason: str | None


NOTHING = Heard(Prediction(id="", core=None, correction=None), "", None, None)


@dataclass(frozen=True, slots=True)
class ModelProcess:
    """The two ways to call it; which one is taken follows from how much is asked."""

    low_timeout: Endpoint[Predictions]
    high_timeout: Endpoint[Predictions]

    def refusal(self, rows: int, deadline: Deadline) -> Reason | None:
        """Why a call would not even be sent now; asked before the features are made. `rows` is items × days."""
        return self._endpoint(rows).refusal(deadline)

    async def predict(
        self, question: Question, inputs: ModelInputs, rows: Sequence[int], deadline: Deadline
    ) -> list[Outcome[Heard]]:
        """One outcome for each of `rows` of `inputs`, in their order."""

        def ask(piece: Mapping[str, int]) -> PredictionRequest:
            return PredictionRequest.model_construct(
                version=question.version,
                features_version=FEATURES_VERSION,
                as_of=question.as_of,
                horizon_days=question.horizon_days,
                items=_features(inputs, list(piece.values())),
            )

        bulk: Bulk[str, int, Predictions, Heard] = Bulk(
            endpoint=self._endpoint(len(rows) * question.horizon_days),
            ask=ask,
            take=_heard,
            check_answer=lambda answer: _wrong_answer(question, answer),
            default=NOTHING,
            max_items=VALUES_PER_REQUEST // (2 * question.horizon_days + 4),
            side_by_side=SIDE_BY_SIDE,
            in_order=True,
        )
        outcomes = await bulk.call_many({str(row): row for row in rows}, deadline=deadline)
        return list(outcomes.values())

    def _endpoint(self, rows: int) -> Endpoint[Predictions]:
        return self.high_timeout if rows > HIGH_TIMEOUT_ROWS else self.low_timeout


def _heard(answer: Predictions) -> list[tuple[str, Heard]]:
    return [
        (prediction.id, Heard(prediction, answer.version, answer.correction_version, answer.correction_reason))
        for prediction in answer.predictions
    ]


def _wrong_answer(question: Question, answer: Predictions) -> Reason | None:
    """Checks that the answer is one to this question: its version, and a number for each day."""
    if question.version not in ("champion", answer.version):
        return Reason.VERSION
    lengths = {len(days) for p in answer.predictions for days in (p.core, p.correction) if days is not None}
    return None if lengths <= {question.horizon_days} else Reason.MEANING


def _features(inputs: ModelInputs, rows: Sequence[int]) -> list[Features]:
    stable = _nullable(inputs.stable[rows])
    extended = _nullable(inputs.extended[rows])
    return [
        Features.model_construct(
            id=str(row), stable=stable[place], extended=None if inputs.planned_missing[row] else extended[place]
        )
        for place, row in enumerate(rows)
    ]


def _nullable(values: npt.NDArray[np.float64]) -> list[Any]:
    """Nested lists with None for NaN, which JSON does not know."""
    nested = values.astype(object)
    nested[np.isnan(values)] = None
    return nested.tolist()  # type: ignore[no-any-return]


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
