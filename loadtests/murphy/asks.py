"""The steady traffic: every endpoint that matters at a rate of its own, each answer read, each write remembered."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from loadtests.checks import Answer, Check, Reading
from loadtests.inside.acknowledged import GONE
from loadtests.load import Lane
from loadtests.murphy.details import that_adds_up, with_quantiles
from loadtests.murphy.ledger import Ledger
from loadtests.murphy.meaning import OldAsked, Refused, SearchesAsked, SimilarAsked, Written, read_refusal
from loadtests.murphy.trial import PHOTOS, RETAIL
from loadtests.traffic import BULK_ITEMS, Ask, Caller, Subjects, forecast, forecast_by_get, search

READ_BUDGET_MS, WRITE_BUDGET_MS = 300, 1_000

# Requests a second, which two cores hold easily: one search costs the reranker some 50 to 100 ms of a core.
RATES: Mapping[str, tuple[str, float]] = {
    "forecast": (RETAIL, 6.0),
    "forecast GET": (RETAIL, 2.0),
    "forecasts bulk": (RETAIL, 1.0),
    "forecast explained": (RETAIL, 1.0),
    "forecast quantiles": (RETAIL, 1.0),
    "predictions": (RETAIL, 2.0),
    "sales": (RETAIL, 2.0),
    "plans": (RETAIL, 1.0),
    "search": (PHOTOS, 2.0),
    "searches bulk": (PHOTOS, 0.5),
    "similar": (PHOTOS, 1.0),
    "photos add": (PHOTOS, 1.0),
    "photos delete": (PHOTOS, 0.5),
    "feedback": (PHOTOS, 1.0),
}
WRITES = frozenset({"sales", "plans", "photos add", "photos delete", "feedback"})
FORECASTS = frozenset({"forecast", "forecast GET", "forecasts bulk", "forecast explained", "forecast quantiles"})
BY_MODEL = FORECASTS | {"predictions", "search", "searches bulk"}
LEVELS = (0.25, 0.5, 0.95)
HORIZON_DAYS, PER_PAGE = 7, 10
DAYS_PER_PRODUCT = 28
REFUSED = "refused: "  # how the problem of a refusal begins whose form is right


def budget_ms(kind: str) -> int:
    """How long an answer of this endpoint may take, as its caller says in X-Timeout-Ms."""
    return WRITE_BUDGET_MS if kind in WRITES else READ_BUDGET_MS


@dataclass(slots=True)
class Traffic:
    """Endless requests to each endpoint, the same for the same seed; `as_of` is the last day whose sales are known."""

    subjects: Subjects
    photo_ids: tuple[str, ...]
    as_of: date
    ledger: Ledger
    seed: int = 1
    api_key: str | None = None
    run: str = "m"  # in the ids of what is written: unlike those of other runs over the same state
    _deletable: deque[str] = field(default_factory=deque, init=False)

    def lanes(self, urls: Mapping[str, str]) -> list[Lane]:
        """One per endpoint."""
        makers = {
            "forecast": self._forecasts,
            "forecast GET": self._forecasts_by_get,
            "forecasts bulk": self._bulks,
            "forecast explained": self._explained,
            "forecast quantiles": self._quantiles,
            "predictions": self._predictions,
            "sales": self._sales,
            "plans": self._plans,
            "search": self._searches,
            "searches bulk": self._search_bulks,
            "similar": self._similar,
            "photos add": self._adds,
            "photos delete": self._deletes,
            "feedback": self._feedback,
        }
        return [
            Lane(service, urls[service], rate, self._read(kind, makers[kind](self._caller(kind))), seed=self.seed + row)
            for row, (kind, (service, rate)) in enumerate(RATES.items())
        ]

    def _caller(self, kind: str) -> Caller:
        return Caller(f"{self.run}-{kind.replace(' ', '-')}", budget_ms(kind), self.api_key)

    def _read(self, kind: str, asks: Iterator[Ask]) -> Iterator[Ask]:
        """Under the endpoint's name, and with refusals read as such."""
        for ask in asks:
            yield Ask(kind, ask.method, ask.path, _or_refusal(ask.check), ask.headers, ask.body)

    def _dice(self, kind: str) -> random.Random:
        return random.Random(f"{self.seed} {kind}")  # noqa: S311 - traffic, not cryptography

    def _forecasts(self, caller: Caller) -> Iterator[Ask]:
        dice = self._dice("forecast")
        while True:
            yield forecast((dice.choice(self.subjects.items),), HORIZON_DAYS, caller)

    def _forecasts_by_get(self, caller: Caller) -> Iterator[Ask]:
        dice = self._dice("get")
        while True:
            yield forecast_by_get(dice.choice(self.subjects.items), HORIZON_DAYS, caller)

    def _bulks(self, caller: Caller) -> Iterator[Ask]:
        dice = self._dice("bulk")
        while True:
            yield forecast(tuple(dice.choices(self.subjects.items, k=BULK_ITEMS)), HORIZON_DAYS, caller)

    def _explained(self, caller: Caller) -> Iterator[Ask]:
        dice = self._dice("explained")
        while True:
            asked = forecast((dice.choice(self.subjects.items),), HORIZON_DAYS, caller, explain=True)
            yield replace(asked, check=that_adds_up(asked.check))

    def _quantiles(self, caller: Caller) -> Iterator[Ask]:
        dice = self._dice("quantiles")
        while True:
            asked = forecast((dice.choice(self.subjects.items),), HORIZON_DAYS, caller, quantiles=LEVELS)
            yield replace(asked, check=with_quantiles(asked.check, LEVELS, HORIZON_DAYS))

    def _predictions(self, caller: Caller) -> Iterator[Ask]:
        dice = self._dice("predictions")
        while True:
            store, sku = dice.choice(self.subjects.items)
            query = urlencode({"sku": sku, "entity_id": store, "limit": HORIZON_DAYS})
            asked = OldAsked(sku, store, HORIZON_DAYS)
            yield Ask("", "GET", f"/predictions?{query}", asked.check, caller.headers())

    def _sales(self, caller: Caller) -> Iterator[Ask]:
        number = 0
        while True:
            number += 1
            product, back = divmod(number, DAYS_PER_PRODUCT)
            key = "murphy", f"{self.run}-{product}", (self.as_of - timedelta(days=back)).isoformat()
            yield self._row("sales", "/v1/sales", "sales", key, float(number % 50), self.ledger.sold, caller)

    def _plans(self, caller: Caller) -> Iterator[Ask]:
        number = 0
        while True:
            number += 1
            product, ahead = divmod(number, DAYS_PER_PRODUCT)
            key = "murphy", f"{self.run}-plan-{product}", (self.as_of + timedelta(days=1 + ahead)).isoformat()
            yield self._row("plans", "/v1/plans", "price", key, 1.0 + number % 50, self.ledger.planned, caller)

    def _row(
        self,
        table: str,
        path: str,
        name: str,
        key: tuple[str, str, str],
        value: float,
        acknowledged: dict[tuple[str, str, str], float],
        caller: Caller,
    ) -> Ask:
        store, sku, day = key
        row: dict[str, Any] = {"store": store, "sku": sku, "date": day, name: value}

        def keep() -> None:
            acknowledged[key] = value
            self.ledger.acknowledged += 1

        return _write(path, {table: [row]}, Written(201, 1), keep, caller)

    def _searches(self, caller: Caller) -> Iterator[Ask]:
        dice = self._dice("search")
        while True:
            yield search(dice.choice(self.subjects.queries), PER_PAGE, None, caller)

    def _search_bulks(self, caller: Caller) -> Iterator[Ask]:
        dice = self._dice("searches")
        while True:
            queries = [{"query": query, "per_page": PER_PAGE} for query in dice.choices(self.subjects.queries, k=2)]
            body = json.dumps({"queries": queries}).encode()
            headers = caller.headers() | {"Content-Type": "application/json"}
            yield Ask("", "POST", "/v1/searches", SearchesAsked((PER_PAGE, PER_PAGE)).check, headers, body)

    def _similar(self, caller: Caller) -> Iterator[Ask]:
        dice = self._dice("similar")
        while True:
            photo_id = dice.choice(self.photo_ids)
            path = f"/v1/photos/{photo_id}/similar?per_page={PER_PAGE}"
            yield Ask("", "GET", path, SimilarAsked(photo_id, PER_PAGE).check, caller.headers())

    def _adds(self, caller: Caller) -> Iterator[Ask]:
        number = 0
        while True:
            number += 1
            yield self._add(f"{self.run}-{number}", f"a murphy photo of number {number}", caller)

    def _add(self, photo_id: str, title: str, caller: Caller) -> Ask:
        self.ledger.doubtful.add(photo_id)

        def keep() -> None:
            self.ledger.photo(photo_id, title)
            self._deletable.append(photo_id)

        return _write("/v1/photos", {"photos": [{"id": photo_id, "title": title}]}, Written(201, 1), keep, caller)

    def _deletes(self, caller: Caller) -> Iterator[Ask]:
        number = 0
        while True:
            if not self._deletable:  # nothing is there yet: something to delete later is added instead
                number += 1
                yield self._add(f"{self.run}-extra-{number}", "one to delete", caller)
                continue
            yield self._delete(self._deletable.popleft(), caller)

    def _delete(self, photo_id: str, caller: Caller) -> Ask:
        self.ledger.doubtful.add(photo_id)
        check = _kept(Written(204).check, lambda: self.ledger.photo(photo_id, GONE))
        return Ask("", "DELETE", f"/v1/photos/{photo_id}", check, caller.headers())

    def _feedback(self, caller: Caller) -> Iterator[Ask]:
        dice, number, first = self._dice("feedback"), 0, datetime.now(UTC) - timedelta(days=1)
        while True:
            number += 1
            person, at = f"{self.run}-person-{number}", first + timedelta(seconds=number)
            event = {
                "query": dice.choice(self.subjects.queries)[:300],
                "photo_id": dice.choice(self.photo_ids),
                "kind": "click",
                "user_id": person,
                "at": at.isoformat(),
            }
            yield _write("/v1/feedback", {"events": [event]}, Written(201, 1), self._event(person, at), caller)

    def _event(self, person: str, at: datetime) -> Any:
        def keep() -> None:
            self.ledger.events.add((person, at.isoformat()[:19]))
            self.ledger.acknowledged += 1

        return keep


def _write(path: str, document: Any, written: Written, keep: Any, caller: Caller) -> Ask:
    headers = caller.headers() | {"Content-Type": "application/json"}
    return Ask("", "POST", path, _kept(written.check, keep), headers, json.dumps(document).encode())


def _kept(check: Check, keep: Any) -> Check:
    """Calls `keep` once an answer says that the write is durable."""

    def read(answer: Answer) -> Reading:
        found = check(answer)
        if found.problem is None:
            keep()
        return found

    return read


def _or_refusal(check: Check) -> Check:
    """A refusal in the right form is told as "refused: STATUS": whether it is right is for the trial to say."""

    def read(answer: Answer) -> Reading:
        if answer.status < 400:
            return check(answer)
        refusal = read_refusal(answer)
        return Reading(problem=f"{REFUSED}{refusal.status}" if isinstance(refusal, Refused) else refusal)

    return read
