"""What callers send and get. The shapes are fixed within `/v1`: fields are only ever added."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from common.contract import WITHOUT_NUL, AnswerModel, Moment, Reason, RequestModel, Text
from common.overrides.contract import NewDecision
from common.panel.owner import Owner
from photostock.filter.colours import NAMES
from photostock.hints.rules import HintKind
from photostock.overriding import MOST_PLACES, same_query
from photostock.photo import (
    DEFAULT_COLOR,
    DEFAULT_HEIGHT,
    DEFAULT_WIDTH,
    HEX_COLOUR,
    LONGEST_DATE,
    MOST_PIXELS_PER_SIDE,
    SAFE_ID,
)
from photostock.words import words_of

MAX_WINDOW = 1_000  # results that can be paged through
MAX_QUERIES = 64
MAX_PHOTOS = 500
LONGEST_WORDS = 380  # of a query as it is compared and stored: there one character can become eighteen

Tier = Literal["reranker", "semantic", "lexical", "popular"]
TIERS: tuple[Tier, ...] = ("reranker", "semantic", "lexical", "popular")  # best first
Order = Literal["relevance", "latest", "popular"]

CONTROL = re.compile(r"[\x00-\x1f\x7f]+")

PhotoId = Annotated[str, Field(pattern=f"^{SAFE_ID.pattern}$")]
VersionName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
LongText = Annotated[str, StringConstraints(max_length=5_000), WITHOUT_NUL]


def _one_line(text: str) -> str:
    cleaned = CONTROL.sub(" ", text).strip()
    if not cleaned:
        raise ValueError("say what to look for")
    return cleaned


def _words(text: str) -> str:
    cleaned = _one_line(text)
    if not words_of(cleaned):
        raise ValueError("there is no word in it")
    return cleaned


def _known_colour(text: str) -> str:
    if text not in NAMES and not HEX_COLOUR.fullmatch(text):
        raise ValueError(f"expected #rrggbb or one of {', '.join(NAMES)}")
    return text


QueryText = Annotated[str, StringConstraints(min_length=1, max_length=300), AfterValidator(_one_line)]


class SearchFields(BaseModel):
    """What one search asks for. `as_of` hides photos that are newer; no result scores less than `min_score`."""

    model_config = ConfigDict(frozen=True)

    query: QueryText
    page: Annotated[int, Field(ge=1, le=MAX_WINDOW)] = 1
    per_page: Annotated[int, Field(ge=1, le=80)] = 20
    orientation: Literal["landscape", "portrait", "square"] | None = None
    color: Annotated[str, AfterValidator(_known_colour)] | None = None
    licence: Text | None = None
    order_by: Order = "relevance"
    exclude: Annotated[str, StringConstraints(max_length=300)] | None = None
    min_score: Annotated[float, Field(ge=-1, le=1)] | None = None
    spelling: Literal["auto", "off"] = "auto"  # correct misspelt words of the query by the words of the catalogue
    diversity: Literal["on", "off"] = "on"  # at most 3 of 20 results by one photographer
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
    attribution: str = ""  # who is to be named beside the picture
    source_url: str | None = None
    palette: list[str] = Field(default_factory=list)  # one to three main colours
    urls: Urls
    score: float
    scores: dict[str, float] | None = None  # with `explain`: per stage
    ranks: dict[str, int] | None = None  # with `explain`: place from 1 before and after each stage


class Suggestion(AnswerModel):
    """A change of the request that finds something: of parameter `change` to `to`, or without it where that is null."""

    change: str
    to: str | None
    found: int
    sentence: str


class ZeroResults(AnswerModel):
    """Why there are no results, and what would bring some."""

    code: Literal["empty_catalogue", "page_beyond_the_end", "min_score_too_high", "conditions", "no_match"]
    sentence: str
    suggestions: list[Suggestion]


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
    reranked: int | None = None  # where time was short: how many of the best the reranker has put in order
    corrected: dict[str, str] | None = None  # where spelling changed the query: `from` and `to`
    zero_results: ZeroResults | None = None  # where there are no results
    searched_for: str | None = None  # with `explain`: the text that hints and spelling made of the query
    hints: list[dict[str, str]] | None = None  # with `explain`: what was changed in the query, and by which hint
    overrides: list[dict[str, str]] | None = None  # that shaped this page: `id`, `effect`, and the `photo_id` if shown
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
    photographer: Annotated[str, StringConstraints(max_length=200), WITHOUT_NUL] = ""
    width: Annotated[int, Field(ge=1, le=MOST_PIXELS_PER_SIDE)] = DEFAULT_WIDTH
    height: Annotated[int, Field(ge=1, le=MOST_PIXELS_PER_SIDE)] = DEFAULT_HEIGHT
    color: Annotated[str, Field(pattern=f"^{HEX_COLOUR.pattern}$")] = DEFAULT_COLOR
    licence: Annotated[str, StringConstraints(max_length=200), WITHOUT_NUL] = ""
    created_at: Annotated[str, StringConstraints(max_length=LONGEST_DATE), WITHOUT_NUL] = ""
    popularity: Annotated[float, Field(ge=0, le=1e12)] = 0.0
    source_url: Annotated[str, StringConstraints(max_length=2_000), WITHOUT_NUL] | None = None
    safe: bool = True


class NewPhotos(RequestModel):
    photos: Annotated[list[NewPhoto], Field(min_length=1, max_length=MAX_PHOTOS)]


class Accepted(AnswerModel):
    """Sent only once it is durable."""

    accepted: int
    request_id: str


class Event(RequestModel):
    """What a person did with a result; a time without a zone is UTC. The last three are as the search's answer said."""

    query: Annotated[str, StringConstraints(max_length=300), AfterValidator(lambda text: CONTROL.sub(" ", text))]
    photo_id: PhotoId
    kind: Literal["impression", "click", "download"]
    user_id: Text
    at: Moment
    position: Annotated[int, Field(ge=1, le=MAX_WINDOW)] | None = None  # from 1, over all pages
    served_by: Tier | None = None
    request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")] | None = None


