"""A day at work, so that every page for operators has something to show: made over HTTP, as people and programs do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.photostock.test_review import _proposed as photo_release
from tests.supermegaretail.test_review import _proposed as retail_release

TOKEN = "operator-token"
ADMIN = {"Authorization": f"Bearer {TOKEN}"}
ASKED = "asked-1"
LONG = "the church of the neighbour has its feast and the street is closed from Friday noon on, says the town hall"
PHOTO_CASE: dict[str, Any] = {
    "query": "a dog on a beach",
    "meant": "dog-1",
    "champion": ["dog-1", "dog-2", "dog-3"],
    "candidate": ["dog-2", "dog-3", "dog-1"],
    "champion_rank": 1,
    "candidate_rank": 3,
    "titles": {f"dog-{number}": f"A dog on a beach {number}" for number in (1, 2, 3)},
}


async def retail_day(client: httpx.AsyncClient) -> None:
    """Sales, forecasts, an override, an event, a switch."""
    now = datetime.now(UTC)
    days = [(now.date() - timedelta(days=ago)).isoformat() for ago in range(60, 0, -1)]
    sales = [
        {"store": store, "sku": sku, "date": day, "sales": float(3 + place % 7)}
        for store in ("CA_1", "TX_2")
        for sku in ("milk", "FOODS_3_090")
        for place, day in enumerate(days)
    ]
    assert (await client.post("/v1/sales", json={"sales": sales})).status_code == 201
    override = {"store": "CA_1", "sku": "milk", "effect": "factor", "value": 1.3, "reason": LONG}
    await _made(client, "overrides", {**override, "ends_at": _later(hours=40), "ticket": "SHOP-4711"})
    half = {"store": "TX_2", "effect": "ceiling", "value": 9, "reason": "half is closed", "ticket": "SHOP-12"}
    await _made(client, "overrides", {**half, "ends_at": _later(hours=24 * 60), "plan": "the builders leave"})
    event = {"store": "CA_1", "name": "street festival", "factor": 1.4, "reason": LONG}
    planned = {"first_day": _day(2), "last_day": _day(4)}
    await _made(client, "events", {**event, **planned})
    await _switched(client, "core")
    items = [{"store": "CA_1", "sku": "milk"}, {"store": "TX_2", "sku": "FOODS_3_090"}, {"store": "x", "sku": "new"}]
    for request_id in (ASKED, "night-0815"):
        answer = await client.post("/v1/forecasts", json={"items": items}, headers={"X-Request-ID": request_id})
        assert answer.status_code == 200
    await client.get("/predictions", params={"sku": "milk"}, headers={"X-Request-ID": "old-client"})


async def photo_day(client: httpx.AsyncClient) -> str:
    """Photos, searches, hints, an override, a switch, a person who was forgotten: the hash of whom is returned."""
    photos: list[dict[str, Any]] = [
        {"id": f"dog-{number}", "title": f"A dog on the beach {number}", "photographer": "Ann", "tags": ["dog"]}
        for number in range(12)
    ]
    assert (await client.post("/v1/photos", json={"photos": photos})).status_code == 201
    erased = await client.post("/v1/admin/erasures", json={"user_id": "u-4711", "reason": "a letter"}, headers=ADMIN)
    assert erased.status_code in (200, 201), erased.text
    person: str = erased.json()["certificate"]["person"]
    override = {"effect": "pin", "photo_id": "dog-3", "query": "dog", "position": 1, "reason": LONG}
    await _made(client, "overrides", {**override, "ends_at": _later(hours=40), "ticket": "PIC-4711"})
    hint = {"when": "doggo", "then": "dog", "reason": LONG, "kind": "replacement"}
    made = await _made(client, "hints", {**hint, "owner": "ann"})
    name = {"when": "Bundestag", "then": "parliament dome Berlin", "kind": "name", "reason": LONG, "owner": "bob"}
    await _made(client, "hints", name)
    await client.delete(f"/v1/admin/hints/{made['id']}", headers=ADMIN)
    await _switched(client, "semantic")
    for request_id in (ASKED, "night-0815"):
        answer = await client.get("/v1/search", params={"query": "dog"}, headers={"X-Request-ID": request_id})
        assert answer.status_code == 200
    return person


async def day_at_work(name: str, client: httpx.AsyncClient) -> dict[str, str]:
    """What stands for the parameters in the addresses of pages."""
    person = ""
    if name == "photostock":
        person = await photo_day(client)
    else:
        await retail_day(client)
    told = {"title": "Forecasts of TX_2 are far too high since noon"}
    incident = await client.post("/v1/admin/incidents", json=told, headers=ADMIN)
    assert incident.status_code == 201, incident.text
    note = {"action": "note", "text": LONG}
    await client.post(f"/v1/admin/incidents/{incident.json()['id']}", json=note, headers=ADMIN)
    await _made(client, "operators", {"name": "ann-of-the-night-shift", "role": "operate"})
    return {
        "request_id": ASKED,
        "incident_id": incident.json()["id"],
        "name": "ApiDown",
        "day": datetime.now(UTC).date().isoformat(),
        "person": person,
    }


def proposed(name: str, var_dir: Path) -> str:
    """A release that waits for a decision; its id."""
    if name == "supermegaretail":
        return retail_release(var_dir)
    return photo_release(var_dir, PHOTO_CASE)


async def _made(client: httpx.AsyncClient, kind: str, wish: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(f"/v1/admin/{kind}", json=wish, headers=ADMIN)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def _switched(client: httpx.AsyncClient, tier: str) -> None:
    away = {"state": "off", "reason": "it raves", "ends_at": _later(hours=1)}
    assert (await client.put(f"/v1/admin/switches/{tier}", json=away, headers=ADMIN)).status_code == 200


def _later(*, hours: int) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def _day(ahead: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=ahead)).isoformat()
