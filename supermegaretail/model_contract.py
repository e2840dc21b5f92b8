"""What the API asks of the model process: numbers in, numbers out. The model never sees a table of sales.

Every prediction carries the id it was asked under, so that a shuffled or foreign answer is noticed.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from common.contract import AnswerModel, RequestModel
from supermegaretail.contract import MAX_HORIZON_DAYS, MAX_ITEMS, Levels, VersionName

MAX_FEATURES = 200
# Features in the order that the manifest names; null where one is not known.
Row = Annotated[list[float | None], Field(max_length=MAX_FEATURES)]


class Features(RequestModel):
    """One item: `stable` as of the last known day, `extended` per target day, or null to skip the correction."""

    id: str
    stable: Row
    extended: Annotated[list[Row], Field(max_length=MAX_HORIZON_DAYS)] | None


class PredictionRequest(RequestModel):
    version: VersionName
    features_version: str
    as_of: date
    horizon_days: Annotated[int, Field(ge=1, le=MAX_HORIZON_DAYS)]
    items: Annotated[list[Features], Field(min_length=1, max_length=MAX_ITEMS)]
    quantiles: Levels = ()


class Prediction(AnswerModel):
    """Demand per day. A model that has no number for an item says null.

    Quantiles are [level][day], in the order of the levels asked for. A width is the distance from the quantile 0.25 to
    the quantile 0.75, averaged over the days. Both are in units a day, and null where no quantiles were asked for (they
    would double the time of a request for one item), or where the model was released without its spread.
    """

    id: str
    core: list[float] | None
    correction: list[float] | None
    core_quantiles: list[list[float]] | None = None
    correction_quantiles: list[list[float]] | None = None
    core_width: float | None = None
    correction_width: float | None = None


class Predictions(AnswerModel):
    version: str  # of the core model
    correction_version: str | None
    correction_reason: str | None  # why there is no correction, when there is none
    predictions: list[Prediction]


NO_PREDICTIONS = Predictions(version="", correction_version=None, correction_reason=None, predictions=[])


class ItemContributions(AnswerModel):
    """What each feature adds to the logarithm of the demand, [feature][day]; null for a model that was not asked."""

    id: str
    core: list[list[float]] | None
    correction: list[list[float]] | None


class Contributions(AnswerModel):
    """The answer to the question why: of `PredictionRequest`, about the features as planners know them."""

    version: str  # of the core model
    correction_version: str | None
    core_features: list[str]
    correction_features: list[str]
    items: list[ItemContributions]


NO_CONTRIBUTIONS = Contributions(
    version="", correction_version=None, core_features=[], correction_features=[], items=[]
)
