"""What is asked of both services to be recorded with each release, and how an answer of today is held against it.

RECORD_RELEASE=0.1.0 .venv/bin/pytest tests/compatibility/test_recorded.py     # once, by whoever makes the release

Later releases replay all of these, so a folder is never written twice.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from photostock.app import create_app as create_photostock
from photostock.settings import PhotoSettings
from supermegaretail.app import create_app as create_supermegaretail
from supermegaretail.settings import RetailSettings
from supermegaretail.table import save_table
from tests.json_server import json_server
from tests.photostock.conftest import PHOTOS, WordEncoder, by_id_backwards
from tests.supermegaretail.conftest import sevens, small_table

RECORDED = Path(__file__).parent / "recorded"
SERVICES = ("supermegaretail", "photostock")
# What an answer may say differently today, by the name of the field: numbers of models, and who gave them.
FREE = frozenset(
    {"request_id", "since", "versions", "version", "components", "reason", "score", "scores", "demand", "served_by"}
)
ITEM = {"store": "north", "sku": "milk"}
Exchange = dict[str, Any]


def _asked(service: str, name: str, method: str, path: str, **more: Any) -> Exchange:
    return {"service": service, "name": name, "request": {"method": method, "path": path, **more}}


EXCHANGES: list[Exchange] = [
    _asked("supermegaretail", "one-item", "GET", "/v1/forecasts?store=north&sku=milk&horizon_days=3"),
    _asked(
        "supermegaretail",
        "bulk",
        "POST",
        "/v1/forecasts",
        json={
            "items": [ITEM, {"store": "north", "sku": "unicorn"}],
            "horizon_days": 3,
            "as_of": "2026-06-27",
            "quantiles": [0.25, 0.5],
            "version": "champion",
            "seed": 42,
            "explain": False,
        },
    ),
    _asked("supermegaretail", "misspelt", "POST", "/v1/forecasts", json={"items": [ITEM], "horizont": 3}),
    _asked("supermegaretail", "unknown-version", "POST", "/v1/forecasts", json={"items": [ITEM], "version": "9.9.9"}),
    _asked("supermegaretail", "old", "GET", "/predictions?sku=milk&entity_id=north&limit=2"),
    _asked(
        "supermegaretail", "sales", "POST", "/v1/sales", json={"sales": [{**ITEM, "date": "2026-06-29", "sales": 12.0}]}
    ),
    _asked(
        "supermegaretail", "plans", "POST", "/v1/plans", json={"plans": [{**ITEM, "date": "2026-07-20", "price": 2.0}]}
    ),
    _asked("supermegaretail", "version", "GET", "/version"),
    _asked("supermegaretail", "switches", "GET", "/v1/admin/switches"),
    _asked("photostock", "search", "GET", "/v1/search?query=dog&per_page=2&orientation=landscape&seed=1"),
    _asked("photostock", "explained", "GET", "/v1/search?query=dog&explain=true"),
    _asked("photostock", "misspelt", "GET", "/v1/search?query=dog&colour=red"),
    _asked("photostock", "bulk", "POST", "/v1/searches", json={"queries": [{"query": "dog"}, {"query": "cat"}]}),
    _asked("photostock", "add", "POST", "/v1/photos", json={"photos": [{"id": "kite", "title": "A red kite"}]}),
    _asked("photostock", "photo", "GET", "/v1/photos/kite"),
    _asked("photostock", "similar", "GET", "/v1/photos/cat/similar"),
    _asked(
        "photostock",
        "feedback",
        "POST",
        "/v1/feedback",
        json={
            "events": [
                {"query": "dog", "photo_id": "cat", "kind": "click", "user_id": "u", "at": "2026-06-01T10:00:00Z"}
            ]
        },
    ),
    _asked("photostock", "delete", "DELETE", "/v1/photos/kite"),
    _asked("photostock", "gone", "GET", "/v1/photos/kite"),
    _asked("photostock", "version", "GET", "/version"),
]


@asynccontextmanager
async def services(folder: Path) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """Both services over a small shop and a small catalogue, with models that always say the same."""
    save_table(small_table(), folder / "shop" / "supermegaretail" / "sales.parquet")
    common = {"admin_token": "operator-token", "low_timeout_ms": 20_000}
    admin = {"Authorization": "Bearer operator-token"}
    with json_server(sevens) as model, json_server(by_id_backwards) as reranker:
        shop = create_supermegaretail(
            RetailSettings.model_validate({"var_dir": folder / "shop", "model_url": model, **common})
        )
        photos = create_photostock(
            PhotoSettings.model_validate({"var_dir": folder / "photos", "reranker_url": reranker, **common})
        )
        async with shop.router.lifespan_context(shop), photos.router.lifespan_context(photos):
            library = photos.state.engine.library
            await asyncio.to_thread(library.add, PHOTOS)
            await asyncio.to_thread(library.use_encoder, WordEncoder())
            async with (
                httpx.AsyncClient(transport=httpx.ASGITransport(shop), base_url="http://shop", headers=admin) as one,
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(photos), base_url="http://photos", headers=admin
                ) as two,
            ):
                yield {"supermegaretail": one, "photostock": two}


async def asked(client: httpx.AsyncClient, request: dict[str, Any]) -> dict[str, Any]:
    """Status and answer, as they are recorded."""
    response = await client.request(request["method"], request["path"], json=request.get("json"))
    return {"status": response.status_code, "answer": response.json() if response.content else None}


def differences(before: Any, now: Any, place: str = "answer", *, free: bool = False) -> Iterator[str]:
    """What a caller who was written against `before` could stumble over in `now`; fields may have been added."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name, value in before.items():
            if name in now:
                yield from differences(value, now[name], f"{place}.{name}", free=free or name in FREE)
            elif not free or name not in FREE:
                yield f"{place}.{name} is gone"
    elif isinstance(before, list) and isinstance(now, list):
        if len(before) != len(now) and not free:
            yield f"{place} has {len(now)} elements, not {len(before)}"
        for number, (one, other) in enumerate(zip(before, now, strict=False)):
            yield from differences(one, other, f"{place}[{number}]", free=free)
    elif _kind(before) != _kind(now) and not (free and None in (before, now)):
        yield f"{place} is {_kind(now)}, not {_kind(before)}"
    elif not free and not isinstance(before, float) and before != now:
        yield f"{place} is {now!r}, not {before!r}"


def _kind(value: Any) -> str:
    kinds = (
        (bool, "a truth value"),
        ((int, float), "a number"),
        (str, "a string"),
        (list, "a list"),
        (dict, "an object"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")


async def record(release: str) -> None:
    """Asks everything and writes one file per service."""
    folder = RECORDED / release
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as state:
        async with services(Path(state)) as clients:
            told = [{**one, **await asked(clients[one["service"]], one["request"])} for one in EXCHANGES]
    for service in SERVICES:
        mine = [
            {name: part for name, part in one.items() if name != "service"} for one in told if one["service"] == service
        ]
        (folder / f"{service}.json").write_text(json.dumps(mine, indent=1, ensure_ascii=False) + "\n")
