"""What the answers of the other endpoints must mean; those of forecasts and of one search are read in `checks.py`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loadtests.checks import (
    FORECAST_TIERS,
    MOST_UNITS,
    SEARCH_TIERS,
    Answer,
    MalformedAnswer,
    Reading,
    is_number,
    refuse_constant,
)


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal that the contract allows: problem+json, and with 429 when to come again."""

    status: int


def read_refusal(answer: Answer) -> Refused | str:
    """A well-formed error, or in words what is wrong with it."""
    if answer.headers.get("content-type", "").split(";")[0] != "application/problem+json":
        return f"status {answer.status} without problem+json"
    try:
        document = json.loads(answer.body)
    except ValueError:
        return f"status {answer.status} with a body that is not JSON"
    if not isinstance(document, dict) or document.get("status") != answer.status:
        return f"status {answer.status}, and another one in the body"
    if missing := {"type", "title", "detail", "request_id"} - document.keys():
        return f"status {answer.status} without {', '.join(sorted(missing))}"
    if answer.status == 429 and not answer.headers.get("retry-after", "").isdecimal():
        return "status 429 without Retry-After"
    return Refused(answer.status)


@dataclass(frozen=True, slots=True)
class OldAsked:
    """`GET /predictions`: who served it stands in the headers alone."""

    sku: str
    store: str
    limit: int

    def check(self, answer: Answer) -> Reading:
        return reading(answer, 200, self._read)

    def _read(self, document: Any, answer: Answer) -> Reading:
        predictions = document["predictions"]
        demand(len(predictions) == self.limit, f"{len(predictions)} predictions of {self.limit}")
        for one in predictions:
            demand((one["sku"], one["entity"]) == (self.sku, self.store), "a prediction of something else")
            demand(is_amount(one["demand"]), "`demand` is not finite, from 0 up and plausible")
        tiers = tuple(name.strip() for name in answer.headers.get("x-served-by", "").split(","))
        demand(set(tiers) <= set(FORECAST_TIERS), f"X-Served-By is {tiers!r}")
        degraded = answer.headers.get("x-degraded")
        demand(degraded in ("true", "false"), f"X-Degraded is {degraded!r}")
        return Reading(tiers, degraded == "true")


@dataclass(frozen=True, slots=True)
class SearchesAsked:
    """`POST /v1/searches`: every one whole, in order."""

    per_page: tuple[int, ...]

    def check(self, answer: Answer) -> Reading:
        return reading(answer, 200, self._read)

    def _read(self, document: Any, _: Answer) -> Reading:
        searches = document["searches"]
        demand(len(searches) == len(self.per_page), f"{len(searches)} answers to {len(self.per_page)} searches")
        for one, per_page in zip(searches, self.per_page, strict=True):
            check_page(one, per_page)
        degraded = document["degraded"]
        demand(degraded is any(one["degraded"] for one in searches), "`degraded` is not that of its searches")
        return Reading(
            tuple(one["served_by"] for one in searches),
            degraded,
            tuple(one["reason"] for one in searches if one["reason"]),
        )


@dataclass(frozen=True, slots=True)
class SimilarAsked:
    """`GET /v1/photos/{id}/similar`: no reranker takes part."""

    photo_id: str
    per_page: int

    def check(self, answer: Answer) -> Reading:
        return reading(answer, 200, self._read)

    def _read(self, document: Any, _: Answer) -> Reading:
        check_page(document, self.per_page)
        demand(all(result["id"] != self.photo_id for result in document["results"]), "a photo like itself")
        return Reading((document["served_by"],), document["degraded"])


@dataclass(frozen=True, slots=True)
class Written:
    """A write: acknowledged by `status`; 201 says how many rows, 204 nothing."""

    status: int
    rows: int = 0

    def check(self, answer: Answer) -> Reading:
        if self.status == 204 and answer.status == 204:
            return Reading(problem="a body with 204") if answer.body else Reading()
        return reading(answer, self.status, self._read)

    def _read(self, document: Any, _: Answer) -> Reading:
        demand(document["accepted"] == self.rows, f"accepted {document['accepted']} of {self.rows} rows")
        return Reading()


def check_page(document: Any, per_page: int) -> None:
    """One page of results, whole and honest."""
    ids = [result["id"] for result in document["results"]]
    demand(len(set(ids)) == len(ids) <= per_page, "a photo is there twice, or there are too many")
    demand(document["total"] >= len(ids) == min(per_page, document["total"]), "the page is not full")
    demand(all(is_number(result["score"]) for result in document["results"]), "a score is not a finite number")
    demand(document["served_by"] in SEARCH_TIERS, f"served by {document['served_by']!r}, which is no tier")
    demand(not document["degraded"] or bool(document["reason"]), "degraded without a reason")


def reading(answer: Answer, status: int, read: Callable[[Any, Answer], Reading]) -> Reading:
    """`read` over the document; whatever does not fit is told in `problem`."""
    if answer.status != status:
        return Reading(problem=f"status {answer.status}")
    try:
        return read(json.loads(answer.body, parse_constant=refuse_constant), answer)
    except MalformedAnswer as error:
        return Reading(problem=str(error))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return Reading(problem=f"another shape: {type(error).__name__}: {error}"[:200])


def demand(holds: bool, otherwise: str) -> None:
    """`MalformedAnswer` unless it holds."""
    if not holds:
        raise MalformedAnswer(otherwise)


def is_amount(value: Any) -> bool:
    """So many can be sold."""
    return is_number(value) and 0 <= value <= MOST_UNITS
