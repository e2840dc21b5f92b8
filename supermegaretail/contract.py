"""What callers send and get. The shapes are fixed within `/v1`: fields are only ever added."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from common.contract import AnswerModel, RequestModel, Text

MAX_ITEMS = 1_000
MAX_ROWS = 10_000
MAX_HORIZON_DAYS = 28

Tier = Literal["override", "correction", "core", "moving_average", "constant"]
TIERS: tuple[Tier, ...] = ("override", "correction", "core", "moving_average", "constant")  # best first

Units = Annotated[float, Field(ge=0, le=1e9)]
Levels = Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(max_length=20)]  # of quantiles
VersionName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]  # a version or an alias


class Item(RequestModel):
    store: Text
    sku: Text


class ForecastRequest(RequestModel):
    """`as_of` is the last day whose sales may be used; without it, the last day known."""

    items: Annotated[list[Item], Field(min_length=1, max_length=MAX_ITEMS)]
    horizon_days: Annotated[int, Field(ge=1, le=MAX_HORIZON_DAYS)] = 7
    as_of: date | None = None
    quantiles: Levels = ()
    version: VersionName = "champion"
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0
    explain: bool = False


class Contribution(AnswerModel):
    """How many units a day one thing adds to the moving average, or takes from it."""

    feature: str
    group: str
    units_per_day: float  # the mean of `per_day`
    per_day: list[float]


class Explanation(AnswerModel):
    """Why a forecast is not the moving average: on every day the contributions add up to demand − moving average.

    `moving_average` is null where there is none (nothing known); `reason` tells why the models' part is not split up.
    """

    moving_average: list[float] | None
    demand: list[float]
    contributions: list[Contribution]
    sentences: list[str]
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """One item's demand in units per day, and the truth about where it is from.

    No pydantic model: a thousand of them are made for one answer, and each would take four times as long.
    """

    store: str
    sku: str
    dates: list[date]
    demand: list[float]
    quantiles: dict[str, list[float]] | None = None
    served_by: Tier
    degraded: bool
    reason: str | None
    override_id: str | None
    explanation: Explanation | None = None


class ForecastAnswer(AnswerModel):
    forecasts: list[Forecast]
    as_of: date
    seed: int
    versions: dict[str, str]
    degraded: bool
    request_id: str


class Categorised(RequestModel):
    """The groups of a product, the coarsest first: through the finest one a new product starts."""

    category_1: Text | None = None
    category_2: Text | None = None
    category_3: Text | None = None
    category_4: Text | None = None


class Sale(Categorised):
    """What was sold on one day."""

    store: Text
    sku: Text
    date: date
    sales: Units
    stockout_hours: Annotated[float, Field(ge=0, le=24)] | None = None


class SalesReport(RequestModel):
    sales: Annotated[list[Sale], Field(min_length=1, max_length=MAX_ROWS)]


class Plan(Categorised):
    """What is known ahead of one day; of a new product, at least its category."""

    store: Text
    sku: Text
    date: date
    price: Annotated[float, Field(ge=0, le=1e9)] | None = None
    discount: Annotated[float, Field(gt=0, le=2)] | None = None  # price paid ÷ list price
    promotion: Annotated[int, Field(ge=0, le=1)] | None = None
    holiday: Annotated[int, Field(ge=0, le=1)] | None = None
    event: Text | None = None
    event_type: Text | None = None

    @model_validator(mode="after")
    def _plans_something(self) -> Plan:
        if all(value is None for name, value in self if name not in ("store", "sku", "date")):
            raise ValueError(
                "a plan needs at least one of price, discount, promotion, holiday, event, event_type, category_1 to _4"
            )
        return self


class Plans(RequestModel):
    plans: Annotated[list[Plan], Field(min_length=1, max_length=MAX_ROWS)]


class Accepted(AnswerModel):
    """Sent only once the rows are durable."""

    accepted: int
    request_id: str


class OldPrediction(AnswerModel):
    sku: str
    demand: float
    entity: str
    period: str


class OldPredictions(AnswerModel):
    """The answer of `GET /predictions`, kept for its callers until its sunset."""

    predictions: list[OldPrediction]


class NewOverride(RequestModel):
    """What a planner knows better, for one store and product, until `ends_at`."""

    store: Text
    sku: Text
    demand_per_day: Units
    owner: Text
    reason: Annotated[str, Field(min_length=3, max_length=2_000)]
    ends_at: datetime
