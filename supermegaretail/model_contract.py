"""What the API asks of the model process: numbers in, numbers out. The model never sees a table of sales.

Every prediction carries the id it was asked under, which no other call has: a shuffled, foreign or late answer is
noticed. Texts are short names, for they are told on to callers and metrics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field

from common.contract import AnswerModel, RequestModel
from supermegaretail.contract import MAX_HORIZON_DAYS, MAX_ITEMS, Levels, VersionName

# Features in the order that the manifest names, NaN where one is not known: the bytes of little-endian doubles, which
# JSON carries as URL-safe base64. Written out in digits they took ten times as long to write and to read.
NUMBER = np.dtype("<f8")
QUANTILE_DECIMALS = 4  # short numbers between the processes
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
FeatureName = Annotated[str, Field(pattern=r"^[a-z][a-z -]{0,63}$")]  # as planners call it


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """One item: `stable` as of the last known day, `extended` per target day, or null to skip the correction.

    No pydantic model, as `Forecast` is none: they are made by the hundred.
    """

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    id: str
    stable: bytes
    extended: bytes | None


def packed(values: npt.NDArray[np.float64]) -> list[bytes]:
    """Each of `values` [n, ...] as it travels."""
    return [row.tobytes() for row in values.astype(NUMBER)]


def unpacked(rows: Sequence[bytes], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """What `packed` was given, [n, *shape]; raises `ValueError` for numbers of another shape, or infinite ones."""
    if {len(row) for row in rows} - {math.prod(shape) * NUMBER.itemsize}:
        raise ValueError(f"features of shape {shape} are needed for each item")
    values = np.frombuffer(b"".join(rows), NUMBER).astype(np.float64).reshape(len(rows), *shape)
    if np.isinf(values).any():
        raise ValueError("a feature is a finite number, or NaN where it is not known")
    return values


class PredictionRequest(RequestModel):
    version: VersionName
    features_version: str
    as_of: date
    horizon_days: Annotated[int, Field(ge=1, le=MAX_HORIZON_DAYS)]
    items: Annotated[list[Features], Field(min_length=1, max_length=MAX_ITEMS)]
    quantiles: Levels = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Demand per day. A model that has no number for an item says null.

    Quantiles are [level][day], in the order of the levels asked for. A width is the distance from the quantile 0.25 to
    the quantile 0.75, averaged over the days. Both are in units a day, and null where no quantiles were asked for (they
    would double the time of a request for one item), or where the model was released without its spread.
    """

    __pydantic_config__ = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

    id: str
    core: list[float] | None
    correction: list[float] | None
    core_quantiles: list[list[float]] | None = None
    correction_quantiles: list[list[float]] | None = None
    core_width: float | None = None
    correction_width: float | None = None


class Predictions(AnswerModel):
    version: VersionName  # of the core model
    correction_version: VersionName | None
    correction_reason: Code | None  # why there is no correction, when there is none
    predictions: list[Prediction]


NO_PREDICTIONS = Predictions(version="none", correction_version=None, correction_reason=None, predictions=[])


class ItemContributions(AnswerModel):
    """What each feature adds to the logarithm of the demand, [feature][day]; null for a model that was not asked."""

    id: str
    core: list[list[float]] | None
    correction: list[list[float]] | None


class Contributions(AnswerModel):
    """The answer to the question why: of `PredictionRequest`, about the features as planners know them."""

    version: VersionName  # of the core model
    correction_version: VersionName | None
    core_features: list[FeatureName]
    correction_features: list[FeatureName]
    items: list[ItemContributions]


NO_CONTRIBUTIONS = Contributions(
    version="none", correction_version=None, core_features=[], correction_features=[], items=[]
)
