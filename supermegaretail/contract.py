"""What callers send and get. The shapes are fixed within `/v1`: fields are only ever added."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from common.contract import AnswerModel, Day, RequestModel, Text
from common.overrides.contract import NewDecision

MAX_ITEMS = 1_000
MAX_ROWS = 10_000
MAX_HORIZON_DAYS = 28
MAX_FACTOR = 1_000.0
MAX_PREVIEWED = 20
MAX_X = 50  # further inputs of a row
X_NAME = r"^x_\w{1,62}$"  # the ledger holds 64 characters

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


def _is_null(value: object) -> bool:
    return value is None


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
    explanation_reason: Annotated[str | None, Field(exclude_if=_is_null)] = None  # why there is none that was asked for
    override_ids: list[str] | None = None  # of all that shaped it, where there are any


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


def _further(name: str) -> str:
    """Any other name is refused like an unknown field everywhere."""
    if not re.fullmatch(X_NAME, name):
        raise PydanticCustomError("extra_forbidden", "Extra inputs are not permitted")
    return name


FurtherName = Annotated[str, AfterValidator(_further)]


class Row(Categorised):
    """One product in one store on one day. A null takes back what an earlier row told, but of a category."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "additionalProperties": False,
            "patternProperties": {X_NAME: {"anyOf": [{"type": "number"}, {"type": "null"}]}},
        },
    )
    __pydantic_extra__: dict[FurtherName, Annotated[float, Field(ge=-1e12, le=1e12)] | None] = Field(init=False)

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
    def _has_not_too_many_inputs(self) -> Row:
        if len(self.model_extra or ()) > MAX_X:
            raise ValueError(f"{len(self.model_extra or ())} inputs x_… are too many for one row: {MAX_X} at most")
        return self


class Sale(Row):
    """What was sold on one day, and whatever else is known of it."""

    sales: Units
    stockout_hours: Annotated[float, Field(ge=0, le=24)] | None = None


class SalesReport(RequestModel):
    sales: Annotated[list[Sale], Field(min_length=1, max_length=MAX_ROWS)]


class Plan(Row):
    """What is known ahead of one day; of a new product, at least its category."""

    @model_validator(mode="after")
    def _plans_something(self) -> Plan:
        if all(value is None for name, value in self if name not in ("store", "sku", "date")):
            raise ValueError(
                "a plan needs at least one of price, discount, promotion, holiday, event, event_type, category_1 to _4 "
                "and the inputs x_…"
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


class NewOverride(NewDecision):
    """What a planner knows better about a store, a product, a category, or two of them, until `ends_at`.

    `value` is in units a day, and of a factor a multiple of the forecast; `demand_per_day` is that of a constant, in
    its older form. `first_day` and `last_day` are days that are forecast; without them it is about all.
    """

    store: Text | None = None
    sku: Text | None = None
    category: Text | None = None  # the finest that is told of a product
    effect: Literal["constant", "factor", "floor", "ceiling"] = "constant"
    value: Units | None = None
    demand_per_day: Units | None = None
    first_day: Day | None = None
    last_day: Day | None = None

    @property
    def amount(self) -> float:
        """Of the effect."""
        told = self.value if self.value is not None else self.demand_per_day
        assert told is not None
        return told

    @model_validator(mode="after")
    def _decides_one_thing(self) -> NewOverride:
        if self.store is None and self.sku is None and self.category is None:
            raise ValueError("an override needs a store, a sku or a category")
        if self.sku is not None and self.category is not None:
            raise ValueError("a product has its category: give sku or category")
        if (self.value is None) == (self.demand_per_day is None):
            raise ValueError("an override needs either value or demand_per_day")
        if self.demand_per_day is not None and self.effect != "constant":
            raise ValueError(f"demand_per_day is of a constant; a {self.effect} has a value")
        if self.effect == "factor" and self.amount > MAX_FACTOR:
            raise ValueError(f"a factor is {MAX_FACTOR:g} at most")
        if self.first_day is not None and self.last_day is not None and self.first_day > self.last_day:
            raise ValueError("first_day comes after last_day")
        return self


class OverridePreview(RequestModel):
    """An override that is not saved, and items on which to try it; without any, some that it is about."""

    override: NewOverride
    items: Annotated[list[Item], Field(max_length=MAX_PREVIEWED)] = Field(default_factory=list)
    horizon_days: Annotated[int, Field(ge=1, le=MAX_HORIZON_DAYS)] = 7
