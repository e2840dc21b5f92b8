"""Everything that either service acknowledges: how it is changed at random, and how it is read back.

Each thing belongs to one writer, so that the order of its changes is known. Plans are written, too, and what became of
them can't be read back alone.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from loadtests.inside.acknowledged import GONE, Ledger
from loadtests.inside.caller import Caller

DAYS = 28  # of sales that are told at a time: then their average is what was told
SWITCH_STATES = ("on", "off")
STORE = "kill"
WHO = {"owner": "loadtests", "reason": "written while the process is killed"}


class Writer(Protocol):
    """One kind of thing in one service."""

    async def write(self, api: Caller, ledger: Ledger, dice: random.Random) -> None:
        """One request that changes something."""

    async def seen(self, api: Caller, keys: Iterable[str]) -> Mapping[str, str | None]:
        """What these things are now."""


async def send(
    ledger: Ledger, becomes: Mapping[str, str | None], request: Callable[[], Awaitable[tuple[int, Any]]]
) -> None:
    """One request, with what it would make of which things; written down whatever becomes of it.

    429 says that nothing was done. 503 leaves it open: the write may have been under way when the time was up.
    """
    before = ledger.begin(becomes)
    kind = next(iter(becomes), "plans/").partition("/")[0]
    status, _ = await request()
    if status in (200, 201, 204):
        ledger.acknowledge(kind, becomes)
    elif status == 429:
        ledger.refuse(before)
    elif status == 503:
        ledger.refused += 1
    else:
        ledger.broken.append(f"a write ({kind}) was answered with status {status}")


class Sales:
    """Sales of products of our own; the last tier but one forecasts what was sold every day."""

    def __init__(self, name: str, products: int = 12) -> None:
        self._skus = [f"{name}-{number}" for number in range(products)]

    async def write(self, api: Caller, ledger: Ledger, dice: random.Random) -> None:
        sku, sold = dice.choice(self._skus), dice.randint(1, 900)
        today = datetime.now(UTC).date()
        days = [(today - timedelta(days=1 + day)).isoformat() for day in range(DAYS)]
        if dice.random() < 0.2:
            plan = {"store": STORE, "sku": f"plan-{sku}", "date": today.isoformat(), "price": float(sold)}
            await send(ledger, {}, lambda: api.call("POST", "/v1/plans", {"plans": [plan]}))
            return
        rows = [{"store": STORE, "sku": sku, "date": day, "sales": sold} for day in days]
        becomes = {f"sales/{sku}": str(sold)}
        await send(ledger, becomes, lambda: api.call("POST", "/v1/sales", {"sales": rows}))

    async def seen(self, api: Caller, keys: Iterable[str]) -> Mapping[str, str | None]:
        skus = [key.partition("/")[2] for key in keys]
        items = [{"store": STORE, "sku": sku} for sku in skus]
        _, answer = await api.call("POST", "/v1/forecasts", {"items": items, "horizon_days": 1})
        return {
            f"sales/{one['sku']}": GONE if one["served_by"] == "constant" else str(round(one["demand"][0]))
            for one in answer["forecasts"]
        }


class Decisions:
    """What operators add and take away again: overrides, hints."""

    def __init__(self, path: str, listed: str, name: str, *, things: int = 8) -> None:
        self._path, self._listed = f"/v1/admin/{path}", listed
        self._names = [f"{name}{'abcdefghijklmnop'[number]}" for number in range(things)]

    async def write(self, api: Caller, ledger: Ledger, dice: random.Random) -> None:
        name = dice.choice(self._names)
        key, ids = f"{self._listed}/{name}", (await self._all(api)).get(name, [])
        if ids:
            await send(ledger, {key: GONE}, lambda: api.call("DELETE", f"{self._path}/{ids[0]}"))
        else:
            await send(ledger, {key: "there"}, lambda: api.call("POST", self._path, {**self._wish(name), **WHO}))

    async def seen(self, api: Caller, keys: Iterable[str]) -> Mapping[str, str | None]:
        there = await self._all(api)
        counts = {key: len(there.get(key.partition("/")[2], [])) for key in keys}
        return {
            key: GONE if count == 0 else "there" if count == 1 else f"{count} times" for key, count in counts.items()
        }

    async def _all(self, api: Caller) -> dict[str, list[str]]:
        ids: dict[str, list[str]] = {}
        for one in (await api.read(self._path))[self._listed]:
            ids.setdefault(str(one["when"] if "when" in one else one["sku"]), []).append(str(one["id"]))
        return ids

    def _wish(self, name: str) -> dict[str, Any]:
        if self._listed == "hints":
            return {"when": name, "then": f"meaning {name}"}
        return {"store": STORE, "sku": name, "demand_per_day": 7.0, "ends_at": in_an_hour()}


class Switches:
    """Switches of tiers that nothing here depends on."""

    def __init__(self, *targets: str) -> None:
        self._targets = targets

    async def write(self, api: Caller, ledger: Ledger, dice: random.Random) -> None:
        target = dice.choice(self._targets)
        key, path = f"switches/{target}", f"/v1/admin/switches/{target}"
        if ledger.is_sure(key) and ledger.known(key) is not GONE and dice.random() < 0.5:
            await send(ledger, {key: GONE}, lambda: api.call("DELETE", path))
        else:
            state = dice.choice(SWITCH_STATES)
            wish = {"state": state, "ends_at": in_an_hour(), **WHO}
            await send(ledger, {key: state}, lambda: api.call("PUT", path, wish))

    async def seen(self, api: Caller, keys: Iterable[str]) -> Mapping[str, str | None]:
        told = {one["target"]: one["switch"] for one in (await api.read("/v1/admin/switches"))["switches"]}
        switches = {key: told[key.partition("/")[2]] for key in keys}
        return {key: GONE if switch is None else str(switch["state"]) for key, switch in switches.items()}


class Feedback:
    """Clicks on days of our own, which are counted."""

    def __init__(self, days: int = 6) -> None:
        today = datetime.now(UTC).date()
        self._days = [(today - timedelta(days=10 + day)).isoformat() for day in range(days)]

    async def write(self, api: Caller, ledger: Ledger, dice: random.Random) -> None:
        key = f"clicks/{(day := dice.choice(self._days))}"
        if not ledger.is_sure(key):
            ledger.see(key, (await self.seen(api, [key]))[key], "between two writes")
        count, before = dice.randint(1, 5), int(ledger.known(key) or 0)
        people = [f"{dice.randrange(16**8):08x}" for _ in range(count)]
        click = {"query": "harbour", "photo_id": "p-1", "kind": "click", "at": f"{day}T12:00:00Z"}
        events = [{**click, "user_id": person} for person in people]
        becomes = {key: str(before + count)}
        await send(ledger, becomes, lambda: api.call("POST", "/v1/feedback", {"events": events}))

    async def seen(self, api: Caller, keys: Iterable[str]) -> Mapping[str, str | None]:
        found: dict[str, str | None] = {}
        for key in keys:
            day = key.partition("/")[2]
            report = await api.read("/v1/admin/feedback", query={"first_day": day, "last_day": day})
            count = report["events"]["click"]
            found[key] = str(count) if count else GONE
        return found


def in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")
