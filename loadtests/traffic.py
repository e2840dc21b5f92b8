"""Requests like those of real callers, each with the check of its answer; endless, and the same for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from loadtests.checks import Check, ForecastsAsked, SearchAsked

BULK_ITEMS = 20
HORIZONS_DAYS = (1, 7, 7, 14, 28)
PAGE_SIZES = (5, 10, 20)
ORIENTATIONS = ("landscape", "portrait")


class NoDemoError(Exception):
    """There is nothing to ask about: the demo data was not prepared, or its list is damaged."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to send, and how to read its answer."""

    kind: str  # what a report calls it
    method: str
    path: str
    check: Check
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Subjects:
    """What can be asked about: (store, sku) pairs of the shop, and queries that have an answer."""

    items: tuple[tuple[str, str], ...]
    queries: tuple[str, ...]


def read_subjects(path: Path) -> Subjects:
    """From `{"items": [{"store", "sku"}, ...], "queries": [...]}`, which the demo's preparation writes."""
    try:
        document = json.loads(path.read_bytes())
        items = tuple((str(item["store"]), str(item["sku"])) for item in document["items"])
        queries = tuple(str(query) for query in document["queries"])
    except FileNotFoundError as error:
        raise NoDemoError(f"{path} is not there; `make demo` writes it before the tour") from error
    except (ValueError, KeyError, TypeError) as error:
        raise NoDemoError(f'{path} is not of the form {{"items": [{{"store", "sku"}}], "queries": []}}') from error
    if not items or not queries:
        raise NoDemoError(f"{path} lists {len(items)} items and {len(queries)} queries; the tour needs some of both")
    return Subjects(items, queries)


@dataclass(slots=True)
class Caller:
    """Makes the headers that every request carries, with a request id of its own for each."""

    name: str
    timeout_ms: int
    api_key: str | None = None
    sent: int = field(default=0, init=False)

    def headers(self) -> dict[str, str]:
        """Headers of the next request."""
        self.sent += 1
        headers = {"X-Request-ID": f"{self.name}-{self.sent}", "X-Timeout-Ms": str(self.timeout_ms)}
        return headers | ({"Authorization": f"Bearer {self.api_key}"} if self.api_key else {})


def forecasts(items: Sequence[tuple[str, str]], *, caller: Caller, seed: int) -> Iterator[Ask]:
    """Mostly single forecasts, both ways of asking for one, and every fifth request a bulk of 20."""
    dice = random.Random(seed)  # noqa: S311 - traffic, not cryptography
    while True:
        kind = dice.choices(("post", "get", "bulk"), weights=(60, 20, 20))[0]
        asked = tuple(dice.choices(items, k=BULK_ITEMS if kind == "bulk" else 1))
        horizon_days = dice.choice(HORIZONS_DAYS)
        yield (
            forecast_by_get(asked[0], horizon_days, caller) if kind == "get" else forecast(asked, horizon_days, caller)
        )


def forecast(items: tuple[tuple[str, str], ...], horizon_days: int, caller: Caller, **fields: Any) -> Ask:
    """`POST /v1/forecasts` for these items; `fields` are further ones of the request."""
    headers = caller.headers() | {"Content-Type": "application/json"}
    asked = ForecastsAsked(items, horizon_days, headers["X-Request-ID"])
    named = [{"store": store, "sku": sku} for store, sku in items]
    document = {"items": named, "horizon_days": horizon_days, **fields}
    kind = "one forecast" if len(items) == 1 else f"{len(items)} forecasts"
    return Ask(kind, "POST", "/v1/forecasts", asked.check, headers, json.dumps(document).encode())


def forecast_by_get(item: tuple[str, str], horizon_days: int, caller: Caller) -> Ask:
    """`GET /v1/forecasts` for one item."""
    headers = caller.headers()
    query = urlencode({"store": item[0], "sku": item[1], "horizon_days": horizon_days})
    asked = ForecastsAsked((item,), horizon_days, headers["X-Request-ID"])
    return Ask("one forecast by GET", "GET", f"/v1/forecasts?{query}", asked.check, headers)


def searches(queries: Sequence[str], *, caller: Caller, seed: int) -> Iterator[Ask]:
    """Searches with pages of several sizes; every fourth wants one orientation only."""
    dice = random.Random(seed)  # noqa: S311 - traffic, not cryptography
    while True:
        orientation = dice.choice(ORIENTATIONS) if dice.random() < 0.25 else None
        yield search(dice.choice(queries), dice.choice(PAGE_SIZES), orientation, caller)


def search(query: str, per_page: int, orientation: str | None, caller: Caller) -> Ask:
    """`GET /v1/search` for this query."""
    headers = caller.headers()
    fields = {"query": query, "per_page": per_page} | ({"orientation": orientation} if orientation else {})
    asked = SearchAsked(per_page, headers["X-Request-ID"], orientation)
    kind = "filtered search" if orientation else "search"
    return Ask(kind, "GET", f"/v1/search?{urlencode(fields)}", asked.check, headers)
