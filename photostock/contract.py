"""What callers send and get. The shapes are fixed within `/v1`: fields are only ever added."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from common.contract import AnswerModel, RequestModel, Text
from photostock.filter.colours import HEX, NAMES
from photostock.photo import MOST_PIXELS_PER_SIDE

MAX_WINDOW = 1_000  # results that can be paged through
MAX_QUERIES = 64
MAX_PHOTOS = 500

Tier = Literal["reranker", "semantic", "lexical", "popular"]
TIERS: tuple[Tier, ...] = ("reranker", "semantic", "lexical", "popular")  # best first
Order = Literal["relevance", "latest", "popular"]

CONTROL = re.compile(r"[\x00-\x1f\x7f]+")

PhotoId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$")]
VersionName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
LongText = Annotated[str, StringConstraints(max_length=5_000)]


def _one_line(text: str) -> str:
    cleaned = CONTROL.sub(" ", text).strip()
    if not cleaned:
        raise ValueError("say what to look for")
    return cleaned


def _known_colour(text: str) -> str:
    if text not in NAMES and not HEX.fullmatch(text):
        raise ValueError(f"expected #rrggbb or one of {', '.join(NAMES)}")
    return text


QueryText = Annotated[str, StringConstraints(min_length=1, max_length=300), AfterValidator(_one_line)]


class SearchFields(BaseModel):
    """What one search asks for. `as_of` hides photos that are newer; `min_score` is a cosine, −1 to 1."""

    query: QueryText
    page: Annotated[int, Field(ge=1, le=MAX_WINDOW)] = 1
    per_page: Annotated[int, Field(ge=1, le=80)] = 20
    orientation: Literal["landscape", "portrait", "square"] | None = None
    color: Annotated[str, AfterValidator(_known_colour)] | None = None
    licence: Text | None = None
    order_by: Order = "relevance"
    exclude: Annotated[str, StringConstraints(max_length=300)] | None = None
    min_score: Annotated[float, Field(ge=-1, le=1)] | None = None
    as_of: date | None = None
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0
    version: VersionName = "champion"  # of the reranker
    explain: bool = False

    @model_validator(mode="after")
    def _within_the_window(self) -> SearchFields:
        if self.page * self.per_page > MAX_WINDOW:
            raise ValueError(f"page × per_page goes up to {MAX_WINDOW}")
        return self


class SearchQuery(SearchFields):
    """`GET /v1/search`, from a query string."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Search(SearchFields, RequestModel):
    """One of the searches of `POST /v1/searches`."""


class Searches(RequestModel):
    queries: Annotated[list[Search], Field(min_length=1, max_length=MAX_QUERIES)]


class Urls(AnswerModel):
    thumb: str
    full: str


class Result(AnswerModel):
    id: str
    title: str
    description: str
    tags: list[str]
    photographer: str
    width: int
    height: int
    color: str
    licence: str
    urls: Urls
    score: float
    scores: dict[str, float] | None = None  # with `explain`: per stage
    ranks: dict[str, int] | None = None  # with `explain`: place from 1 before and after each stage


class SearchAnswer(AnswerModel):
    results: list[Result]
    total: int
    page: int
    per_page: int
    served_by: Tier
    degraded: bool
    reason: str | None
    versions: dict[str, str]
    request_id: str
    hints: list[dict[str, str]] | None = None  # with `explain`: what was changed in the query
    stages_ms: dict[str, float] | None = None  # with `explain`: measured, so the one field that differs every time


class SearchesAnswer(AnswerModel):
    searches: list[SearchAnswer]
    degraded: bool
    request_id: str


class NewPhoto(RequestModel):
    """A photo to add or replace; only `id` and one of the texts are required."""

    id: PhotoId
    title: LongText = ""
    description: LongText = ""
    tags: Annotated[list[Text], Field(max_length=100)] = Field(default_factory=list)
    photographer: Annotated[str, StringConstraints(max_length=200)] = ""
    width: Annotated[int, Field(ge=1, le=MOST_PIXELS_PER_SIDE)] = 1600
    height: Annotated[int, Field(ge=1, le=MOST_PIXELS_PER_SIDE)] = 1067
    color: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] = "#888888"
    licence: Annotated[str, StringConstraints(max_length=200)] = ""
    created_at: Annotated[str, StringConstraints(max_length=40)] = ""
    popularity: Annotated[float, Field(ge=0, le=1e12)] = 0.0
    safe: bool = True


class NewPhotos(RequestModel):
    photos: Annotated[list[NewPhoto], Field(min_length=1, max_length=MAX_PHOTOS)]


class Accepted(AnswerModel):
    """Sent only once it is durable."""

    accepted: int
    request_id: str


class Event(RequestModel):
    """What a person did with a result."""

    query: Annotated[str, StringConstraints(max_length=300)]
    photo_id: PhotoId
    kind: Literal["impression", "click", "download"]
    user_id: Text
    at: datetime


class Feedback(RequestModel):
    events: Annotated[list[Event], Field(min_length=1, max_length=1_000)]


class NewHint(RequestModel):
    """Whenever a query contains `when`, the words of `then` are looked for, too."""

    when: Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_one_line)]
    then: Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_one_line)]
    owner: Text
    reason: Annotated[str, StringConstraints(min_length=3, max_length=2_000)]
