"""What an answer must mean, not only that one came: whole, in order, sane numbers, and honest about who served it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

FORECAST_TIERS = ("override", "correction", "core", "moving_average", "constant")  # best first
SEARCH_TIERS = ("reranker", "semantic", "lexical", "popular")
MODEL_TIERS = frozenset({"correction", "core", "reranker"})  # these need their model process alive
NEVER_DEGRADED = frozenset({"override", "correction", "reranker"})
NOT_NEEDED = frozenset({"confident", "other_order", "beyond_depth", "too_few", "no_query"})  # no better tier was missed
ALWAYS_DEGRADED = frozenset({"moving_average", "constant"})
MOST_UNITS = 1e6  # of one product a day: more is no forecast


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, as any client library gives it; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer says, or what is wrong with it."""

    tiers: tuple[str, ...] = ()  # who served each entry
    degraded: bool = False
    reasons: tuple[str, ...] = ()
    problem: str | None = None  # None: well-formed


Check = Callable[[Answer], Reading]


class MalformedAnswer(Exception):
    """The answer breaks the contract; the message says where."""


@dataclass(frozen=True, slots=True)
class ForecastsAsked:
    """What a forecast request asked for, to hold against its answer."""

    items: tuple[tuple[str, str], ...]
    horizon_days: int
    request_id: str

    def check(self, answer: Answer) -> Reading:
        """Reads the answer to this request."""
        return _reading(answer, self._read)

    def _read(self, answer: Answer) -> Reading:
        document = _document(answer, self.request_id)
        forecasts = _list(document, "forecasts")
        found = [(_text(entry, "store"), _text(entry, "sku")) for entry in forecasts]
        _demand(found == list(self.items), f"{len(found)} forecasts are not the {len(self.items)} asked for, in order")
        first_day = date.fromisoformat(_text(document, "as_of")) + timedelta(days=1)
        for entry in forecasts:
            self._check_days(entry, first_day)
        tiers = tuple(_provenance(entry, FORECAST_TIERS) for entry in forecasts)
        degraded = document.get("degraded")
        _demand(degraded is any(entry["degraded"] for entry in forecasts), "`degraded` is not that of its entries")
        _check_headers(answer, tiers, degraded=bool(degraded))
        return Reading(tiers, bool(degraded), tuple(entry["reason"] for entry in forecasts if entry["reason"]))

    def _check_days(self, entry: Any, first_day: date) -> None:
        days = [(first_day + timedelta(days=ahead)).isoformat() for ahead in range(self.horizon_days)]
        _demand(_list(entry, "dates") == days, "`dates` are not the days asked for")
        demand = _list(entry, "demand")
        _demand(len(demand) == self.horizon_days, f"{len(demand)} numbers for {self.horizon_days} days")
        sane = all(is_number(value) and 0 <= value <= MOST_UNITS for value in demand)
        _demand(sane, "`demand` is not finite, from 0 up and plausible")


@dataclass(frozen=True, slots=True)
class SearchAsked:
    """What a search asked for, to hold against its answer."""

    per_page: int
    request_id: str
    orientation: str | None = None

    def check(self, answer: Answer) -> Reading:
        """Reads the answer to this request."""
        return _reading(answer, self._read)

    def _read(self, answer: Answer) -> Reading:
        document = _document(answer, self.request_id)
        results = _list(document, "results")
        ids = [_text(result, "id") for result in results]
        _demand(len(set(ids)) == len(ids), "a photo is there twice")
        total = document.get("total")
        _demand(isinstance(total, int) and total >= len(ids), "`total` is less than what is shown")
        _demand(len(ids) == min(self.per_page, total), f"{len(ids)} results of {total} on a page of {self.per_page}")
        _demand(all(is_number(result.get("score")) for result in results), "a score is not a finite number")
        _demand(all(self._is_wanted(result) for result in results), f"a photo is not {self.orientation}")
        tier = _provenance(document, SEARCH_TIERS)
        _check_headers(answer, (tier,), degraded=document["degraded"])
        return Reading((tier,), document["degraded"], (document["reason"],) if document["reason"] else ())

    def _is_wanted(self, result: Any) -> bool:
        width, height = result.get("width"), result.get("height")
        shapes = {"landscape": width > height, "portrait": width < height, "square": width == height}
        return self.orientation is None or shapes[self.orientation]


def _reading(answer: Answer, read: Callable[[Answer], Reading]) -> Reading:
    try:
        return read(answer)
    except MalformedAnswer as error:
        return Reading(problem=str(error))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:  # of some other shape
        return Reading(problem=f"another shape: {type(error).__name__}: {error}"[:200])


def _document(answer: Answer, request_id: str) -> Any:
    _demand(answer.status == 200, f"status {answer.status}")
    document = json.loads(answer.body, parse_constant=refuse_constant)
    _demand(document.get("request_id") == request_id, "`request_id` is not the one sent")
    _demand(answer.headers.get("x-request-id") == request_id, "X-Request-ID is not the one sent")
    versions = document.get("versions")
    _demand(bool(versions) and all(isinstance(v, str) and v for v in versions.values()), "`versions` names none")
    return document


def _provenance(entry: Any, tiers: Sequence[str]) -> str:
    """Who served this entry; `served_by`, `degraded` and `reason` must not contradict each other."""
    tier, degraded, reason = entry["served_by"], entry["degraded"], entry["reason"]
    _demand(tier in tiers, f"served by {tier!r}, which is no tier")
    _demand(isinstance(degraded, bool), "`degraded` is neither true nor false")
    _demand(not (degraded and not reason), f"degraded to {tier} without a reason")
    needless = bool(reason) and all(one.rpartition(":")[2] in NOT_NEEDED for one in reason.split(", "))
    _demand(degraded or not reason or needless, f"not degraded, with the reason {reason!r}")
    _demand(not (degraded and tier in NEVER_DEGRADED), f"{tier} is the best there is, and says degraded")
    _demand(degraded or tier not in ALWAYS_DEGRADED, f"{tier} served, and it does not say degraded")
    return str(tier)


def _check_headers(answer: Answer, tiers: Sequence[str], *, degraded: bool) -> None:
    _demand(answer.headers.get("x-degraded") == str(degraded).lower(), "X-Degraded is not what the body says")
    named = answer.headers.get("x-served-by", "")
    _demand({name.strip() for name in named.split(",")} == set(tiers), "X-Served-By is not what the body says")


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise MalformedAnswer(otherwise)


def _list(document: Any, name: str) -> list[Any]:
    value = document[name]
    _demand(isinstance(value, list), f"`{name}` is no list")
    return list(value)


def _text(document: Any, name: str) -> str:
    value = document[name]
    _demand(isinstance(value, str) and value != "", f"`{name}` is no text")
    return str(value)


def is_number(value: Any) -> bool:
    """A finite JSON number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def refuse_constant(name: str) -> None:
    """For `json.loads`, which takes NaN and Infinity."""
    raise MalformedAnswer(f"{name} is not JSON")
