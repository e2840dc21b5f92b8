"""The safe client of `common`, as a service uses it: a schema for the shape, a check for the meaning, a default."""

from __future__ import annotations

from common.calls.client import SafeClient
from common.calls.upstream import Upstream
from common.contract import AnswerModel, RequestModel
from common.deadline import Deadline
from common.logs.configure import configure_logs
from common.outcome import Reason
from loadtests.conformance.contract import DEFAULT, MAX_VALUE, PATH, Answer, Predict
from loadtests.mutations import Json

CALLERS = 32  # as many as the benchmark sends at once; the bulkhead would turn the others away


class Item(AnswerModel):
    id: str
    value: float


class Predictions(AnswerModel):
    items: list[Item]
    version: str


class AskedItem(RequestModel):
    id: str
    value: float


class Question(RequestModel):
    items: list[AskedItem]
    version: str


async def connect(url: str, timeout_ms: int) -> Predict:
    """Opens it with the logs that a service has: telling of a failure is a part of what a failure costs."""
    configure_logs()
    upstream = Upstream("predictor", url, max_in_flight=CALLERS)
    default = Predictions.model_validate(DEFAULT)
    call = SafeClient(upstream, timeout_ms=timeout_ms).endpoint(PATH, answer=Predictions, default=default)

    ready: dict[int, Question] = {}  # the other clients are handed a dictionary ready-made, and ours a model

    async def predict(question: Json) -> Answer:
        asked = ready.get(id(question)) or ready.setdefault(id(question), Question.model_validate(question))

        def check(answer: Predictions) -> Reason | None:
            return _problem(answer, asked)

        outcome = await call(asked, deadline=Deadline.after_ms(timeout_ms), check=check)
        return Answer(outcome.value, is_default=outcome.is_default)

    return predict


def _problem(answer: Predictions, asked: Question) -> Reason | None:
    if answer.version != asked.version:
        return Reason.VERSION
    if [item.id for item in answer.items] != [item.id for item in asked.items]:
        return Reason.MEANING
    return None if all(0 <= item.value <= MAX_VALUE for item in answer.items) else Reason.OUT_OF_RANGE
