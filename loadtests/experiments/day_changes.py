"""All that may change between two requests of a mixed day."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from common.versions.probes import PROBES
from common.versions.registry import CHAMPION, Registry
from loadtests.experiments.day_services import APIS, CALLERS, COMMANDS, TOKEN, DayServices, as_document
from loadtests.experiments.rolling import another_core

CHALLENGER = "challenger"
PHOTOS, SHORT_LIVED = 60, 6
LASTING, FOR_NOW = "lasting", "for now"  # licences; of the latter are the photos that get deleted
SOLD_AT_ONCE = 30
OFF = 0.4  # of the switches that are turned
MOST_CORES = 4  # that a day ends with
KINDS = ("dog", "harbour", "bicycle", "market", "mountain", "kitchen")
PLACES = ("at dawn", "in the rain", "under a bridge", "beside a river", "in winter")
OFTEN = ("sale", "plan", "event", "override", "withdraw", "picks", "hint", "unhint", "photo", "switch", "release")
SELDOM = ("fold", "delete", "click", "retrain", "rerank", "restart")


class DayChanges:
    """`made` counts what was changed; `deleted` tells how many photos had gone when."""

    def __init__(
        self, services: DayServices, cores: Sequence[str], items: Sequence[tuple[str, str]], dice: random.Random
    ) -> None:
        self.made = Counter[str]()
        self.deletions: list[int] = []  # the numbers of the requests before which a photo was deleted
        self.last_day = date(2016, 1, 1)  # that sales are known of, as the last answer told
        self._services, self._items, self._dice = services, list(items), dice
        self._registry = Registry(services.folder / "registry")
        self._cores, self._rerankers = list(cores), [self._registry.resolve("reranker", CHAMPION)]
        self._decided: list[str] = []  # the URL of each override and event
        self._hints: list[str] = []
        self._short_lived = 0
        self._number = 0
        self._all: dict[str, Callable[[], Awaitable[None]]] = {
            name: getattr(self, f"_{name}") for name in (*OFTEN, *SELDOM)
        }

    async def first(self) -> None:
        """What is there when the day begins."""
        await self._put([self._described(f"day-{place}", LASTING) for place in range(PHOTOS)])
        for _ in range(SHORT_LIVED):
            await self._come()

    async def one(self, number: int) -> None:
        """Something, before request `number`."""
        self._number = number
        what = self._dice.choice(SELDOM if self._dice.random() < 0.25 else OFTEN)
        self.made[what] += 1
        await self._all[what]()

    async def _sale(self) -> None:
        day = self._day(-1, 1)
        some = self._dice.sample(self._items, min(SOLD_AT_ONCE, len(self._items)))
        sold = [{"store": s, "sku": k, "date": day, "sales": self._dice.randrange(50)} for s, k in some]
        await self._sent("POST", f"{self._services.retail}/v1/sales", {"sales": sold}, key=f"{CALLERS[0]}-key")

    async def _plan(self) -> None:
        store, sku = self._dice.choice(self._items)
        plan = {"store": store, "sku": sku, "date": self._day(1, 39), "price": round(self._dice.uniform(1, 9), 2)}
        await self._sent("POST", f"{self._services.retail}/v1/plans", {"plans": [plan]}, key=f"{CALLERS[0]}-key")

    async def _override(self) -> None:
        store, sku = self._dice.choice(self._items)
        effect = self._dice.choice(("factor", "factor", "constant", "floor", "ceiling"))
        wish: dict[str, Any] = self._dice.choice(({"store": store}, {"sku": sku}, {"store": store, "sku": sku}))
        wish = wish | {"effect": effect, "value": self._dice.choice((0.5, 1.5, 2))}
        if self._dice.random() < 0.4:
            wish |= {"first_day": self._day(1, 5), "last_day": self._day(6, 20)}
        await self._decide("overrides", self._services.retail, wish)

    async def _event(self) -> None:
        store, _ = self._dice.choice(self._items)
        days = {"first_day": self._day(1, 3), "last_day": self._day(4, 9)}
        event = {"store": store, "name": f"fair {self._number}", "factor": self._dice.choice((0.5, 2)), **days}
        await self._decide("events", self._services.retail, event)

    async def _picks(self) -> None:
        photo = {"photo_id": f"day-{self._dice.randrange(PHOTOS)}"}
        query = {"query": f"{self._dice.choice(KINDS)} {self._dice.choice(PLACES)}"}
        wishes: Sequence[dict[str, Any]] = (
            {"effect": "promote", "boost": 5},
            {"effect": "promote", "boost": 3, **query},
            {"effect": "pin", "position": self._dice.randrange(1, 5), **query},
            {"effect": "ban", **query},
            {"effect": "ban"},
        )
        await self._decide("overrides", self._services.photos, self._dice.choice(wishes) | photo)

    async def _withdraw(self) -> None:
        if self._decided:
            await self._sent("DELETE", self._decided.pop(self._dice.randrange(len(self._decided))))

    async def _hint(self) -> None:
        when, then = self._dice.sample(KINDS, 2)
        hint = {"when": when, "then": f"{then} {self._number}", "owner": "Ann", "reason": "a mixed day"}
        made = await self._sent("POST", f"{self._services.photos}/v1/admin/hints", hint)
        self._hints += [str(made["id"])] if "id" in made else []

    async def _unhint(self) -> None:
        if self._hints:
            hint = self._hints.pop(self._dice.randrange(len(self._hints)))
            await self._sent("DELETE", f"{self._services.photos}/v1/admin/hints/{hint}?owner=Ann")

    async def _put(self, photos: Sequence[dict[str, Any]]) -> None:
        await self._sent("POST", f"{self._services.photos}/v1/photos", {"photos": photos}, key=f"{CALLERS[0]}-key")

    async def _photo(self) -> None:
        await self._put([self._described(f"day-{self._dice.randrange(PHOTOS)}", LASTING)])

    async def _come(self) -> None:
        await self._put([self._described(f"short-{self._short_lived}", FOR_NOW)])
        self._short_lived += 1

    async def _delete(self) -> None:
        """The oldest of those for now goes, and another one comes."""
        name = f"short-{self._short_lived - SHORT_LIVED}"
        await self._sent("DELETE", f"{self._services.photos}/v1/photos/{name}", key=f"{CALLERS[0]}-key")
        self.deletions.append(self._number)
        await self._come()

    async def _click(self) -> None:
        at = datetime.now(UTC).isoformat()
        told = {"query": self._dice.choice(KINDS), "photo_id": f"day-{self._dice.randrange(PHOTOS)}"}
        event = told | {"user_id": "somebody", "kind": "click", "at": at}
        await self._sent("POST", f"{self._services.photos}/v1/feedback", {"events": [event]}, key=f"{CALLERS[0]}-key")

    async def _switch(self) -> None:
        tiers = (("retail", "correction"), ("retail", "core"), ("retail", "override"), ("photos", "reranker"))
        name, tier = self._dice.choice((*tiers, ("photos", "semantic")))
        url = f"{getattr(self._services, name)}/v1/admin/switches/{tier}"
        state = "off" if self._dice.random() < OFF else "auto"
        await self._sent("PUT", url, {"state": state} | self._people())

    async def _release(self) -> None:
        alias = self._dice.choice((CHAMPION, CHAMPION, CHALLENGER))
        await asyncio.to_thread(self._registry.point, "core", alias, self._dice.choice(self._cores))

    async def _retrain(self) -> None:
        """A core and its correction that nobody saw before, champion at once."""
        if len(self._cores) < MOST_CORES:
            start = round(self._dice.uniform(0.9, 1.1), 3)
            self._cores.append(await asyncio.to_thread(another_core, self._registry, start=start))
        await asyncio.to_thread(self._registry.point, "core", CHAMPION, self._cores[-1])

    async def _rerank(self) -> None:
        """Likewise a reranker, which weighs otherwise; or back to the one before."""
        if len(self._rerankers) == 1:
            self._rerankers.append(await asyncio.to_thread(_another_reranker, self._registry))
        await asyncio.to_thread(self._registry.point, "reranker", CHAMPION, self._dice.choice(self._rerankers))

    async def _restart(self) -> None:
        """An API, whose callers wait; or a model, whose API answers meanwhile by other tiers."""
        name = self._dice.choice(tuple(COMMANDS))
        await self._services.stop(name)
        if name in APIS:
            await self._services.start(name, wholly=False)
        else:
            self._services.start_without_waiting(name)

    async def _fold(self) -> None:
        code, _, _ = await self._services.command("-m", "supermegaretail", "data", "fold")
        if code:
            self.made["refused: fold"] += 1

    async def _decide(self, kind: str, url: str, wish: dict[str, Any]) -> None:
        made = await self._sent("POST", f"{url}/v1/admin/{kind}", wish | self._people())
        if "id" in made:
            self._decided.append(f"{url}/v1/admin/{kind}/{made['id']}")

    def _people(self) -> dict[str, str]:
        ends_at = (datetime.now(UTC) + timedelta(seconds=self._dice.choice((20, 7_200, 7_200)))).isoformat()
        return {"owner": "Ann", "reason": "a mixed day", "ends_at": ends_at}

    def _day(self, first: int, last: int) -> str:
        return (self.last_day + timedelta(days=self._dice.randint(first, last))).isoformat()

    def _described(self, name: str, licence: str) -> dict[str, Any]:
        dice = self._dice
        told = {"id": name, "title": f"{dice.choice(KINDS)} {dice.choice(PLACES)}", "licence": licence}
        day = date(2020, 1, 1) + timedelta(days=dice.randrange(1_000))
        told |= {"photographer": dice.choice(("Ann", "Bob")), "created_at": day.isoformat()}
        return told | {"popularity": dice.randrange(100), "width": dice.choice((800, 1_600))}

    async def _sent(self, method: str, url: str, body: Any = None, *, key: str = TOKEN) -> dict[str, Any]:
        status, answered = await self._services.call(method, url, body, key=key)
        if status >= 300:
            self.made[f"refused: {status}"] += 1
        return as_document(answered)


def _another_reranker(registry: Registry) -> str:
    known = registry.load("reranker")
    told = known.manifest
    weight = 1.5 * float(told.parameters.get("cosine_weight", 1.0))
    published = registry.publish(
        "reranker",
        {name: known.path(name) for name in told.artifacts if name != PROBES},
        features=told.features,
        parameters=told.parameters | {"cosine_weight": weight},
        compatible_with=told.compatible_with,
        libraries=told.libraries,
        alias=None,
    )
    return published.version