class Feedback(RequestModel):
    events: Annotated[list[Event], Field(min_length=1, max_length=1_000)]


class NewHint(RequestModel):
    """What is searched for whenever a query contains `when`: `photostock/hints/rules.py` tells the kinds.

    `ends_at` is when it ends by itself; a time without a zone is UTC.
    """

    kind: HintKind = "synonym"
    when: Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_words)]
    then: Annotated[str, StringConstraints(max_length=200)] = Field("", validate_default=True)
    both_ways: bool = False
    owner: Owner
    reason: Reason
    ends_at: Moment | None = None

    @field_validator("then", mode="after")
    @classmethod
    def _what_then(cls, then: str, info: ValidationInfo) -> str:
        if info.data.get("kind") == "never_correct":
            if then.strip():
                raise ValueError("a word that is never corrected stands for nothing else")
            return ""
        return _words(then)

    @field_validator("both_ways", mode="after")
    @classmethod
    def _only_synonyms(cls, both_ways: bool, info: ValidationInfo) -> bool:
        if both_ways and info.data.get("kind") != "synonym":
            raise ValueError("only synonyms work both ways")
        return both_ways

    @model_validator(mode="after")
    def _changes_something(self) -> NewHint:
        if self.kind != "never_correct" and words_of(self.when) == words_of(self.then):
            raise ValueError("both sides are the same words")
        return self


class HintPreview(RequestModel):
    """A hint that is not saved, and queries on which to try it, beside those of the last searches."""

    hint: NewHint
    queries: Annotated[list[QueryText], Field(max_length=20)] = Field(default_factory=list)


class NewPhotoOverride(NewDecision):
    """What an editor knows better than the ranking, for one photo and a query, or for all queries, until `ends_at`.

    A pin has a query and a `position` from 1; a promotion the number of places that it is worth, `boost`.
    """

    effect: Literal["pin", "ban", "promote"]
    photo_id: PhotoId
    query: QueryText | None = None
    position: Annotated[int, Field(ge=1, le=MOST_PLACES)] | None = None
    boost: Annotated[int, Field(ge=1, le=MOST_PLACES)] | None = None

    @model_validator(mode="after")
    def _decides_one_thing(self) -> NewPhotoOverride:
        if self.effect == "pin" and self.query is None:
            raise ValueError("a pin needs a query")
        for name, effect in (("position", "pin"), ("boost", "promote")):
            if (getattr(self, name) is None) == (self.effect == effect):
                needs = f"a {effect} needs a {name}"
                raise ValueError(needs if self.effect == effect else f"a {self.effect} has no {name}")
        if self.query is not None and not 0 < len(same_query(self.query)) <= LONGEST_WORDS:
            raise ValueError(f"the query has no words, or more than {LONGEST_WORDS} letters as they are compared")
        return self


class PhotoOverridePreview(RequestModel):
    """An override that is not saved, and queries on which to try it, beside those of the last searches."""

    override: NewPhotoOverride
    queries: Annotated[list[QueryText], Field(max_length=20)] = Field(default_factory=list)
